"""Joins evidence of several partitions: counts added, first and last time, resources united and cut. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from plumbline.model.evidence import MAX_RESOURCES, Evidence, UnmappedUse


def joined_evidence(items: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Evidence of several readings of one partition, joined; sorted by principal, then as `merged` does."""
    ordered = sorted(items, key=lambda e: (e.principal, *_name(e)))
    return tuple(e for _, own in groupby(ordered, key=lambda e: e.principal) for e in merged(own))


def joined_unmapped(items: Iterable[UnmappedUse]) -> tuple[UnmappedUse, ...]:
    """The same for unmapped uses."""
    ordered = sorted(items, key=lambda u: (u.principal, u.unique_id or "", u.event_source, u.event_name))
    return tuple(u for _, own in groupby(ordered, key=lambda u: u.principal) for u in merged_unmapped(own))


def merged(items: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Evidence of one principal, one for each unique id, action, outcome, source, certainty and service that a role was
    passed to; sorted. `items` come grouped in this way."""
    return tuple(sorted((_joined(list(group)) for _, group in groupby(items, key=_name)), key=_name))


def _name(one: Evidence) -> tuple[str, str, str, str, bool, str]:
    return one.unique_id or "", one.action, one.outcome, one.source, one.ambiguous, one.passed_to


def _joined(items: list[Evidence]) -> Evidence:
    one = items[0]
    if len(items) == 1:
        return one
    arns = sorted({arn for item in items for arn in item.resources})
    # Some days with known resources and others without any: those known are not all.
    partial = any(item.resources_truncated for item in items) or (bool(arns) and not all(i.resources for i in items))
    return Evidence(
        one.principal,
        one.unique_id,
        one.action,
        one.outcome,
        one.source,
        min(item.first for item in items),
        max(item.last for item in items),
        sum(item.count for item in items),
        tuple(arns[:MAX_RESOURCES]),
        partial or len(arns) > MAX_RESOURCES,
        tuple(sorted({name for item in items for name in item.via_services})),
        tuple(sorted({code for item in items for code in item.codes})),
        one.ambiguous,
        one.passed_to,
    )


def merged_unmapped(items: Iterable[UnmappedUse]) -> tuple[UnmappedUse, ...]:
    """Unmapped uses of one principal, one for each unique id and event. `items` come grouped in this way."""
    groups = groupby(items, key=lambda u: (u.principal, u.unique_id, u.event_source, u.event_name))
    return tuple(_joined_unmapped(list(group)) for _, group in groups)


def _joined_unmapped(items: list[UnmappedUse]) -> UnmappedUse:
    one = items[0]
    services = tuple(sorted({name for item in items for name in item.services}))
    last = max(item.last for item in items)
    return UnmappedUse(
        one.principal, one.unique_id, one.event_source, one.event_name, services, last, sum(i.count for i in items)
    )
