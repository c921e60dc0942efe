"""A running Trino of three nodes for tests: how it starts, how it is reached, how it goes down.

Knows processes, addresses and proofs of identity; nothing of Plumbline or of what tables hold.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trino.dbapi import Connection

from tests.servers.controlplane.certificates import Authority
from tests.servers.controlplane.processes import Group
from tests.servers.trino import build

HOST = "127.0.0.1"
CATALOG = "memory"
_START_SECONDS = 400.0
# For a server that lives for minutes: the second compiler and a collector with threads of its own would not pay.
_FLAGS = ("-Xmx1400m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


class TrinoServer:
    """`url` takes any user at their word; `secure_url` wants the password or a token."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self.password = secrets.token_urlsafe()
        self.url = self.secure_url = ""
        authority = Authority(folder)
        self.ca_file = authority.file
        certificate, key = authority.server([HOST, "localhost"])
        self._secret = secrets.token_bytes(64)
        (folder / "server.pem").write_bytes(certificate + key)
        (folder / "jwt.key").write_bytes(base64.b64encode(self._secret))
        self._group = Group()
        command = [build.java(), *_FLAGS, "-cp", f"{programs / 'classes'}:{programs / 'jars'}/*", build.PROGRAM]
        environment = {"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        self._server = self._group.start(
            "trino", [*command, str(folder), self.password], folder / "trino.log", environment
        )

    def wait(self) -> None:
        ready = self.folder / "ready"
        self._server.wait_until(ready.exists, "its addresses", _START_SECONDS)
        self.url, self.secure_url = ready.read_text().split()

    def token(self, user: str) -> str:
        """A JSON Web Token that the server takes for an hour."""
        parts = ({"alg": "HS512", "typ": "JWT"}, {"sub": user, "exp": int(time.time()) + 3600})
        signed = b".".join(_base64(json.dumps(part).encode()) for part in parts)
        proof = hmac.digest(self._secret, signed, hashlib.sha512)
        return b".".join((signed, _base64(proof))).decode()

    def execute(self, statement: str, parameters: Sequence[str] = ()) -> list[list[Any]]:
        """All rows of a statement, as a user of its own."""
        connection = Connection(
            host=self.url, user="admin", catalog=CATALOG, schema="default", legacy_prepared_statements=False
        )
        with contextlib.closing(connection):
            return connection.cursor().execute(statement, list(parameters)).fetchall()

    def close(self) -> None:
        self._group.close()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@contextlib.contextmanager
def running(folder: Path, programs: Path) -> Iterator[TrinoServer]:
    """A server that keeps its files in `folder` and ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    server = TrinoServer(programs, folder.resolve())
    try:
        server.wait()
        yield server
    finally:
        server.close()
