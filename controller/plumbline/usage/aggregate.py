"""Records grouped into evidence in one pass and flat memory; events are mapped to actions once for each group.

Puts together what records, outcomes, attribution, requests and the overlay know. Reads no file and keeps no record.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, NamedTuple

from plumbline.iam.overlay import Overlay
from plumbline.model.evidence import MAX_RESOURCES, Evidence, GrantChange, Outcome, TrailChange, UnmappedUse
from plumbline.usage.attribution import Caller, caller_of
from plumbline.usage.changes import grant_change, is_change, trail_change
from plumbline.usage.classify import BINS, Bin, bin_of, is_service_event, special_bin
from plumbline.usage.grouping import evidence_of, unmapped_of
from plumbline.usage.outcomes import denied_action, outcome_of
from plumbline.usage.records import Batch, Problem, Record, read
from plumbline.usage.request import NOTHING, Facts, Requests

# Event ids remembered to recognise a record that was delivered again: two generations of so many.
_REMEMBERED = 250_000


class Key(NamedTuple):
    """What makes records one group."""

    caller: Caller
    event_source: str
    event_name: str
    variant: str
    code: str | None
    outcome: Outcome
    refused: str | None
    invoked_by: str | None
    special: Bin | None


class Group:
    """The tally of one group. `resources`: each a set of ARNs that one call was about; `unknown`: some call named none.
    `shared`: ids of copies that the caller's own account may hold as well."""

    __slots__ = ("count", "extra", "first", "last", "resources", "shared", "truncated", "unknown")

    def __init__(self, at: datetime) -> None:
        self.count = 0
        self.first = self.last = at
        self.resources: set[tuple[str, ...]] = set()
        self.truncated = self.unknown = False
        self.shared: set[int] = set()
        self.extra: dict[str, Group] = {}

    def add(self, at: datetime, resources: tuple[str, ...]) -> None:
        self.count += 1
        if at < self.first:
            self.first = at
        elif at > self.last:
            self.last = at
        if not resources:
            self.unknown = True
        elif resources not in self.resources:
            self._keep(resources)

    def _keep(self, resources: tuple[str, ...]) -> None:
        self.resources.add(resources)
        if len(self.resources) > 2 * MAX_RESOURCES:
            # The first in order: what is kept does not hang on the order of reading.
            self.resources = set(sorted(self.resources)[:MAX_RESOURCES])
            self.truncated = True


@dataclass(frozen=True, slots=True)
class Usage:
    """What an aggregator found. `bins` add up to `records`, duplicates and malformed ones included. `path_unknown`:
    principals whose role's path no record gave."""

    records: int
    bins: dict[Bin, int]
    evidence: tuple[Evidence, ...]
    unmapped: tuple[UnmappedUse, ...]
    grant_changes: tuple[GrantChange, ...]
    trail_changes: tuple[TrailChange, ...]
    problems: tuple[Problem, ...]
    first: datetime | None
    last: datetime | None
    path_unknown: frozenset[str] = frozenset()


class Aggregator:
    """Takes record files one after another, in any order; `result` may be asked at any time."""

    def __init__(self, overlay: Overlay, source: str) -> None:
        """`source`: the name of the source that the evidence will carry."""
        self._overlay, self._source = overlay, source
        self._requests = Requests(overlay)
        self._groups: dict[Key, Group] = {}
        self._natures: dict[tuple[str, str, str | None, str | None, str | None], tuple[Bin | None, bool]] = {}
        self._recent: set[int] = set()
        self._older: set[int] = set()
        self._callers: set[int] = set()
        self._malformed = 0
        self._repeated: dict[Key, int] = {}
        self._grants: set[GrantChange] = set()
        self._trails: set[TrailChange] = set()
        self.problems: list[Problem] = []

    def feed(self, name: str, data: bytes | BinaryIO) -> None:
        """Adds one file, as bytes or as a stream; what is damaged in it is added to `problems`."""
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        for batch in read(stream, name, self.problems):
            self.add(batch)

    def add(self, batch: Batch) -> None:
        """Adds decoded records; None counts as malformed."""
        for record in batch:
            if record is None:
                self._malformed += 1
            else:
                self._add(record)

    def _add(self, record: Record) -> None:
        identity = record.userIdentity
        kind = identity.type if identity is not None else None
        caller = caller_of(identity)
        code = record.errorCode
        message = record.errorMessage
        outcome: Outcome = "used" if code is None and message is None else outcome_of(code, message)
        special, changes = self._nature(record, kind)
        account = record.recipientAccountId or (identity.accountId if identity is not None else None) or ""
        facts = NOTHING if special else self._requests.facts(record, account)
        key = Key(
            caller,
            record.eventSource,
            record.eventName,
            facts.variant,
            code,
            outcome,
            denied_action(message) if outcome == "denied" else None,
            identity.invokedBy if identity is not None else None,
            special,
        )
        if self._seen_before(record):
            self._repeated[key] = self._repeated.get(key, 0) + 1
            return
        self._tally(key, record, facts, kind)
        if changes and outcome == "used" and not special:
            self._note_change(record, account, caller)

    def _tally(self, key: Key, record: Record, facts: Facts, kind: str | None) -> None:
        group = self._groups.get(key)
        at = record.eventTime
        if group is None:
            group = self._groups[key] = Group(at)
        group.add(at, facts.resources)
        for action, resources in facts.extra:
            extra = group.extra.get(action)
            if extra is None:
                extra = group.extra[action] = Group(at)
            extra.add(at, resources)
        if record.sharedEventID is not None and not key.special:
            # A call across accounts is recorded in both. The caller's own copy names its role; it is the one to count.
            identity = record.userIdentity
            own = identity is not None and identity.accountId == record.recipientAccountId and kind != "AWSAccount"
            (self._callers if own else group.shared).add(hash(record.sharedEventID))

    def _seen_before(self, record: Record) -> bool:
        """Whether the record was read already: CloudTrail may deliver one more than once.

        Remembered are at least the last 250,000; a repetition further off counts again.
        """
        if record.eventID is None:
            return False
        mark = hash((record.eventID, record.eventName, record.eventSource))
        if mark in self._recent or mark in self._older:
            return True
        if len(self._recent) >= _REMEMBERED:
            self._older, self._recent = self._recent, set()
        self._recent.add(mark)
        return False

    def _nature(self, record: Record, kind: str | None) -> tuple[Bin | None, bool]:
        """(the special bin of the event, whether it changes grants or a trail), found out once for each event."""
        event = (record.eventSource, record.eventName, record.eventType, record.eventCategory, kind)
        nature = self._natures.get(event)
        if nature is None:
            service_event = is_service_event(record.eventType, record.eventCategory, kind)
            special = special_bin(self._overlay, *event[:3], service_event)
            nature = self._natures[event] = (special, is_change(record.eventSource, record.eventName))
        return nature

    def _note_change(self, record: Record, account: str, caller: Caller) -> None:
        if record.eventSource == "iam.amazonaws.com":
            change = grant_change(record, account, caller.principal)
            if change is not None:
                self._grants.add(change)
        else:
            trail = trail_change(record, account)
            if trail is not None:
                self._trails.add(trail)

    def result(self) -> Usage:
        """Everything found so far, sorted; equal for equal records in whatever files and order they came."""
        bins: dict[Bin, int] = dict.fromkeys(BINS, 0)
        bins["unmapped"] += self._malformed
        for key, group in self._groups.items():
            bins[self._bin(key)] += group.count
        for key, count in self._repeated.items():
            bins[self._bin(key)] += count
        groups = [(k, g, g.count - len(g.shared & self._callers)) for k, g in self._groups.items() if not k.special]
        counted = [(key, group, count) for key, group, count in groups if count > 0]
        return Usage(
            records=sum(bins.values()),
            bins=bins,
            evidence=evidence_of(counted, self._overlay, self._source),
            unmapped=unmapped_of(counted, self._overlay),
            grant_changes=tuple(
                sorted(self._grants, key=lambda c: (c.at, c.event_name, c.target, c.policy or "", c.by))
            ),
            trail_changes=tuple(sorted(self._trails, key=lambda c: (c.at, c.event_name, c.trail))),
            problems=tuple(self.problems),
            first=min((g.first for g in self._groups.values()), default=None),
            last=max((g.last for g in self._groups.values()), default=None),
            path_unknown=frozenset(k.caller.principal for k, _, _ in counted if not k.caller.path_known),
        )

    def _bin(self, key: Key) -> Bin:
        return bin_of(key.special, key.outcome, self._overlay.event(key.event_source, key.event_name).known)
