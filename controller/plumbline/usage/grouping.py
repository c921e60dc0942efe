"""From groups of like records to evidence: events become actions, and groups that say the same are joined.

Knows the rules that hang on a whole group: refused actions, actions behind a not-found error. Must not know records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from plumbline.iam.overlay import EventActions, Overlay
from plumbline.model.evidence import MAX_RESOURCES, Evidence, Outcome, UnmappedUse
from plumbline.usage.arn_formats import fitting, formats_of
from plumbline.usage.classify import event_of
from plumbline.usage.outcomes import bare, not_found
from plumbline.usage.request import PASSING, passed_to
from plumbline.usage.resources import bucket_of

# Reads of Amazon S3 that answer "not found" only to callers with s3:ListBucket.
_S3_READS = frozenset({"GetObject", "HeadObject", "GetObjectAttributes", "GetObjectTagging", "GetObjectAcl"})


# Unique id, action, outcome, whether it is ambiguous, and the service that a role was passed to.
_Name = tuple[str | None, str, Outcome, bool, str]


@dataclass(slots=True)  # not frozen, which takes twice as long to make
class _Use:
    """One action that a group stands for."""

    action: str
    outcome: Outcome
    ambiguous: bool
    resources: Sequence[str]
    count: int
    first: datetime
    last: datetime
    truncated: bool
    passed_to: str = ""


@dataclass(slots=True)
class Merged:
    """The sum of observations that agree in principal, action, outcome, certainty, and service that a role was passed to.
    What it lists is sorted."""

    first: datetime
    last: datetime
    count: int = 0
    resources: Sequence[str] = ()
    truncated: bool = False
    via: Sequence[str] = ()
    codes: Sequence[str] = ()

    def add(self, use: _Use, via: Sequence[str], codes: Sequence[str]) -> None:
        # Some groups with known resources and others without any: those known are not all.
        self.truncated |= bool(self.count) and bool(self.resources) != bool(use.resources)
        self.count += use.count
        self.first, self.last = min(self.first, use.first), max(self.last, use.last)
        self.resources = _joined(self.resources, use.resources)
        self.via = _joined(self.via, via)
        self.codes = _joined(self.codes, codes)
        self.truncated = self.truncated or use.truncated

    def evidence(self, principal: str, unique_id: str | None, action: str, outcome: Outcome, **more: Any) -> Evidence:
        """The evidence, its resources cut to the first hundred."""
        return Evidence(
            principal=principal,
            unique_id=unique_id,
            action=action,
            outcome=outcome,
            first=self.first,
            last=self.last,
            count=self.count,
            resources=tuple(self.resources[:MAX_RESOURCES]),
            resources_truncated=self.truncated or len(self.resources) > MAX_RESOURCES,
            via_services=tuple(self.via),
            codes=tuple(self.codes),
            **more,
        )


def _joined(some: Sequence[str], more: Sequence[str]) -> Sequence[str]:
    """Both of two sorted lists, sorted. Nearly always one is empty."""
    return sorted({*some, *more}) if some and more else some or more


def evidence_of(groups: Iterable[tuple[Any, Any, int]], overlay: Overlay, source: str) -> tuple[Evidence, ...]:
    """Sorted evidence from (Key, Group, count) of an aggregator."""
    result: list[Evidence] = []
    # One principal after another: what is joined on the way is never that of all.
    for principal, own in groupby(sorted(groups, key=_principal), key=_principal):
        merged: dict[_Name, Merged] = {}
        for key, group, count in own:
            via = (key.invoked_by,) if key.invoked_by else ()
            codes = (bare(key.code),) if key.code else ()
            event = event_of(overlay, key.event_source, key.event_name, key.variant)
            for use in _uses(key, group, count, overlay, event):
                name = (key.caller.unique_id, use.action, use.outcome, use.ambiguous, use.passed_to)
                total = merged.get(name)
                if total is None:
                    total = merged[name] = Merged(use.first, use.last)
                total.add(use, via, codes)
        result += (
            total.evidence(
                principal, unique_id, action, outcome, source=source, ambiguous=ambiguous, passed_to=passed_to
            )
            for (unique_id, action, outcome, ambiguous, passed_to), total in sorted(merged.items(), key=_order)
        )
    return tuple(result)


def _order(item: tuple[_Name, Merged]) -> tuple[str, str, str, bool, str]:
    unique_id, action, outcome, ambiguous, service = item[0]
    return unique_id or "", action, outcome, ambiguous, service


def _principal(group: tuple[Any, Any, int]) -> str:
    principal: str = group[0].caller.principal
    return principal


def unmapped_of(groups: Iterable[tuple[Any, Any, int]], overlay: Overlay) -> tuple[UnmappedUse, ...]:
    """The events whose action is unknown; refused calls are not among them, they were no use."""
    found: dict[tuple[str, str | None, str, str], tuple[datetime, int]] = {}
    for key, group, count in groups:
        if key.outcome == "denied" or event_of(overlay, key.event_source, key.event_name).known:
            continue
        name = (key.caller.principal, key.caller.unique_id, key.event_source, key.event_name)
        last, before = found.get(name, (group.last, 0))
        found[name] = (max(last, group.last), before + count)
    return tuple(
        UnmappedUse(
            principal, unique_id, event_source, event_name, overlay.candidates(event_source, event_name), *tally
        )
        for (principal, unique_id, event_source, event_name), tally in sorted(
            found.items(), key=lambda item: tuple(part or "" for part in item[0])
        )
    )


def _uses(key: Any, group: Any, count: int, overlay: Overlay, event: EventActions) -> Iterator[_Use]:

    def use(action: str, outcome: Outcome, ambiguous: bool) -> _Use:
        arns, partial = _resources(action, group)
        return _Use(action, outcome, ambiguous, arns, count, group.first, group.last, partial)

    if key.outcome == "denied":
        yield from _denied(key, event.all, event.perhaps, overlay, use)
        return
    for action in event.all:
        yield use(action, key.outcome, False)
    for action in event.perhaps:
        yield use(action, key.outcome, True)
    for action, extra in group.extra.items():
        arns, partial = _resources(action, extra)
        times = min(extra.count, count)
        service = ""
        if action == PASSING:
            service = passed_to(overlay, key.event_source, key.event_name, key.caller.principal)
        yield _Use(action, key.outcome, False, arns, times, extra.first, extra.last, partial, service)
    if event.services == ("s3",) and event.operation in _S3_READS and not_found(key.code):
        listed = use("s3:ListBucket", key.outcome, False)
        buckets = sorted({bucket_of(arn) for call in group.resources for arn in call})
        yield replace(listed, resources=buckets, truncated=group.truncated or (group.unknown and bool(buckets)))


def _resources(action: str, group: Any) -> tuple[list[str], bool]:
    """(the ARNs that calls of the action were about, whether there were more)."""
    formats = formats_of(action) if group.resources else ()
    if not formats:
        return [], False
    calls = [fitting(formats, call) for call in sorted(group.resources)[:MAX_RESOURCES]]
    found = sorted({arn for call in calls for arn in call})
    return found, bool(found) and (
        len(group.resources) > MAX_RESOURCES or group.truncated or group.unknown or not all(calls)
    )


def _denied(
    key: Any, sure: Sequence[str], perhaps: Sequence[str], overlay: Overlay, use: Callable[[str, Outcome, bool], _Use]
) -> Iterator[_Use]:
    """The refused action: the one that the message names, else those of the event.

    Where the message names another action than the event's, such as iam:PassRole, the event's own may have been
    authorized before: `attempted`.
    """
    actions = (*sure, *perhaps)
    refused = overlay.spelling(key.refused) if key.refused else None
    if refused is None:
        by_event = actions or (f"{key.event_source.partition('.')[0]}:{key.event_name}",)
        for action in by_event:
            yield use(action, "denied", len(by_event) > 1)
        return
    yield use(refused, "denied", False)
    if refused not in actions:
        for action in actions:
            yield use(action, "attempted", action in perhaps)
