"""Since when each finding of a baseline or landscape has been there, and when it ended. No AWS, no clock."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from plumbline.model.finding import Finding, LandscapeFinding, Standing
from plumbline.store.rows import delete_rows, replace_rows
from plumbline.store.schema import finding

_KEPT: Final = timedelta(days=400)  # after its end


@dataclass(frozen=True, slots=True)
class Registered:
    """`resolved_at` None: it is still there, or nothing says that it is not. `region` and `detail` are of findings of a
    landscape."""

    key: str
    kind: str
    resource: str
    first_seen: datetime
    resolved_at: datetime | None = None
    account: str = ""
    region: str = ""
    detail: str = ""


_FIELDS: Final = tuple(field.name for field in fields(Registered))


def landscape_book(landscape: str, kind: str) -> str:
    """Under which name findings of a landscape are kept. Names of baselines have no colon."""
    return f"landscape:{landscape}:{kind}"


def registered_in(engine: sa.Engine, book: str) -> tuple[Registered, ...]:
    """What was remembered last, sorted by key. `book`: that of a landscape, or the key of a baseline."""
    return tuple(one for _, one in sorted(_known(engine, book).items()))


def register_findings(
    engine: sa.Engine, book: str, found: Standing[Finding] | Standing[LandscapeFinding], now: datetime
) -> tuple[Registered, ...]:
    """All findings of the book that are remembered, sorted by key. One that comes back begins anew."""
    known = _known(engine, book)
    now = now.replace(microsecond=0)
    changed: dict[str, Registered] = {}
    for key, one in found.open.items():
        old = known.get(key)
        if old is None or old.resolved_at is not None:
            changed[key] = _fresh(one, now)
    for key, old in known.items():
        if old.resolved_at is None and found.resolves(key, old.account):
            changed[key] = replace(old, resolved_at=now)
    gone = {key for key, old in known.items() if old.resolved_at is not None and now - old.resolved_at > _KEPT}
    _write(engine, book, changed, gone - set(changed))
    kept = {key: one for key, one in (known | changed).items() if key not in gone or key in changed}
    return tuple(kept[key] for key in sorted(kept))


def _fresh(one: Finding | LandscapeFinding, now: datetime) -> Registered:
    if isinstance(one, Finding):
        return Registered(one.key, one.kind, one.role_arn, now, account=one.account)
    return Registered(one.key, one.kind, one.resource, now, None, one.account, one.region, one.detail)


def _known(engine: sa.Engine, book: str) -> dict[str, Registered]:
    with engine.connect() as connection:
        rows = connection.execute(finding.select().where(finding.c.book == book)).mappings()
        return {row["key"]: Registered(**{name: row[name] for name in _FIELDS}) for row in rows}


def _write(engine: sa.Engine, book: str, changed: dict[str, Registered], gone: set[str]) -> None:
    if not changed and not gone:
        return
    of = {"book": book}
    rows = [of | {name: getattr(one, name) for name in _FIELDS} for one in changed.values()]
    with engine.begin() as connection:
        delete_rows(connection, finding, [of | {"key": key} for key in sorted(gone)])
        replace_rows(connection, finding, rows)
