"""What our own snapshots remember: since when a grant is as it is, and the accepted access of each baseline's roles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from plumbline.assess.ages import BOUNDARY
from plumbline.model.snapshot import Principal, Snapshot, digest_of
from plumbline.store.schema import accepted_access, grant

_FEW = 20  # accounts that are asked for one by one; of more, the whole landscape is read


def remember_grants(engine: sa.Engine, snapshot: Snapshot, now: datetime) -> dict[str, dict[str, datetime]]:
    """Principal ARN -> policy key -> since when our snapshots have seen it as it is now. A changed policy starts anew;
    a principal that was deleted and made again too, by its unique id. Principals of accounts that were not collected
    keep what was known. Only accounts of `snapshot` are read or changed."""
    known = _grants(engine, snapshot.landscape, snapshot.accounts)
    result: dict[str, dict[str, datetime]] = {}
    fresh: list[dict[str, Any]] = []
    collected = {account.id for account in snapshot.accounts.values() if not account.error}
    seen: set[tuple[str, str, str]] = set()
    for principal in snapshot.principals.values():
        for name, content in _grants_of(principal):
            key = (principal.arn, principal.unique_id, name)
            seen.add(key)
            digest, since = known.get(key, ("", now))
            if digest != content:
                since = now
                fresh.append(_grant_row(snapshot.landscape, key, content, now))
            result.setdefault(principal.arn, {})[name] = since
    gone = [key for key in known if key not in seen and key[0].split(":")[4] in collected]
    if fresh or gone:
        with engine.begin() as connection:
            for key in [*gone, *((row["principal"], row["unique_id"], row["policy"]) for row in fresh)]:
                connection.execute(grant.delete().where(*_grant_is(snapshot.landscape, key)))
            if fresh:
                connection.execute(grant.insert(), fresh)
    return result


def _grants_of(principal: Principal) -> Iterator[tuple[str, str]]:
    """What decides what a principal is granted, and its digest: each policy, and the boundary or that there is none.
    What could not be read is not among them, and starts anew when it can."""
    for policy in principal.policies:
        if policy.document is not None:
            yield policy.key, policy.digest
    if principal.boundary is None:
        yield BOUNDARY, digest_of(["none"])
    elif principal.boundary.document is not None:
        yield BOUNDARY, principal.boundary.digest


def _grants(
    engine: sa.Engine, landscape: str, accounts: Collection[str]
) -> dict[tuple[str, str, str], tuple[str, datetime]]:
    wanted = grant.select().where(grant.c.landscape == landscape)
    if not accounts:
        return {}
    if len(accounts) <= _FEW:
        wanted = wanted.where(sa.or_(*(grant.c.principal.like(f"arn:%:iam::{account}:%") for account in accounts)))
    with engine.connect() as connection:
        return {(r.principal, r.unique_id, r.policy): (r.digest, r.first_seen) for r in connection.execute(wanted)}


def _grant_row(landscape: str, key: tuple[str, str, str], digest: str, now: datetime) -> dict[str, Any]:
    principal, unique_id, policy = key
    return {
        "landscape": landscape,
        "principal": principal,
        "unique_id": unique_id,
        "policy": policy,
        "digest": digest,
        "first_seen": now,
    }


def _grant_is(landscape: str, key: tuple[str, str, str]) -> tuple[sa.ColumnElement[bool], ...]:
    principal, unique_id, policy = key
    return (
        grant.c.landscape == landscape,
        grant.c.principal == principal,
        grant.c.unique_id == unique_id,
        grant.c.policy == policy,
    )


@dataclass(frozen=True, slots=True)
class Accepted:
    """Accepted access of one role under one baseline. `atoms` as assess.drift prints them to JSON."""

    principal: str
    unique_id: str
    accepted_at: datetime
    digest: str
    atoms: list[Any]


def accepted_of(engine: sa.Engine, baseline: str) -> dict[str, Accepted]:
    """Role ARN -> accepted access of its present or former unique id, the newest first kept."""
    with engine.connect() as connection:
        rows = connection.execute(
            accepted_access.select().where(accepted_access.c.baseline == baseline).order_by("accepted_at")
        )
        return {r.principal: Accepted(r.principal, r.unique_id, r.accepted_at, r.digest, r.atoms) for r in rows}


def accept(engine: sa.Engine, baseline: str, entries: Iterable[Accepted]) -> None:
    """Replaces the accepted access of the given roles, in one transaction."""
    rows: list[Mapping[str, Any]] = [
        {
            "baseline": baseline,
            "principal": entry.principal,
            "unique_id": entry.unique_id,
            "accepted_at": entry.accepted_at,
            "digest": entry.digest,
            "atoms": entry.atoms,
        }
        for entry in entries
    ]
    if not rows:
        return
    with engine.begin() as connection:
        for row in rows:
            connection.execute(
                accepted_access.delete().where(
                    accepted_access.c.baseline == baseline, accepted_access.c.principal == row["principal"]
                )
            )
        connection.execute(accepted_access.insert(), rows)
