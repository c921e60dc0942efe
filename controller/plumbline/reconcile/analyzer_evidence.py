"""Looks for the analyzers that a landscape asks for, and reads what they found. Talks to AWS and the store; judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

import sqlalchemy as sa

from plumbline.api.landscape import LandscapeSpec
from plumbline.assess.analyzers import judge_analyzers
from plumbline.assess.required_analyzers import required_analyzers
from plumbline.aws.session import AwsSessions
from plumbline.inventory.analyzers import inspect
from plumbline.model.snapshot import Snapshot
from plumbline.reconcile.analyzers import AnalyzersFound, seen_by, to_read
from plumbline.usage.sources import unused_access

Progress = Callable[[str], None]


def analyzed(
    sessions: AwsSessions,
    engine: sa.Engine,
    snapshot: Snapshot,
    spec: LandscapeSpec,
    principals: Collection[str],
    now: datetime,
    progress: Progress,
) -> tuple[AnalyzersFound | None, unused_access.Collected]:
    """Which analyzers are there, and what those of unused access say of `principals`. Never raises AwsError."""
    if spec.analyzers is None:
        return None, unused_access.Collected()
    required = required_analyzers(spec.analyzers, seen_by(spec, snapshot))
    inspected = inspect(sessions, required, snapshot.accounts, progress)
    judged = judge_analyzers(required, inspected)
    wanted = [p for arn, p in snapshot.principals.items() if arn in principals] if spec.analyzers.unused_access else []
    found = unused_access.collect(
        sessions,
        engine,
        snapshot.landscape,
        to_read(judged, inspected),
        wanted,
        now=now,
        recommendations=spec.analyzers.unused_access is not None and spec.analyzers.unused_access.recommendations,
        progress=progress,
    )
    return AnalyzersFound(judged, inspected, found.lists), found
