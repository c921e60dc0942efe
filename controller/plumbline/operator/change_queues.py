"""Reads the change queue of each landscape in a thread of its own, and tells which accounts to look at.

Knows SQS, not IAM: what a message says is read elsewhere. A message is deleted as soon as it was passed on: after a
crash the first pass looks at every account anyway.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from plumbline.api.landscape import ChangeQueue, IAMLandscape
from plumbline.aws.errors import AwsError, whole
from plumbline.aws.session import AwsSessions
from plumbline.model.evidence import GrantChange
from plumbline.operator.refreshes import Refreshes
from plumbline.reconcile.landscape import OpenSessions
from plumbline.usage.change_notices import changes_in

_BATCH: Final = 10
_WAIT: Final = 10  # seconds; below the clients' read timeout
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 120.0  # seconds after a failure
_log = structlog.get_logger()


class ChangeQueues:
    """One reader for each landscape that names a queue. `wake`: called with a landscape's name when it has news."""

    def __init__(self, sessions: OpenSessions, wake: Callable[[str], None]) -> None:
        self._sessions, self._wake = sessions, wake
        self._readers: dict[str, _Reader] = {}
        self._lock = threading.Lock()

    def watch(self, landscape: IAMLandscape) -> Refreshes | None:
        """What the landscape's queue has told; None where it names none. Starts, replaces or stops its reader."""
        name, queue = landscape.metadata.name, landscape.spec.change_queue
        wanted = (queue, landscape.spec.member_role) if queue is not None else None
        with self._lock:
            reader = self._readers.get(name)
            if reader is not None and (reader.wanted != wanted or not reader.is_alive()):
                reader.stop.set()
                del self._readers[name]
                reader = None
            if queue is None:
                return None
            if reader is None:
                reader = _Reader(name, wanted, queue, self._sessions(landscape), self._wake)
                self._readers[name] = reader
                reader.start()
            return reader.refreshes

    def forget(self, name: str) -> None:
        with self._lock:
            reader = self._readers.pop(name, None)
        if reader is not None:
            reader.stop.set()

    def close(self) -> None:
        """Threads end by themselves; none keeps the process alive."""
        for name in list(self._readers):
            self.forget(name)

    def figures(self) -> list[tuple[str, bool, int]]:
        """(landscape, whether its queue can be read, messages so far)."""
        with self._lock:
            readers = sorted(self._readers.items())
        return [(name, reader.refreshes.problem == "", reader.refreshes.messages) for name, reader in readers]


class _Reader(threading.Thread):
    def __init__(
        self, name: str, wanted: Any, queue: ChangeQueue, sessions: AwsSessions, wake: Callable[[str], None]
    ) -> None:
        super().__init__(name=f"change-queue-{name}", daemon=True)
        self.wanted, self.stop, self.refreshes = wanted, threading.Event(), Refreshes()
        self._landscape, self._queue, self._sessions, self._wake = name, queue, sessions, wake
        self._url = ""

    def run(self) -> None:
        pause = _FIRST_PAUSE
        while not self.stop.is_set():
            try:
                self._take()
            except AwsError as error:
                self._said(str(error))
                self.stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the watch without a word
                _log.exception("change queue reader failed", landscape=self._landscape)
                self._said(f"{type(error).__name__}: {error}")
                self.stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE
                self._said("")

    def _take(self) -> None:
        """Passes on what comes within some seconds. Raises AwsError."""
        if not self._url:
            found = self._call("GetQueueUrl", **_address(self._queue.arn))
            with whole("sqs", "GetQueueUrl", self._queue.account):
                self._url = found["QueueUrl"]
        answer = self._call("ReceiveMessage", QueueUrl=self._url, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=_WAIT)
        messages: Sequence[dict[str, Any]] = answer.get("Messages") or ()
        if not messages or self.stop.is_set():
            return
        with whole("sqs", "ReceiveMessage", self._queue.account):
            entries = [{"Id": str(at), "ReceiptHandle": m["ReceiptHandle"]} for at, m in enumerate(messages)]
            bodies = [m["Body"] for m in messages]
        self.refreshes.messages += len(messages)
        changes = [change for body in bodies for change in self._changes(body)]
        if changes:
            self.refreshes.announce(changes, datetime.now(UTC))
            self._wake(self._landscape)
        self._call("DeleteMessageBatch", QueueUrl=self._url, Entries=entries)

    def _said(self, problem: str) -> None:
        if problem == self.refreshes.problem:
            return
        self.refreshes.problem = problem
        if problem:
            _log.warning("change queue not readable", landscape=self._landscape, error=problem)
        self._wake(self._landscape)

    def _changes(self, body: str) -> tuple[GrantChange, ...]:
        try:
            return changes_in(body)
        except (ValueError, RecursionError) as error:
            _log.warning("message of the change queue not understood", landscape=self._landscape, error=str(error))
            return ()

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        region = self._queue.arn.split(":")[3]
        return self._sessions.call("sqs", operation, account=self._queue.account, region=region, **parameters)


def _address(arn: str) -> dict[str, str]:
    *_, account, name = arn.split(":")
    return {"QueueName": name, "QueueOwnerAWSAccountId": account}
