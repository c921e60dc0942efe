"""Which findings were given to Security Hub, and as what: so that nothing is sent twice and what ends is archived."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from plumbline.store.schema import exported_finding


@dataclass(frozen=True, slots=True)
class Exported:
    """`body`: without times and record state. `digest` names the body."""

    key: str
    account: str
    baseline: str
    digest: str
    body: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    archived: bool


def exported_of(engine: sa.Engine, landscape: str, region: str) -> dict[str, Exported]:
    wanted = exported_finding.select().where(
        exported_finding.c.landscape == landscape, exported_finding.c.region == region
    )
    with engine.connect() as connection:
        return {
            r.key: Exported(r.key, r.account, r.baseline, r.digest, r.body, r.created_at, r.updated_at, r.archived)
            for r in connection.execute(wanted)
        }


def remember_exported(engine: sa.Engine, landscape: str, region: str, entries: Iterable[Exported]) -> None:
    """Replaces what is known of these findings, in one transaction."""
    rows = [
        {
            "landscape": landscape,
            "region": region,
            "key": one.key,
            "account": one.account,
            "baseline": one.baseline,
            "digest": one.digest,
            "body": one.body,
            "created_at": one.created_at,
            "updated_at": one.updated_at,
            "archived": one.archived,
        }
        for one in entries
    ]
    if not rows:
        return
    with engine.begin() as connection:
        for row in rows:
            connection.execute(
                exported_finding.delete().where(
                    exported_finding.c.landscape == landscape,
                    exported_finding.c.region == region,
                    exported_finding.c.key == row["key"],
                )
            )
        connection.execute(exported_finding.insert(), rows)
