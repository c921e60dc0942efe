"""Records grouped into evidence in one pass and flat memory; events are mapped to actions once for each group.

Puts together what records, outcomes, attribution, requests and the overlay know. Reads no file and keeps no record.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import io
from array import array
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import BinaryIO

from plumbline.iam.overlay import Overlay
from plumbline.model.evidence import Evidence, GrantChange, Outcome, TrailChange, UnmappedUse
from plumbline.usage.attribution import Caller, caller_of
from plumbline.usage.changes import grant_change, grants_in_order, trail_change, trails_in_order
from plumbline.usage.classify import BINS, Bin, bin_of, event_of
from plumbline.usage.event_kinds import Event, Events
from plumbline.usage.grouping import evidence_of, unmapped_of
from plumbline.usage.outcomes import denied_action, outcome_of
from plumbline.usage.records import NO_VALUE, Batch, Problem, Record, UserIdentity, read
from plumbline.usage.repeats import NO_MARK, Memory, marks_of
from plumbline.usage.request import Facts
from plumbline.usage.tally import Group, Key, Place, Tally

# What is remembered between records; the tally alone holds all. An account's calls of an hour fit.
_IDENTITIES, _CALLS = 2_048, 4_096


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


@dataclass(slots=True)
class Journal:
    """The records of one batch that may have been delivered before, in other batches: their marks, and the number of
    each one's place."""

    marks: array[int]
    places: array[int]


_NO_PLACES: dict[tuple[str, tuple[str, ...]], Place] = {}


class _Call:
    """What records of one caller share that agree in all but request and time."""

    __slots__ = ("changes", "event", "key", "known", "places", "plain", "special")

    def __init__(self, event: Event, key: Key) -> None:
        """`key`: without its variant."""
        self.event, self.key = event, key
        self.special, self.known = event.special, event.known
        self.changes = event.changes and key.outcome == "used"
        self.plain: Place | None = None  # of requests with nothing special
        self.places = _NO_PLACES


class _Who:
    """One caller with its calls, by what the record says besides request and time."""

    __slots__ = ("account", "caller", "calls", "invoked_by")

    def __init__(self, caller: Caller, account: tuple[str | None, str | None], invoked_by: str | None) -> None:
        """`account`: the type of identity and the account, as the record gives them."""
        self.caller, self.account, self.invoked_by = caller, account, invoked_by
        self.calls: dict[tuple[str | None, ...], _Call] = {}


class Aggregator:
    """Takes record files one after another, in any order; `result` may be asked at any time."""

    def __init__(self, overlay: Overlay, source: str, *, journal: bool = False, events: Events | None = None) -> None:
        """`source`: the name of the source that the evidence will carry. `journal`: repetitions are looked for within
        each batch only, and `journals` gets what is needed to find those between batches. `events`: what other
        aggregators of the overlay have found out."""
        self._overlay, self._source = overlay, source
        self._events = events or Events(overlay)
        self._memory = None if journal else Memory()
        self._identities: dict[UserIdentity | None, _Who] = {}
        self._whos: dict[tuple[Caller, tuple[str | None, str | None], str | None], _Who] = {}
        self._calls = 0
        self.until: datetime | None = None  # what was recorded later is left out
        self.tally = Tally()
        self.places: list[Place] = []  # with a journal
        self.journals: list[Journal] = []

    @property
    def problems(self) -> list[Problem]:
        """What could not be read so far; others may add to it."""
        return self.tally.problems

    def feed(self, name: str, data: bytes | BinaryIO) -> None:
        """Adds one file, as bytes or as a stream; what is damaged in it is added to `problems`."""
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        for batch in read(stream, name, self.problems):
            self.add(batch)

    def add(self, batch: Batch) -> None:
        """Counts the records of one batch."""
        records = [record for record in batch if record is not None]
        self.tally.malformed += len(batch) - len(records)
        if self.until is not None:
            records = [record for record in records if record.eventTime <= self.until]
        marks = marks_of(records)
        again = (self._memory or Memory()).seen(marks)
        places = self._count(records)
        for number in again:
            places[number].repeated(1)
            marks[number] = NO_MARK
        if self._memory is None:
            self.journals.append(Journal(array("q", marks), array("q", [place.number for place in places])))

    def _count(self, records: list[Record]) -> list[Place]:
        """Counts all, and says where. Almost all time is spent here: what this loop looks up was found out the first
        time that something occurred."""
        identities, places, no_value = self._identities, list[Place](), NO_VALUE
        for record in records:
            who = identities.get(record.userIdentity)
            if who is None:
                who = self._identified(record.userIdentity)
            call = None
            if record.errorCode is None and record.errorMessage is None:
                call = who.calls.get(
                    (
                        record.eventName,
                        record.eventSource,
                        record.eventType,
                        record.eventCategory,
                        record.recipientAccountId,
                        record.awsRegion,
                    )
                )
            if call is None:
                call = self._call(who, record)
            request = listed = b""
            number = 0
            if not call.special:
                request = bytes(record.requestParameters)
                number = hash(request)
                if record.resources is not no_value:
                    listed = bytes(record.resources)
                    number = hash((request, listed))
            facts = call.known.get(number)
            if facts is None:
                facts = self._events.facts(call.event, number, request, listed)
            resources, variant, extra = facts
            at = record.eventTime
            place = self._special_place(call, facts, at) if variant or extra else call.plain
            if place is None:
                place = call.plain = self._new_place(call, "", (), at)
            group = place.group
            group.count += 1
            if at > group.last:
                group.last = at
            elif at < group.first:
                group.first = at
            if not resources:
                group.unknown = True
            elif group.full or resources not in group.resources:
                group.keep(resources)
            if record.sharedEventID is not None:
                self._share(call, group, record.sharedEventID)
            if call.changes:
                self._note_change(record, call)
            places.append(place)
        return places

    def _identified(self, identity: UserIdentity | None) -> _Who:
        caller = caller_of(identity)
        account: tuple[str | None, str | None] = (None, None)
        invoked_by = None
        if identity is not None:
            account, invoked_by = (identity.type, identity.accountId), identity.invokedBy
        said = (caller, account, invoked_by)
        who = self._whos.get(said)
        if who is None:
            who = self._whos[said] = _Who(*said)
        if len(self._identities) >= _IDENTITIES:
            self._identities.clear()
        self._identities[identity] = who
        return who

    def _call(self, who: _Who, record: Record) -> _Call:
        """The call of a record: made when it is the first of its kind. Failed ones are told apart by their error."""
        kind = (
            record.eventName,
            record.eventSource,
            record.eventType,
            record.eventCategory,
            record.recipientAccountId,
            record.awsRegion,
        )
        event = self._events.event(kind, who.account)
        code, message = record.errorCode, record.errorMessage
        outcome: Outcome = "used"
        refused = None
        name: tuple[str | None, ...] = event.kind
        if code is not None or message is not None:
            outcome = outcome_of(code, message)
            refused = denied_action(message) if outcome == "denied" else None
            name = (*name, code, outcome, refused)
        call = who.calls.get(name)
        if call is None:
            code = code and intern(code)
            key = Key(
                who.caller, event.kind[1], event.kind[0], "", code, outcome, refused, who.invoked_by, event.special
            )
            call = who.calls[name] = _Call(event, key)
            self._calls += 1
            if self._calls >= _CALLS:
                self._calls = 0
                self._identities.clear()
                self._whos.clear()
        return call

    def _special_place(self, call: _Call, facts: Facts, at: datetime) -> Place:
        """The place of a request with a variant or extra actions, which are counted here."""
        names = tuple(action for action, _ in facts.extra)
        place = call.places.get((facts.variant, names))
        if place is None:
            place = self._new_place(call, facts.variant, names, at)
            call.places = {**call.places, (facts.variant, names): place}
        for extra, (_, resources) in zip(place.extra, facts.extra, strict=True):
            extra.seen(at)
            extra.about(resources)
        return place

    def _new_place(self, call: _Call, variant: str, names: tuple[str, ...], at: datetime) -> Place:
        key = call.key._replace(variant=variant) if variant else call.key
        group = self.tally.groups.get(key)
        if group is None:
            group = self.tally.groups[key] = Group(at)
        extra = tuple(group.inside(name, at) for name in names)
        place = Place(len(self.places), group, extra)
        if self._memory is None:
            self.places.append(place)
        return place

    def _share(self, call: _Call, group: Group, shared: str) -> None:
        """A call across accounts is recorded in both. The caller's own copy names its role; it is the one to count."""
        if not call.event.special:
            if call.event.own:
                self.tally.callers.append(hash(shared))
            else:
                group.share((hash(shared),))

    def _note_change(self, record: Record, call: _Call) -> None:
        if record.eventSource == "iam.amazonaws.com":
            change = grant_change(record, call.event.account, call.key.caller.principal)
            if change is not None:
                self.tally.grants.add(change)
        else:
            trail = trail_change(record, call.event.account)
            if trail is not None:
                self.tally.trails.add(trail)

    def result(self) -> Usage:
        """Everything found so far, sorted; equal for equal records in whatever files and order they came."""
        return usage_of(self.tally, self._overlay, self._source)


def usage_of(tally: Tally, overlay: Overlay, source: str) -> Usage:
    """What a tally means, sorted."""
    bins: dict[Bin, int] = dict.fromkeys(BINS, 0)
    bins["unmapped"] += tally.malformed
    for key, group in tally.groups.items():
        known = event_of(overlay, key.event_source, key.event_name).known
        bins[bin_of(key.special, key.outcome, known)] += group.count + group.repeated
    callers = set(tally.callers)
    groups = (
        (k, g, g.count - len(callers.intersection(g.shared or ()))) for k, g in tally.groups.items() if not k.special
    )
    counted = [(key, group, count) for key, group, count in groups if count > 0]
    return Usage(
        records=sum(bins.values()),
        bins=bins,
        evidence=evidence_of(counted, overlay, source),
        unmapped=unmapped_of(counted, overlay),
        grant_changes=grants_in_order(tally.grants),
        trail_changes=trails_in_order(tally.trails),
        problems=tuple(tally.problems),
        first=min((group.first for group in tally.groups.values() if group.count), default=None),
        last=max((group.last for group in tally.groups.values() if group.count), default=None),
        path_unknown=frozenset(key.caller.principal for key, _, _ in counted if not key.caller.path_known),
    )
