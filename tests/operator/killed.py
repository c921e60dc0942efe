"""`plumbline operator` that ends itself by SIGKILL just before or after one of its writes.

    python killed.py WRITES [NAME NUMBER before|after] -- ARGUMENTS OF PLUMBLINE

Appends the name of each write to the file WRITES when it has happened. A write is whatever changes something outside of
the process: a call of AWS that does not only read, a request that changes something at the API server, a commit of the
store. Its name says what is written, so that it is the same in each run whatever the threads do; NUMBER tells apart
writes of one name, from 1.
"""

import os
import re
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

import sqlalchemy as sa
from botocore.client import BaseClient

from plumbline.cli.main import main
from plumbline.kube import client

_READS = re.compile(r"(Get|List|Describe|Head|Assume)")
_CHANGES = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE|CREATE INDEX|ALTER TABLE)\s+"?(\w+)')


class Killer:
    def __init__(self, writes: Path, name: str = "", number: str = "0", when: str = "") -> None:
        self._writes, self._at = writes, (name, int(number), when)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def before(self, name: str) -> int:
        with self._lock:
            self._counts[name] += 1
            number = self._counts[name]
        self._strike(name, number, "before")
        return number

    def after(self, name: str, number: int) -> None:
        with self._lock, self._writes.open("a") as file:
            file.write(f"{name} {number}\n")
        self._strike(name, number, "after")

    def _strike(self, *at: object) -> None:
        if at == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def hook_aws(killer: Killer) -> None:
    call = BaseClient._make_api_call

    def counted(self: BaseClient, operation: str, parameters: dict[str, object]) -> object:
        if _READS.match(operation):
            return call(self, operation, parameters)
        details = parameters.get("policyGenerationDetails", parameters)
        principal = details.get("principalArn") or details.get("Arn")
        name = f"aws:{self.meta.service_model.service_name}:{operation}:{principal}"
        number = killer.before(name)
        answer = call(self, operation, parameters)
        killer.after(name, number)
        return answer

    BaseClient._make_api_call = counted


def hook_kube(killer: Killer) -> None:
    numbers = threading.local()

    def on_write(what: str) -> None:
        when, _, request = what.partition(" ")
        name = f"kube:{request.replace(' ', ':')}"
        if when == "before":
            numbers.last = killer.before(name)
        else:
            killer.after(name, numbers.last)

    class Client(client.KubeClient):
        def __init__(self, kubeconfig: str | None = None) -> None:
            super().__init__(kubeconfig, on_write=on_write)

    client.KubeClient = Client


def hook_store(killer: Killer) -> None:
    """One commit by the names of the tables that it changes."""
    written = threading.local()
    dialect = sa.engine.default.DefaultDialect
    commit, rollback = dialect.do_commit, dialect.do_rollback

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def executed(_connection, _cursor, statement, *_) -> None:
        if found := _CHANGES.match(statement):
            written.tables = getattr(written, "tables", frozenset()) | {found[1]}

    def counted(self: object, connection: object) -> None:
        tables = getattr(written, "tables", frozenset())
        written.tables = frozenset()
        if not tables:
            commit(self, connection)
            return
        name = f"store:{'+'.join(sorted(tables))}"
        number = killer.before(name)
        commit(self, connection)
        killer.after(name, number)

    def undone(self: object, connection: object) -> None:
        written.tables = frozenset()
        rollback(self, connection)

    dialect.do_commit, dialect.do_rollback = counted, undone


if __name__ == "__main__":
    end = sys.argv.index("--")
    made = Killer(Path(sys.argv[1]), *sys.argv[2:end])
    sys.argv = ["plumbline", *sys.argv[end + 1 :]]
    for hook in (hook_aws, hook_kube, hook_store):
        hook(made)
    main()
