"""Plans that people have rejected, by namespace and role: they outlive the proposal and its baseline. No AWS, no clock."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa

from plumbline.store.rows import delete_rows, replace_rows
from plumbline.store.schema import rejection

Role = tuple[str, str]  # ARN and unique id


@dataclass(frozen=True, slots=True)
class Rejection:
    """The last plan of a role that somebody has rejected. `at`: when it was first seen to be so."""

    principal: str
    unique_id: str
    plan_digest: str
    by: str
    reason: str
    at: datetime

    @property
    def role(self) -> Role:
        return self.principal, self.unique_id


def rejections_of(engine: sa.Engine, namespace: str) -> dict[Role, Rejection]:
    """Those that people of this namespace have said; what others said elsewhere is none of their business."""
    with engine.connect() as connection:
        rows = connection.execute(rejection.select().where(rejection.c.namespace == namespace))
        found = [Rejection(r.principal, r.unique_id, r.plan_digest, r.by, r.reason, r.at) for r in rows]
    return {one.role: one for one in found}


def remember_rejections(
    engine: sa.Engine, namespace: str, rejected: Collection[Rejection], withdrawn: Collection[Role]
) -> None:
    """Replaces what is known of these roles, in one transaction."""
    if not rejected and not withdrawn:
        return
    gone = [{"namespace": namespace, "principal": arn, "unique_id": unique_id} for arn, unique_id in withdrawn]
    rows = [
        {"namespace": namespace} | {field.name: getattr(one, field.name) for field in fields(one)} for one in rejected
    ]
    with engine.begin() as connection:
        delete_rows(connection, rejection, gone)
        replace_rows(connection, rejection, rows)
