"""RemediationProposal: one role's change, with its plan, evidence and proof. People write only the decision."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from plumbline.api.agreement import AgreementStatus
from plumbline.api.common import API_VERSION, Arn, Condition, Form, Model, Name, ObjectMeta, StatusModel, Timestamp


class BaselineRef(Model):
    name: Name


class Decision(Model):
    """A person's word on exactly one plan; for another plan digest than the current it counts for nothing."""

    state: Literal["Approved", "Rejected"]
    plan_digest: Annotated[str, Form(r"^[0-9a-f]{64}$", "the planDigest that the proposal's status shows")]
    by: Annotated[str, Field(min_length=1, max_length=256)]
    reason: Annotated[str, Field(max_length=1024)] = ""


class ProposalSpec(Model):
    baseline_ref: BaselineRef
    role_arn: Arn
    decision: Decision | None = None


class ChangeStatus(StatusModel):
    """One write. `document` is the complete new policy; where the status would grow too large only its digest stays,
    and the store and the folder of documents hold it."""

    kind: Literal[
        "PutRolePolicy", "DeleteRolePolicy", "CreatePolicyVersion", "AttachPolicy", "ReplaceAttachment", "DetachPolicy"
    ]
    policy: str
    removed_actions: int = 0
    new_policy_name: str = ""
    document: str = ""
    document_digest: str = ""
    before_digest: str = ""
    diff: str = ""
    wildcards: Annotated[
        list[str],
        Field(
            max_length=20,
            description="Patterns that stand for names in the document, because with names alone it would exceed the size "
            "that AWS allows. The old policy granted each of them entirely, on the same resources and conditions.",
        ),
    ] = []
    wildcards_truncated: int = 0


class UnusedAction(StatusModel):
    """Evidence for one service: the unused actions of it, since when, and which sources say so."""

    service: str
    count: int
    actions: Annotated[list[str], Field(max_length=20)] = []
    truncated: int = 0
    since: Annotated[Timestamp | None, Field(description="Start of the silence that the sources cover.")] = None
    reason: str = ""
    sources: list[str] = []


class StatementProofStatus(StatusModel):
    policy: str
    statement: str
    before: int
    after: int
    used: int


class NotPlannableStatus(StatusModel):
    policy: str
    reason: str
    message: str
    actions: int = 0


class ProofStatus(StatusModel):
    """(used and old) <= new <= old, checked statement by statement, and every recorded use replayed."""

    contained: bool = False
    replayed_uses: int = 0
    statements: Annotated[list[StatementProofStatus], Field(max_length=100)] = []
    statements_truncated: int = 0


class ProposalStatus(StatusModel):
    observed_generation: int | None = None
    conditions: list[Condition] = []
    as_of: str = ""
    unique_id: str = ""
    plan_digest: str = ""
    removed_actions: int = 0
    reduction_percentage: float = 0.0
    owner: str = ""
    changes: Annotated[list[ChangeStatus], Field(max_length=50)] = []
    changes_truncated: int = 0
    documents_omitted: Annotated[
        bool, Field(description="Documents or differences were left out of the status for its size.")
    ] = False
    unused: Annotated[list[UnusedAction], Field(max_length=100)] = []
    unused_truncated: int = 0
    not_plannable: Annotated[list[NotPlannableStatus], Field(max_length=50)] = []
    not_plannable_truncated: int = 0
    proof: ProofStatus = ProofStatus()
    policy_generation: Annotated[
        str, Field(description="The brief's comparison with the generated policy: a figure, never a verdict.")
    ] = ""
    unused_access: Annotated[
        AgreementStatus | None,
        Field(description="Agreement with findings of IAM Access Analyzer, where there are any."),
    ] = None
    recommendation: Annotated[
        Literal["", "same", "removesMore", "removesLess", "differs", "undecided", "notCompared", "outdated"],
        Field(description="The plan compared with what AWS recommends; empty where that is not known."),
    ] = ""


class RemediationProposal(StatusModel):
    """The change of one role that takes away what is unused, with evidence and proof. People write only the decision."""

    api_version: Literal["plumbline.dev/v1alpha1"] = API_VERSION
    kind: Literal["RemediationProposal"] = "RemediationProposal"
    metadata: ObjectMeta
    spec: ProposalSpec
    status: ProposalStatus | None = None
