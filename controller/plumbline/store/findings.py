"""Which findings were given to Security Hub, and as what: so that nothing is sent twice and what ends is archived."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from plumbline.store.rows import delete_rows, replace_rows
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
    of = {"landscape": landscape, "region": region}
    rows = [of | {field.name: getattr(one, field.name) for field in fields(one)} for one in entries]
    with engine.begin() as connection:
        replace_rows(connection, exported_finding, rows)


def forget_exported(engine: sa.Engine, landscape: str, region: str, keys: Collection[str]) -> None:
    if keys:
        of = {"landscape": landscape, "region": region}
        with engine.begin() as connection:
            delete_rows(connection, exported_finding, [of | {"key": key} for key in keys])
