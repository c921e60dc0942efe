import com.google.inject.Key;
import io.trino.plugin.memory.MemoryPlugin;
import io.trino.server.security.PasswordAuthenticatorManager;
import io.trino.spi.security.AccessDeniedException;
import io.trino.spi.security.BasicPrincipal;
import io.trino.testing.DistributedQueryRunner;
import io.trino.testing.TestingSession;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;

/**
 * A Trino of three nodes with a catalog in memory, until it is killed.
 *
 * <p>Arguments: a folder with server.pem (certificate and key) and jwt.key (a secret in base64), and the only password.
 * Writes its two addresses, with and without TLS, to the file `ready` there. Without TLS a user needs no proof.
 */
final class Server {
    private static final int NODES = 3;

    private Server() {}

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        String password = arguments[1];
        DistributedQueryRunner runner =
                DistributedQueryRunner.builder(TestingSession.testSessionBuilder().build())
                        .setNodeCount(NODES)
                        .addExtraProperty("query.max-memory-per-node", "256MB")
                        .addCoordinatorProperties(Map.of(
                                "http-server.https.enabled", "true",
                                "http-server.https.port", "0",
                                "http-server.https.keystore.path", folder.resolve("server.pem").toString(),
                                "http-server.authentication.type", "PASSWORD,JWT",
                                "http-server.authentication.jwt.key-file", folder.resolve("jwt.key").toString(),
                                // It has to exist and is never read: the authenticator is given below.
                                "password-authenticator.config-files", folder.resolve("jwt.key").toString(),
                                "http-server.authentication.allow-insecure-over-http", "true"))
                        .build();
        runner.getCoordinator()
                .getInstance(Key.get(PasswordAuthenticatorManager.class))
                .setAuthenticators((user, given) -> {
                    if (!given.equals(password)) {
                        throw new AccessDeniedException("Invalid credentials");
                    }
                    return new BasicPrincipal(user);
                });
        runner.installPlugin(new MemoryPlugin());
        runner.createCatalog("memory", "memory", Map.of("memory.max-data-per-node", "256MB"));
        String addresses =
                runner.getCoordinator().getBaseUrl() + "\n" + runner.getCoordinator().getHttpsBaseUrl() + "\n";
        Path temporary = Files.writeString(folder.resolve("ready.new"), addresses);
        Files.move(temporary, folder.resolve("ready"), StandardCopyOption.ATOMIC_MOVE);
        Thread.currentThread().join();
    }
}
