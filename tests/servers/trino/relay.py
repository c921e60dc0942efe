"""A way to a server that can be cut: what passes is real, and the end of it too. Knows bytes and sockets only."""

import contextlib
import socket
import threading
from collections.abc import Callable


class Relay:
    """Listens on a port of its own and passes bytes on, until `cut`. `seen` is called with what clients send."""

    def __init__(self, port: int, seen: Callable[[bytes], None] = lambda _: None) -> None:
        self._target = ("127.0.0.1", port)
        self._seen = seen
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Breaks all connections and refuses new ones."""
        with self._lock:
            sockets, self._open = [self._listener, *self._open], []
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                with self._lock:
                    self._open += [client, server]
                threading.Thread(target=self._pass, args=(client, server, self._seen), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, lambda _: None), daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket, seen: Callable[[bytes], None]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                seen(data)
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
