"""What policy validation said of documents, and the history of its findings. No AWS, no clock.

Writes only what changes, so that a second pass over the same policies on the same day writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, astuple
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from plumbline.model.policy_validation import PolicyAnswer, PolicyFinding, RegisteredFinding, ValidationDay
from plumbline.store.rows import delete_rows, replace_rows
from plumbline.store.schema import policy_answer, policy_finding, policy_validation_day


def load_policy_answers(engine: sa.Engine, landscape: str) -> dict[str, PolicyAnswer]:
    """Digest of type and document -> the last answer."""
    with engine.connect() as connection:
        rows = connection.execute(policy_answer.select().where(policy_answer.c.landscape == landscape))
        return {row.digest: PolicyAnswer(row.checked_at, tuple(map(_finding, row.findings))) for row in rows}


def keep_policy_answers(engine: sa.Engine, landscape: str, answers: Mapping[str, PolicyAnswer]) -> None:
    """In the place of what was known of the same documents."""
    rows = [
        {
            "landscape": landscape,
            "digest": digest,
            "checked_at": answer.checked_at,
            "findings": [astuple(finding) for finding in answer.findings],
        }
        for digest, answer in sorted(answers.items())
    ]
    if rows:
        with engine.begin() as connection:
            replace_rows(connection, policy_answer, rows)


def forget_policy_answers(engine: sa.Engine, landscape: str, digests: Collection[str]) -> None:
    if digests:
        with engine.begin() as connection:
            of = {"landscape": landscape}
            delete_rows(connection, policy_answer, [of | {"digest": digest} for digest in sorted(digests)])


def load_policy_findings(engine: sa.Engine, landscape: str) -> tuple[RegisteredFinding, ...]:
    """All that are remembered, by policy and code."""
    table = policy_finding
    wanted = table.select().where(table.c.landscape == landscape)
    with engine.connect() as connection:
        found = [
            RegisteredFinding(r.policy, r.code, r.type, r.account, r.first_seen, r.last_seen, r.resolved_at)
            for r in connection.execute(wanted)
        ]
    return tuple(sorted(found, key=lambda one: (one.policy, one.code)))


def keep_policy_findings(
    engine: sa.Engine,
    landscape: str,
    known: Iterable[RegisteredFinding],
    found: Iterable[RegisteredFinding],
    since: datetime,
) -> tuple[RegisteredFinding, ...]:
    """What of `found` is remembered: not what ended before `since`. `known`: what the store has."""
    before = set(known)
    kept = tuple(one for one in found if one.resolved_at is None or one.resolved_at >= since)
    gone = {(one.policy, one.code) for one in before} - {(one.policy, one.code) for one in kept}
    changed = [one for one in kept if one not in before]
    if changed or gone:
        of = {"landscape": landscape}
        with engine.begin() as connection:
            delete_rows(connection, policy_finding, [of | {"policy": p, "code": c} for p, c in sorted(gone)])
            replace_rows(connection, policy_finding, [of | asdict(one) for one in changed])
    return kept


def keep_validation_day(
    engine: sa.Engine, landscape: str, today: ValidationDay, since: date
) -> tuple[ValidationDay, ...]:
    """All days that are remembered, the oldest first, with today as it is now. Those before `since` are forgotten."""
    table = policy_validation_day
    with engine.connect() as connection:
        rows = connection.execute(table.select().where(table.c.landscape == landscape))
        known = {row.day: _day(row) for row in rows}
    kept = {day: one for day, one in known.items() if one.day >= since} | {today.day.isoformat(): today}
    gone = known.keys() - kept.keys()
    if gone or known.get(today.day.isoformat()) != today:
        of = {"landscape": landscape}
        row = asdict(today) | {"day": today.day.isoformat()}
        with engine.begin() as connection:
            delete_rows(connection, table, [of | {"day": day} for day in sorted(gone)])
            replace_rows(connection, table, [of | row])
    return tuple(kept[day] for day in sorted(kept))


def last_validation_day(engine: sa.Engine, landscape: str) -> ValidationDay | None:
    table = policy_validation_day
    wanted = table.select().where(table.c.landscape == landscape).order_by(table.c.day.desc()).limit(1)
    with engine.connect() as connection:
        row = connection.execute(wanted).first()
    return _day(row) if row is not None else None


def forget_policy_validation(engine: sa.Engine, landscape: str, since: datetime) -> None:
    """What was last said before `since`."""
    old = (
        (policy_answer, policy_answer.c.checked_at < since),
        (policy_finding, policy_finding.c.last_seen < since),
        (policy_validation_day, policy_validation_day.c.day < since.date().isoformat()),
    )
    with engine.begin() as connection:
        for table, before in old:
            connection.execute(table.delete().where(table.c.landscape == landscape, before))


def _finding(raw: Any) -> PolicyFinding:
    type_, code, details, link, places = raw
    return PolicyFinding(type_, code, details, link, tuple(places))


def _day(row: Any) -> ValidationDay:
    return ValidationDay(date.fromisoformat(row.day), row.findings, row.checked, row.unchecked, row.uncollected)
