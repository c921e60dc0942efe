"""RoleAccessReport: a bounded summary of one role that is out of line. Written by Plumbline only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from plumbline.api.baseline import RoleStatus
from plumbline.api.common import API_VERSION, Arn, Model, ObjectMeta, StatusModel
from plumbline.api.proposal import BaselineRef, UnusedAction


class ReportSpec(Model):
    baseline_ref: BaselineRef
    role_arn: Arn


class ReportStatus(StatusModel):
    """What the baseline's status says of the role, and its unused actions by service."""

    observed_generation: int | None = None
    as_of: Annotated[str, Field(description="The UTC day of the facts; it moves only when they change.")] = ""
    summary: RoleStatus | None = None
    unused: Annotated[list[UnusedAction], Field(max_length=100)] = []
    unused_truncated: int = 0


class RoleAccessReport(StatusModel):
    api_version: Literal["plumbline.dev/v1alpha1"] = API_VERSION
    kind: Literal["RoleAccessReport"] = "RoleAccessReport"
    metadata: ObjectMeta
    spec: ReportSpec
    status: ReportStatus | None = None
