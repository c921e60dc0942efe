"""What a kind of event means, found out once: whether it counts, what it changes, and how its requests are read.

Knows no caller and no tally, so that many of them share it.
"""

from __future__ import annotations

from sys import intern
from typing import cast

from plumbline.iam.overlay import Overlay
from plumbline.usage.changes import is_change
from plumbline.usage.classify import is_service_event, special_bin
from plumbline.usage.request import NOTHING, Facts, Requests

# eventName, eventSource, eventType, eventCategory, recipientAccountId, awsRegion.
Kind = tuple[str, str, str | None, str | None, str | None, str | None]
_NOTHING_KNOWN = {0: NOTHING}


class Event:
    """What records share that agree in all but caller, error, request and time. `kind`: by which they are known.
    `account`: whose resources they name. `reader`: None where a request says nothing. `known`: facts by the hash of the
    request. `changes`: when it succeeded, it changed grants or a trail. `own`: the caller's own account recorded it."""

    __slots__ = ("account", "changes", "kind", "known", "own", "reader", "special")

    def __init__(self, kind: Kind, caller: tuple[str | None, str | None], overlay: Overlay, requests: Requests) -> None:
        self.kind = cast("Kind", tuple(part if part is None else intern(part) for part in kind))
        name, source, event_type, category, recipient, region = self.kind
        caller_type, caller_account = caller
        self.special = special_bin(
            overlay, source, name, event_type, is_service_event(event_type, category, caller_type)
        )
        self.changes = is_change(source, name)  # also where a service made it as itself
        self.own = caller_account == recipient and caller_type != "AWSAccount"
        self.account = recipient or caller_account or ""
        self.reader = None if self.special else requests.reader(source, name, self.account, region or "")
        self.known = _NOTHING_KNOWN if self.reader is None else self.reader.known


class Events:
    """The kinds of events that were met."""

    def __init__(self, overlay: Overlay) -> None:
        self.overlay, self._requests = overlay, Requests(overlay)
        self._events: dict[tuple[Kind, tuple[str | None, str | None]], Event] = {}

    def event(self, kind: Kind, caller: tuple[str | None, str | None]) -> Event:
        """`caller`: the type of its identity, and its account."""
        event = self._events.get((kind, caller))
        if event is None:
            event = Event(kind, caller, self.overlay, self._requests)
            self._events[event.kind, caller] = event
        return event

    def facts(self, event: Event, number: int, request: bytes, listed: bytes) -> Facts:
        """What a record's request and resources say, remembered by `number`, their hash."""
        facts = NOTHING
        if event.reader is not None:
            facts = event.reader.facts(request, listed)
            self._requests.remember(event.reader, number, facts)
        return facts
