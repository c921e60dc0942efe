"""Looks for the analyzers that a landscape asks for, and reads what they found. Talks to AWS and the store; judges nothing."""

from __future__ import annotations

from plumbline.api.analyzers import Analyzers
from plumbline.assess.analyzers import judge_analyzers
from plumbline.assess.required_analyzers import required_analyzers
from plumbline.inventory.analyzers import inspect
from plumbline.reconcile.analyzers import AnalyzersFound, seen_by, to_read
from plumbline.reconcile.collecting import Collecting
from plumbline.usage.sources import unused_access
from plumbline.usage.sources.recommended_policies import Hub


def analyzed(given: Collecting) -> tuple[AnalyzersFound | None, unused_access.Collected]:
    """Which analyzers are there, and what those of unused access say of the principals in question. Never raises
    AwsError."""
    asked, snapshot = given.spec.analyzers, given.snapshot
    if asked is None:
        return None, unused_access.Collected()
    required = required_analyzers(asked, seen_by(given.spec, snapshot))
    inspected = inspect(given.sessions, required, snapshot.accounts, given.progress)
    judged = judge_analyzers(required, inspected)
    wanted = (
        [p for arn, p in snapshot.principals.items() if arn in given.wish.principals] if asked.unused_access else []
    )
    found = unused_access.collect(
        given.sessions,
        given.engine,
        given.landscape,
        to_read(judged, inspected),
        wanted,
        now=given.now,
        recommendations=asked.unused_access is not None and asked.unused_access.recommendations,
        hub=_hub(asked),
        progress=given.progress,
    )
    return AnalyzersFound(judged, inspected, found.lists), found


def _hub(asked: Analyzers) -> Hub | None:
    unused = asked.unused_access
    if unused is None or unused.security_hub_recommendations is None:
        return None
    account = asked.account if unused.scope == "organization" else None
    return Hub(unused.security_hub_recommendations.region or unused.region, account)
