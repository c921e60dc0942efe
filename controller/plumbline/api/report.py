"""RoleAccessReport: a bounded summary of one role that is out of line. Written by Plumbline only."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from plumbline.api.baseline import RoleStatus
from plumbline.api.common import API_VERSION, Arn, Model, ObjectMeta, StatusModel
from plumbline.api.proposal import BaselineRef, UnusedAction


class ReportSpec(Model):
    baseline_ref: BaselineRef
    role_arn: Arn


class PossibleAddition(StatusModel):
    """An action that the role asked for and is not granted there. `guarded`: `escalation`, `privileged` or
    `unknownAction`, where granting it needs more than a glance."""

    action: str
    why: Literal["denied", "usedNotGranted"]
    last: date
    resources: Annotated[list[str], Field(max_length=5)] = []
    granted_elsewhere: bool = False
    guarded: str = ""


class ReportStatus(StatusModel):
    """What the baseline's status says of the role, its unused actions by service, and what it asked for in vain. That is
    for people to decide: nothing is ever added."""

    observed_generation: int | None = None
    as_of: Annotated[str, Field(description="The UTC day of the facts; it moves only when they change.")] = ""
    summary: RoleStatus | None = None
    unused: Annotated[list[UnusedAction], Field(max_length=100)] = []
    unused_truncated: int = 0
    possible_additions: Annotated[list[PossibleAddition], Field(max_length=20)] = []
    possible_additions_truncated: int = 0


class RoleAccessReport(StatusModel):
    api_version: Literal["plumbline.dev/v1alpha1"] = API_VERSION
    kind: Literal["RoleAccessReport"] = "RoleAccessReport"
    metadata: ObjectMeta
    spec: ReportSpec
    status: ReportStatus | None = None
