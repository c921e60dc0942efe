"""A proposed change of one role with its proof. Frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from plumbline.model.snapshot import digest_of

ChangeKind = Literal[
    "PutRolePolicy", "DeleteRolePolicy", "CreatePolicyVersion", "AttachPolicy", "ReplaceAttachment", "DetachPolicy"
]


@dataclass(frozen=True, slots=True)
class StatementProof:
    """Containment of one statement: `kept` of `before` actions; every used action that it granted is among the kept."""

    policy: str
    statement: str
    before: int
    after: int
    used: int


@dataclass(frozen=True, slots=True)
class Change:
    """One write. `policy` is Policy.key; `document` the complete new text (None for deletions and detachments);
    `new_policy_name` names the customer managed copy of ReplaceAttachment. What is too large for one policy comes in
    several: the further ones are AttachPolicy, with nothing before, and stand ahead. `diff` is a unified difference.
    `wildcards`: patterns of the document that were granted before and stand for names, so that it fits."""

    kind: ChangeKind
    policy: str
    before: str
    document: str | None
    diff: str
    removed_actions: int
    new_policy_name: str | None = None
    wildcards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotPlannable:
    """Access that is unused but not touched by the plan, with the reason."""

    policy: str
    reason: str
    message: str
    actions: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    role_arn: str
    unique_id: str
    changes: tuple[Change, ...]
    not_plannable: tuple[NotPlannable, ...]
    proof: tuple[StatementProof, ...]
    removed: int
    replayed_uses: int

    @property
    def digest(self) -> str:
        """Names the plan: equal facts give equal digests; a decision is for exactly one digest."""
        parts = [self.role_arn, self.unique_id]
        for change in self.changes:
            parts += [change.kind, change.policy, change.before, change.document or "", change.new_policy_name or ""]
        return digest_of(parts)
