"""A running PostgreSQL for tests, in a folder of its own and reached by a socket there. Knows nothing of Plumbline."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.controlplane.processes import Group

_START_SECONDS = 120.0
_USER = "plumbline"
_PLACES = Path("/usr/lib/postgresql")
# Nothing has to survive a crash of the machine.
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=50")


class NoServerError(Exception):
    """There is no PostgreSQL; the message says what to do."""


def program(name: str) -> str:
    """The path of a program of the server: on the PATH, or where Debian has it. Raises NoServerError."""
    places = sorted(_PLACES.glob("*/bin"), key=lambda path: (len(path.parent.name), path.parent.name), reverse=True)
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, places)))
    if found is None:
        raise NoServerError(
            f"The tests of the store need PostgreSQL 15 or later, and there is no `{name}` on the PATH or in {_PLACES}:"
            " install it, on Debian and Ubuntu the package postgresql."
        )
    return found


class PostgresServer:
    """Databases are made empty or as copies, and die with the server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = (f"test_{number}" for number in count())
        self._group = Group()
        # PostgreSQL refuses to run as root.
        user = None if os.geteuid() else pwd.getpwnam("nobody")
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        more = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        # A collation in which texts have another order than in SQLite, as a server of a company may have it.
        command = [
            program("initdb"), f"--pgdata={folder}/data", f"--username={_USER}", "--auth=trust", "--encoding=UTF8",
            "--locale-provider=icu", "--icu-locale=en-US", "--no-sync", "--no-instructions",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, **more)
        if done.returncode:
            raise NoServerError(f"`initdb` of PostgreSQL failed; 15 or later is needed: {done.stderr or done.stdout}")
        command = [program("postgres"), "-D", f"{folder}/data", "-k", str(folder)]
        command += [part for setting in _SETTINGS for part in ("-c", setting)]
        self._server = self._group.start("postgres", command, folder / "postgres.log", environment, **more)
        self._server.wait_until(self._answers, "an answer", _START_SECONDS)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{_USER}@/{database}?host={self._folder}"

    def create(self, template: str = "template0") -> str:
        """The name of a new database, empty or a copy of another to which nobody is connected."""
        name = next(self._names)
        self.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def disconnect(self, database: str) -> None:
        """Breaks all connections to a database, as a restart or a failover would."""
        self.execute(
            sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(database)
        )

    def execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(host=str(self._folder), user=_USER, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)

    def close(self) -> None:
        self._group.close()

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.execute(sql.SQL("SELECT 1").format())
            return True
        return False


@contextlib.contextmanager
def running() -> Iterator[PostgresServer]:
    """A server that ends with the block. Not below pytest's folders, which another user may not enter."""
    with tempfile.TemporaryDirectory(prefix="plumbline-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder))
        try:
            yield server
        finally:
            server.close()
