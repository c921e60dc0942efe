"""What a proposal says: changes, evidence and proof, within the size of an object. Pure.

Knows plan and assessment. Must not know which proposals are open or superseded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from plumbline.api.proposal import (
    ChangeStatus,
    NotPlannableStatus,
    ProofStatus,
    ProposalStatus,
    StatementProofStatus,
    UnusedAction,
)
from plumbline.assess.assess import generated_figure
from plumbline.assess.verdicts import RARE_USE
from plumbline.assess.window import Window
from plumbline.iam.catalogue import catalogue
from plumbline.model.assessment import RoleAssessment, Verdict
from plumbline.model.plan import Change, Plan
from plumbline.model.snapshot import digest_of
from plumbline.plan.recommended import compared_with_aws
from plumbline.reconcile.agreement import agreement_status
from plumbline.reconcile.resources import STATUS_BYTES, size_of

PROOF_FAILED = "proofFailed"
_LISTED_ACTIONS = 20
_CHANGES, _UNUSED, _NOT_PLANNABLE, _STATEMENTS = 50, 100, 50, 100
_TEXT = 500


def proposal_status(
    assessment: RoleAssessment, plan: Plan, owner: str, old: ProposalStatus | None, window: Window
) -> ProposalStatus:
    """Everything but conditions and generation. Where the same is said as in `old`, its dates stay, so that unchanged
    facts write nothing: an action that is silent now has been so since the earlier start, too."""
    unused = list(unused_rows(assessment, window))
    status = ProposalStatus(
        as_of=window.as_of.isoformat(),
        unique_id=plan.unique_id,
        plan_digest=plan.digest,
        removed_actions=plan.removed,
        reduction_percentage=round(100 * plan.removed / max(assessment.counts.granted, 1), 1),
        owner=owner,
        changes=[_change(change) for change in plan.changes[:_CHANGES]],
        changes_truncated=_beyond(plan.changes, _CHANGES),
        unused=unused[:_UNUSED],
        unused_truncated=_beyond(unused, _UNUSED),
        not_plannable=[
            NotPlannableStatus(policy=n.policy, reason=n.reason, message=_short(n.message), actions=n.actions)
            for n in plan.not_plannable[:_NOT_PLANNABLE]
        ],
        not_plannable_truncated=_beyond(plan.not_plannable, _NOT_PLANNABLE),
        proof=ProofStatus(
            contained=all(n.reason != PROOF_FAILED for n in plan.not_plannable),
            replayed_uses=plan.replayed_uses,
            statements=[
                StatementProofStatus(
                    policy=p.policy, statement=_short(p.statement), before=p.before, after=p.after, used=p.used
                )
                for p in plan.proof[:_STATEMENTS]
            ],
            statements_truncated=_beyond(plan.proof, _STATEMENTS),
        ),
        policy_generation=generated_figure(assessment),
        unused_access=agreement_status(assessment),
        recommendation=compared_with_aws(assessment, plan),
    )
    status = _within_size(status)
    if old is not None and old.as_of and _undated(old) == _undated(status):
        return status.model_copy(update={"as_of": old.as_of, "unused": old.unused})
    return status


def documents(plan: Plan) -> dict[str, str]:
    """The complete new documents by digest."""
    return {digest(c.document): c.document for c in plan.changes if c.document}


def digest(text: str | None) -> str:
    return digest_of([text or ""])


def _change(change: Change) -> ChangeStatus:
    return ChangeStatus(
        kind=change.kind,
        policy=change.policy,
        removed_actions=change.removed_actions,
        new_policy_name=change.new_policy_name or "",
        document=change.document or "",
        document_digest=digest(change.document) if change.document else "",
        before_digest=digest(change.before),
        diff=change.diff,
        wildcards=list(change.wildcards[:_LISTED_ACTIONS]),
        wildcards_truncated=_beyond(change.wildcards, _LISTED_ACTIONS),
    )


def unused_rows(assessment: RoleAssessment, window: Window) -> Iterable[UnusedAction]:
    """What is unused and not exempted, by service: since when, and which sources say so."""
    known = catalogue()
    days = (window.end - window.start).days
    rows: dict[tuple[str, bool, tuple[str, ...]], list[str]] = {}
    for finding in assessment.findings:
        if finding.verdict is Verdict.UNUSED:
            for name in known.names_of(finding.bits & ~assessment.exempted_bits):
                key = (name.split(":")[0], finding.reason == RARE_USE, finding.sources)
                rows.setdefault(key, []).append(name)
    for (service, rare, sources), names in sorted(rows.items()):
        names.sort(key=str.lower)
        yield UnusedAction(
            service=service,
            count=len(names),
            actions=names[:_LISTED_ACTIONS],
            truncated=_beyond(names, _LISTED_ACTIONS),
            since=window.start,
            reason=f"silent for {days} days" + (", used before" if rare else ""),
            sources=list(sources),
        )


def _undated(status: ProposalStatus) -> Mapping[str, object]:
    said = status.model_dump(exclude={"as_of", "conditions", "observed_generation"})
    return said | {"unused": [row | {"since": None} for row in said["unused"]]}


def _within_size(status: ProposalStatus) -> ProposalStatus:
    """Differences go first, then documents, which stay by digest in the folder of documents and the store; then what
    can be counted instead of listed."""
    for smaller in _smaller(status):
        if size_of(smaller) <= STATUS_BYTES:
            return smaller
        status = smaller
    return status


def _smaller(status: ProposalStatus) -> Iterator[ProposalStatus]:
    yield status
    for members in (("diff",), ("diff", "document")):
        cut = [change.model_copy(update=dict.fromkeys(members, "")) for change in status.changes]
        yield (status := status.model_copy(update={"changes": cut, "documents_omitted": True}))
    for actions, rows in ((3, _UNUSED), (0, _UNUSED), (0, 20)):
        proof = status.proof
        yield (
            status := status.model_copy(
                update={
                    "changes": status.changes[:rows],
                    "changes_truncated": status.changes_truncated + _beyond(status.changes, rows),
                    "unused": [_with_fewer(row, actions) for row in status.unused[:rows]],
                    "unused_truncated": status.unused_truncated + _beyond(status.unused, rows),
                    "not_plannable": status.not_plannable[:rows],
                    "not_plannable_truncated": status.not_plannable_truncated + _beyond(status.not_plannable, rows),
                    "proof": proof.model_copy(
                        update={
                            "statements": proof.statements[: rows // 5],
                            "statements_truncated": proof.statements_truncated + _beyond(proof.statements, rows // 5),
                        }
                    ),
                }
            )
        )


def _with_fewer(row: UnusedAction, actions: int) -> UnusedAction:
    return row.model_copy(
        update={"actions": row.actions[:actions], "truncated": row.count - len(row.actions[:actions])}
    )


def _beyond(items: Iterable[object], most: int) -> int:
    return max(0, len(list(items)) - most)


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
