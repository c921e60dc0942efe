"""Details of findings that were read, so that they are asked again only when they have changed. No AWS, no clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from plumbline.model.evidence import RecommendedStep, ServiceAccess
from plumbline.store.access import services_from, services_json, time_from, time_text
from plumbline.store.schema import analyzer_finding


@dataclass(frozen=True, slots=True)
class Attempt:
    """A recommendation that was asked for. `policies`: key -> digest, as they were then; `failed`: what AWS said, and `at`
    which time, where it could make none."""

    policies: Mapping[str, str]
    failed: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """What a finding says, as of its last update. `asked`: policy key -> digest, of the policies that `recommended` is
    about; `attempts`: the last, by who was asked."""

    updated_at: datetime
    services: Mapping[str, ServiceAccess] = field(default_factory=dict)
    role_last: datetime | None = None
    recommended: tuple[RecommendedStep, ...] | None = None
    asked: Mapping[str, str] | None = None
    attempts: Mapping[str, Attempt] = field(default_factory=dict)


def load_findings(engine: sa.Engine, landscape: str) -> dict[str, Detail]:
    """Finding id -> its details."""
    with engine.connect() as connection:
        rows = connection.execute(analyzer_finding.select().where(analyzer_finding.c.landscape == landscape))
        return {row.finding: _detail(row) for row in rows}


def keep_findings(
    engine: sa.Engine, landscape: str, fresh: Mapping[str, Detail], listed: Collection[str] | None
) -> None:
    """Adds what was read; forgets what is not listed any more, where `listed` is known."""
    table = analyzer_finding
    rows = [
        {
            "landscape": landscape,
            "finding": finding,
            "updated_at": detail.updated_at,
            "details": _json(detail),
        }
        for finding, detail in sorted(fresh.items())
    ]
    with engine.connect() as connection:
        known = set(connection.execute(sa.select(table.c.finding).where(table.c.landscape == landscape)).scalars())
    gone = (known & fresh.keys()) | (known - set(listed) if listed is not None else set())
    if not gone and not rows:
        return
    with engine.begin() as connection:
        if gone:
            where = sa.and_(table.c.landscape == landscape, table.c.finding == sa.bindparam("gone"))
            connection.execute(table.delete().where(where), [{"gone": finding} for finding in sorted(gone)])
        if rows:
            connection.execute(table.insert(), rows)


def _json(detail: Detail) -> dict[str, Any]:
    steps = detail.recommended
    return {
        "services": services_json(detail.services),
        "roleLast": time_text(detail.role_last),
        "recommended": None if steps is None else [_step_json(step) for step in steps],
        "asked": None if detail.asked is None else dict(sorted(detail.asked.items())),
        "attempts": {by: _attempt_json(attempt) for by, attempt in sorted(detail.attempts.items())},
    }


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "policies": dict(sorted(attempt.policies.items())),
        "failed": attempt.failed,
        "at": time_text(attempt.at),
    }


def _step_json(step: RecommendedStep) -> list[str | None]:
    return [step.existing, step.policy, time_text(step.updated_at), step.text]


def _step(existing: str, policy: str | None, updated_at: str | None = None, text: str | None = None) -> RecommendedStep:
    return RecommendedStep(existing, policy, time_from(updated_at), text)


def _detail(row: Any) -> Detail:
    data = row.details
    # One that was kept without the policies that it is about may be about any: it is none.
    steps, asked = data["recommended"], data.get("asked")
    attempts = data.get("attempts", {})
    return Detail(
        updated_at=row.updated_at,
        services=services_from(data["services"]),
        role_last=time_from(data["roleLast"]),
        recommended=None if steps is None or asked is None else tuple(_step(*step) for step in steps),
        asked=asked,
        attempts={by: Attempt(one["policies"], one["failed"], time_from(one["at"])) for by, one in attempts.items()},
    )
