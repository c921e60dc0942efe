"""Records that a query has grouped already, counted as the log reader counts them one by one.

The same keys, requests, bins and changes. Knows no SQL and no record file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from plumbline.iam.overlay import Overlay
from plumbline.model.evidence import Evidence, Outcome
from plumbline.usage.aggregate import Usage, usage_of
from plumbline.usage.attribution import Caller, caller_of
from plumbline.usage.changes import grant_change, is_change, trail_change
from plumbline.usage.classify import is_service_event, special_bin
from plumbline.usage.grouping import Merged
from plumbline.usage.outcomes import denied_action, outcome_of
from plumbline.usage.records import Problem, Record
from plumbline.usage.request import NOTHING, PASSING, Facts, Requests, passed_to
from plumbline.usage.tally import Group, Key, Tally


@dataclass(frozen=True, slots=True)
class Counted:
    """Records that are alike: `records` of them, `calls` without those that were delivered twice. `exact`: all had this
    request; otherwise it is one of theirs, with the same parameter names."""

    record: Record
    records: int
    calls: int
    first: datetime
    last: datetime
    exact: bool = True


class CountedAggregator:
    """Takes like records in any order; `result` may be asked at any time."""

    def __init__(self, overlay: Overlay, source: str) -> None:
        """`source`: the name of the source that the evidence will carry."""
        self._overlay, self._source = overlay, source
        self._requests = Requests(overlay)
        self._tally = Tally()
        self._perhaps: dict[tuple[Caller, str, Outcome, str], Merged] = {}

    def add(self, like: Counted) -> None:
        """Counts them. A change of a grant that was made several times has only its first and its last time."""
        record = like.record
        if not record.eventSource or not record.eventName:
            self._tally.malformed += like.records
            message = f"{like.records} records lack eventSource or eventName"
            self._tally.problems.append(Problem("query", "MalformedRecord", message))
            return
        account = record.recipientAccountId or (record.userIdentity.accountId if record.userIdentity else None) or ""
        key, facts = self._classified(record, account)
        group = _counted(self._tally.groups.setdefault(key, Group(like.first)), like, facts.resources)
        group.repeated += like.records - like.calls
        for action, resources in facts.extra:
            _counted(group.inside(action, like.first), like, resources)
        if not key.special and not like.exact:
            self._note_possible(key, like, [action for action, _ in facts.extra])
        if key.outcome == "used" and is_change(record.eventSource, record.eventName):
            for at in (like.first, like.last):
                record.eventTime = at
                self._note_change(record, account, key.caller)

    def _classified(self, record: Record, account: str) -> tuple[Key, Facts]:
        identity, code, message = record.userIdentity, record.errorCode, record.errorMessage
        kind = identity.type if identity is not None else None
        outcome = outcome_of(code, message)
        service_event = is_service_event(record.eventType, record.eventCategory, kind)
        special = special_bin(self._overlay, record.eventSource, record.eventName, record.eventType, service_event)
        facts = NOTHING
        if not special:
            reader = self._requests.reader(record.eventSource, record.eventName, account, record.awsRegion or "")
            facts = reader.facts(bytes(record.requestParameters), bytes(record.resources))
        return Key(
            caller_of(identity),
            record.eventSource,
            record.eventName,
            facts.variant,
            code,
            outcome,
            denied_action(message) if outcome == "denied" else None,
            identity.invokedBy if identity is not None else None,
            special,
        ), facts

    def _note_possible(self, key: Key, like: Counted, known: list[str]) -> None:
        """Actions that lie deeper in a request than the names of its parameters tell count against their removal."""
        for action in self._requests.possible(key.event_source, key.event_name):
            if action not in known and key.outcome != "denied":
                service = ""
                if action == PASSING:
                    service = passed_to(self._overlay, key.event_source, key.event_name, key.caller.principal)
                name = (key.caller, action, key.outcome, service)
                total = self._perhaps.setdefault(name, Merged(like.first, like.last))
                total.count += like.calls
                total.first, total.last = min(total.first, like.first), max(total.last, like.last)

    def _note_change(self, record: Record, account: str, caller: Caller) -> None:
        if record.eventSource == "iam.amazonaws.com":
            change = grant_change(record, account, caller.principal)
            if change is not None:
                self._tally.grants.add(change)
        else:
            trail = trail_change(record, account)
            if trail is not None:
                self._tally.trails.add(trail)

    def result(self) -> Usage:
        """Everything counted so far, sorted."""
        usage = usage_of(self._tally, self._overlay, self._source)
        return replace(usage, evidence=(*usage.evidence, *self._possible()))

    def _possible(self) -> list[Evidence]:
        return [
            total.evidence(
                caller.principal,
                caller.unique_id,
                action,
                outcome,
                source=self._source,
                ambiguous=True,
                passed_to=service,
            )
            for (caller, action, outcome, service), total in sorted(
                self._perhaps.items(), key=lambda item: (*map(str, item[0][0]), *item[0][1:])
            )
        ]


def _counted(group: Group, like: Counted, resources: tuple[str, ...]) -> Group:
    group.count += like.calls
    group.first, group.last = min(group.first, like.first), max(group.last, like.last)
    group.about(resources)
    if not like.exact:
        group.truncated = group.unknown = True
    return group
