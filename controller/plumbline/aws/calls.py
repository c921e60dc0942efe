"""Counts what is asked of AWS, for metrics: each attempt, so retries inside botocore are seen, and bytes scanned by queries."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, NamedTuple

from plumbline.aws.errors import OWN_ACCOUNT


class Call(NamedTuple):
    """`code` is empty for success, else the error code of AWS or the name of the client's exception."""

    account: str
    service: str
    operation: str
    code: str


class CallCounter:
    """Thread-safe counts of attempts by account, service, operation and outcome."""

    def __init__(self) -> None:
        self._counts: Counter[Call] = Counter()
        self._scanned: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def watch(self, client: Any, account: str | None) -> None:
        """Counts every attempt of this client under `account`."""
        service = client.meta.service_model.signing_name
        who = account or OWN_ACCOUNT

        def received(event_name: str, parsed_response: Any, exception: Any, **_: Any) -> None:
            code = type(exception).__name__ if exception else (parsed_response or {}).get("Error", {}).get("Code", "")
            self.add(Call(who, service, event_name.rpartition(".")[2], str(code)))

        client.meta.events.register("response-received.*.*", received)

    def add(self, call: Call) -> None:
        with self._lock:
            self._counts[call] += 1

    def scanned(self, landscape: str, source: str, number: int) -> None:
        """Adds the bytes that queries of a source of evidence scanned, which is what they cost."""
        with self._lock:
            self._scanned[landscape, source] += number

    def scanned_bytes(self) -> dict[tuple[str, str], int]:
        """By landscape and source."""
        with self._lock:
            return dict(sorted(self._scanned.items()))

    def counts(self) -> dict[Call, int]:
        with self._lock:
            return dict(sorted(self._counts.items()))

    def total(self) -> int:
        with self._lock:
            return self._counts.total()
