"""The plan of one role: which policies change, how, and what stays with its reason.

Knows policies, attachments and AWS limits. Must not know verdicts: the caller says which actions may be removed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import PolicyError, canonical, parse_identity
from plumbline.iam.fitting import INLINE_LIMIT, MANAGED_LIMIT, choose, shortest
from plumbline.iam.granted import grants
from plumbline.model.evidence import Evidence
from plumbline.model.plan import Change, ChangeKind, NotPlannable, Plan, StatementProof
from plumbline.model.snapshot import Policy, Principal, digest_of
from plumbline.plan.edit import Edit, NewDocument, empty_size, fitted, narrow, rewritten
from plumbline.plan.proof import verify
from plumbline.plan.replay import verify_role

# The default quota. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
ATTACHMENT_LIMIT = 10
_REMOVALS: frozenset[ChangeKind] = frozenset({"DeleteRolePolicy", "DetachPolicy"})
_MESSAGES = {
    "notAction": "uses NotAction, which is never edited",
    "notResource": "uses NotResource, which is never edited",
    "documentUnknown": "the policy document could not be read, so what it grants is unknown",
    "sharedPolicy": "the policy is also attached elsewhere or used as a boundary; changing it would change others",
    "policyTooLarge": "the reduced policy would exceed the size that AWS allows, even with wildcards that it grants today",
    "attachmentLimit": f"replacing it needs more free attachments than the {ATTACHMENT_LIMIT} of a role leave",
}


@dataclass(slots=True)
class _Draft:
    """What would become of one policy. `blocked`: the reason for which it is left as it is."""

    policy: Policy
    edit: Edit | None
    blocked: str = ""

    @property
    def active(self) -> Edit | None:
        return self.edit if self.edit is not None and self.edit.changed and not self.blocked else None


def plan_role(principal: Principal, *, removable: int, used: int, uses: Sequence[Evidence] = ()) -> Plan:
    """The changes that take `removable` away from a role, with their proof; deterministic.

    `removable`: unused actions less the exempted ones; everything else stays. `used` wins over `removable`. `uses`: the
    recorded uses to replay; denied ones are passed over. Nothing is planned for users. Raises ProofError when a change
    cannot be proven, which means that the arguments contradict each other (a recorded use among the removable).
    """
    if principal.kind != "role":
        return Plan(principal.arn, principal.unique_id, (), (), (), 0, 0)
    removable ^= removable & used
    seen = frozenset(e.action for e in uses if e.outcome != "denied")
    unknown = sorted({a for a in seen if catalogue().bit(a) is None}, key=str.lower)
    drafts = [_draft(principal, p, removable, unknown) for p in sorted(principal.policies, key=lambda p: p.key)]
    _limit_inline(drafts)
    _limit_attachments(drafts)
    changes, proof = list[Change](), list[StatementProof]()
    for draft in drafts:
        if draft.active is not None:
            new = draft.active.documents
            proof += verify(
                draft.policy.key,
                draft.policy.document or "",
                [document.text for document in new],
                [document.origins for document in new],
                used=used,
                actions=seen,
            )
            changes += _changes(principal, draft.policy, draft.active)
    if changes:
        verify_role(principal, *_documents(drafts), uses)
    # What only takes away comes first: it makes room for what is written after it.
    changes.sort(key=lambda c: (c.kind not in _REMOVALS, c.policy))
    before, after = _allowed(drafts)
    return Plan(
        role_arn=principal.arn,
        unique_id=principal.unique_id,
        changes=tuple(changes),
        not_plannable=tuple(_not_plannable(drafts, removable)),
        proof=tuple(proof),
        removed=(removable & before & ~after).bit_count(),
        replayed_uses=_replayed(drafts, uses),
    )


def _documents(drafts: Iterable[_Draft]) -> tuple[list[str], list[str]]:
    """All readable documents of the role, before and after."""
    before, after = list[str](), list[str]()
    for draft in drafts:
        if draft.edit is not None and draft.policy.document is not None:
            before.append(draft.policy.document)
            after += [d.text for d in draft.active.documents] if draft.active is not None else before[-1:]
    return before, after


def _draft(principal: Principal, policy: Policy, removable: int, unknown: Iterable[str]) -> _Draft:
    try:
        edit = narrow(policy.document, removable, unknown) if policy.document is not None else None
    except PolicyError:
        edit = None
    if edit is None:
        return _Draft(policy, None, "documentUnknown")
    draft = _Draft(policy, edit)
    if edit.changed and edit.documents and policy.kind != "inline":
        if policy.kind == "customer" and _shared(principal, policy):
            draft.blocked = "sharedPolicy"
        elif (fits := fitted(edit, MANAGED_LIMIT, ATTACHMENT_LIMIT)) is not None:
            draft.edit = fits
        else:
            draft.blocked = "policyTooLarge"
    return draft


def _shared(principal: Principal, policy: Policy) -> bool:
    own_boundary = principal.boundary is not None and principal.boundary.key == policy.key
    return policy.attachment_count > 1 or policy.boundary_usage_count > 0 or own_boundary


def _limit_inline(drafts: Sequence[_Draft]) -> None:
    """Uses as few wildcards as make all inline policies fit together. While not even all of them do, leaves policies as
    they are, those that would grow most first."""
    inline = [d for d in drafts if d.policy.kind == "inline"]
    old = {d.policy.key: len(canonical(d.policy.document or "{}")) for d in inline if d.edit is not None}
    # Beside a policy of unknown size nothing may grow.
    limit = INLINE_LIMIT if len(old) == len(inline) else sum(old.values())
    while active := [(d, d.active) for d in inline if d.active is not None]:
        room = limit - sum(old.values()) + sum(old[d.policy.key] for d, _ in active)
        shortened = _together([edit for _, edit in active], room)
        if shortened is not None:
            for (draft, _), edit in zip(active, shortened, strict=True):
                draft.edit = edit
            return
        growth = {d.policy.key: _shortest(edit).size - old[d.policy.key] for d, edit in active}
        largest, _ = min(active, key=lambda one: (-growth[one[0].policy.key], one[0].policy.key))
        if growth[largest.policy.key] <= 0:
            return
        largest.blocked = "policyTooLarge"


def _together(edits: Sequence[Edit], room: int) -> list[Edit] | None:
    """The edits with few wildcards, so that they fit into the room together; None when nothing makes them fit."""
    pieces = [piece for edit in edits for piece in edit.pieces]
    bare = sum(empty_size(edit) + len(edit.pieces) - 1 for edit in edits if edit.pieces)
    chosen = choose(pieces, lambda given: bare + sum(len(piece.text) for piece in given) <= room)
    if chosen is None:
        return None
    left = iter(chosen)
    return [rewritten(edit, [next(left) for _ in edit.pieces]) for edit in edits]


def _shortest(edit: Edit) -> Edit:
    return rewritten(edit, shortest(edit.pieces))


def _limit_attachments(drafts: Sequence[_Draft]) -> None:
    """Each further policy of a divided one takes an attachment. A replacement is attached before the old policy is
    detached, so that access is never interrupted: for that, one must be free meanwhile."""
    managed = [d for d in drafts if d.policy.kind != "inline"]
    staying = [(len(d.active.documents) if d.active is not None else 1, d) for d in managed]
    staying = [(count, d) for count, d in staying if count]
    asking = [(count, d) for count, d in staying if count > 1 or (d.policy.kind == "aws" and d.active is not None)]
    free = ATTACHMENT_LIMIT - len(staying) - any(d.policy.kind == "aws" for _, d in asking)
    for count, draft in sorted(asking, key=lambda one: (one[0], one[1].policy.key)):
        if count - 1 > free:
            draft.blocked = "attachmentLimit"
        else:
            free -= count - 1


def _changes(principal: Principal, policy: Policy, edit: Edit) -> Iterable[Change]:
    kind: ChangeKind
    if policy.kind == "inline":
        kind = "PutRolePolicy" if edit.documents else "DeleteRolePolicy"
    elif not edit.documents:
        kind = "DetachPolicy"
    else:
        kind = "CreatePolicyVersion" if policy.kind == "customer" else "ReplaceAttachment"
    for number, document in enumerate(edit.documents[1:], 2):
        yield _change("AttachPolicy", policy.key, "", document, 0, f"{_copy_name(principal, policy)}-{number}")
    name = _copy_name(principal, policy) if kind == "ReplaceAttachment" else None
    removed = (edit.before & ~edit.after).bit_count()
    yield _change(kind, policy.key, policy.document or "", edit.documents[0] if edit.documents else None, removed, name)


def _change(
    kind: ChangeKind, policy: str, before: str, document: NewDocument | None, removed: int, name: str | None
) -> Change:
    text = document.text if document is not None else None
    return Change(
        kind=kind,
        policy=policy,
        before=before,
        document=text,
        diff=_diff(policy, before, text),
        removed_actions=removed,
        new_policy_name=name,
        wildcards=document.wildcards if document is not None else (),
    )


def _copy_name(principal: Principal, policy: Policy) -> str:
    """The name of the customer managed copy: the same for the same role and policy, within 128 characters."""
    digest = digest_of([principal.arn, principal.unique_id, policy.key])[:10]
    return f"{policy.name[:56]}-{principal.name[:56]}-{digest}"


def _diff(name: str, before: str, after: str | None) -> str:
    lines = difflib.unified_diff(_pretty(before), _pretty(after), name, name, lineterm="")
    return "\n".join(lines) + "\n"


def _pretty(document: str | None) -> list[str]:
    if not document:
        return []
    return json.dumps(json.loads(canonical(document)), indent=2, sort_keys=True, ensure_ascii=False).split("\n")


def _allowed(drafts: Iterable[_Draft]) -> tuple[int, int]:
    before = after = 0
    for draft in drafts:
        if draft.edit is not None:
            before |= draft.edit.before
            after |= draft.active.after if draft.active is not None else draft.edit.before
    return before, after


def _not_plannable(drafts: Sequence[_Draft], removable: int) -> Iterable[NotPlannable]:
    removed = 0
    for draft in drafts:
        if draft.active is not None:
            removed |= draft.active.before & ~draft.active.after
    for draft in drafts:
        if draft.blocked:
            bits = draft.edit.before & removable if draft.edit is not None else 0
            yield _left(draft.policy.key, draft.blocked, _MESSAGES[draft.blocked], bits, removed)
            continue
        leftovers = draft.edit.leftovers if draft.edit is not None else ()
        for reason in sorted({item.reason for item in leftovers}):
            items = [item for item in leftovers if item.reason == reason]
            bits = 0
            for item in items:
                bits |= item.bits
            message = f"{', '.join(item.statement for item in items)} {_MESSAGES[reason]}"
            yield _left(draft.policy.key, reason, message, bits, removed)


def _left(policy: str, reason: str, message: str, bits: int, removed: int) -> NotPlannable:
    again = (bits & removed).bit_count()
    if again:
        message += f"; {again} of the actions removed elsewhere stay granted here"
    return NotPlannable(policy, reason, message, bits.bit_count())


def _replayed(drafts: Sequence[_Draft], uses: Iterable[Evidence]) -> int:
    """How many recorded uses the old policies grant: for each of them `verify` has found that the new ones do too."""
    before, _ = _allowed(drafts)
    known = catalogue()
    statements = [s for d in drafts if d.edit is not None for s in parse_identity(d.policy.document or "").statements]

    def granted(action: str) -> bool:
        if known.bit(action) is not None:
            return bool(known.expand(action) & before)
        return any(s.effect == "Allow" and grants(s, action) for s in statements)

    return sum(e.outcome == "used" and granted(e.action) for e in uses)
