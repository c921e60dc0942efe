"""Since when each finding of a baseline has been there, and when it ended. No AWS, no clock."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from plumbline.model.finding import Finding, FindingKind, Findings
from plumbline.store.rows import delete_rows, replace_rows
from plumbline.store.schema import finding

_KEPT: Final = timedelta(days=400)  # after its end


@dataclass(frozen=True, slots=True)
class Registered:
    """`resolved_at` None: it is still there, or nothing says that it is not."""

    key: str
    kind: FindingKind
    role_arn: str
    first_seen: datetime
    resolved_at: datetime | None = None


def register_findings(engine: sa.Engine, baseline: str, found: Findings, now: datetime) -> tuple[Registered, ...]:
    """All findings of the baseline that are remembered, sorted by key. One that comes back begins anew."""
    known = _known(engine, baseline)
    now = now.replace(microsecond=0)
    changed: dict[str, Registered] = {}
    for key, one in found.open.items():
        old = known.get(key)
        if old is None or old.resolved_at is not None:
            changed[key] = _fresh(one, now)
    for key, old in known.items():
        if old.resolved_at is None and found.resolves(key, old.role_arn.split(":")[4]):
            changed[key] = replace(old, resolved_at=now)
    gone = {key for key, old in known.items() if old.resolved_at is not None and now - old.resolved_at > _KEPT}
    _write(engine, baseline, changed, gone - set(changed))
    kept = {key: one for key, one in (known | changed).items() if key not in gone or key in changed}
    return tuple(kept[key] for key in sorted(kept))


def _fresh(one: Finding, now: datetime) -> Registered:
    return Registered(one.key, one.kind, one.role_arn, now)


def _known(engine: sa.Engine, baseline: str) -> dict[str, Registered]:
    with engine.connect() as connection:
        rows = connection.execute(finding.select().where(finding.c.baseline == baseline))
        return {r.key: Registered(r.key, r.kind, r.role_arn, r.first_seen, r.resolved_at) for r in rows}


def _write(engine: sa.Engine, baseline: str, changed: dict[str, Registered], gone: set[str]) -> None:
    if not changed and not gone:
        return
    of = {"baseline": baseline}
    rows = [of | {field.name: getattr(one, field.name) for field in fields(one)} for one in changed.values()]
    with engine.begin() as connection:
        delete_rows(connection, finding, [of | {"key": key} for key in sorted(gone)])
        replace_rows(connection, finding, rows)
