"""The last-accessed answers that were read, so that they are asked again only when they are old. No AWS, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from plumbline.model.evidence import LastAccessed, ServiceAccess, TrackedAction
from plumbline.store.schema import last_accessed


def load_answers(engine: sa.Engine, landscape: str) -> dict[str, LastAccessed]:
    """Principal ARN -> the newest whole answer."""
    with engine.connect() as connection:
        rows = connection.execute(
            last_accessed.select().where(last_accessed.c.landscape == landscape).order_by(last_accessed.c.principal)
        )
        return {
            row.principal: LastAccessed(
                principal=row.principal,
                unique_id=row.unique_id,
                collected_at=row.collected_at,
                services=services_from(row.services),
                action_level=row.action_level,
            )
            for row in rows
        }


def save_answers(engine: sa.Engine, landscape: str, answers: Iterable[LastAccessed]) -> None:
    """Replaces the answers of these principals, all in one transaction."""
    rows = [_row(landscape, answer) for answer in answers]
    if not rows:
        return
    with engine.begin() as connection:
        _delete(connection, landscape, [row["principal"] for row in rows])
        connection.execute(last_accessed.insert(), rows)


def forget_answers(engine: sa.Engine, landscape: str, principals: Collection[str]) -> None:
    """Removes the answers of principals that are gone."""
    with engine.begin() as connection:
        _delete(connection, landscape, principals)


def _delete(connection: sa.Connection, landscape: str, principals: Iterable[str]) -> None:
    where = sa.and_(last_accessed.c.landscape == landscape, last_accessed.c.principal == sa.bindparam("gone"))
    parameters = [{"gone": principal} for principal in principals]
    if parameters:
        connection.execute(last_accessed.delete().where(where), parameters)


def _row(landscape: str, answer: LastAccessed) -> dict[str, Any]:
    return {
        "landscape": landscape,
        "principal": answer.principal,
        "unique_id": answer.unique_id,
        "collected_at": answer.collected_at,
        "action_level": answer.action_level,
        "services": services_json(answer.services),
    }


def services_json(services: Mapping[str, ServiceAccess]) -> dict[str, Any]:
    return {
        namespace: {
            "last": time_text(service.last),
            "actions": {
                name: {"last": time_text(tracked.last), "region": tracked.region}
                for name, tracked in sorted(service.actions.items())
            },
        }
        for namespace, service in sorted(services.items())
    }


def services_from(data: Mapping[str, Any]) -> dict[str, ServiceAccess]:
    return {
        namespace: ServiceAccess(
            namespace=namespace,
            last=time_from(service["last"]),
            actions={
                name: TrackedAction(action=name, last=time_from(tracked["last"]), region=tracked["region"])
                for name, tracked in service["actions"].items()
            },
        )
        for namespace, service in data.items()
    }


def time_text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def time_from(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
