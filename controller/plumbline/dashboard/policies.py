"""The policies of one principal, statement by statement: what of each is used, and what would go.

Knows verdicts and the planner; must not know proposals: a plan that was proposed is what the planner makes of the same
facts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from plumbline.assess.analysis import PrincipalAnalysis
from plumbline.assess.assess import exempted_bits, uses_to_keep
from plumbline.assess.targets import not_editable
from plumbline.dashboard.picture import Picture
from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import PolicyError, Statement, parse_identity
from plumbline.iam.granted import statement_bits
from plumbline.model.assessment import Verdict
from plumbline.model.plan import Change, NotPlannable, Plan, StatementProof
from plumbline.model.snapshot import Policy
from plumbline.plan import ProofError, plan_role


@dataclass(frozen=True, slots=True)
class StatementView:
    """`counts`: verdict -> actions that the statement names. `fate`: goes, shrinks or stays; `kept`: actions after it."""

    label: str
    effect: str
    text: str
    counts: Mapping[str, int]
    fate: str = "stays"
    kept: int = 0
    before: int = 0


@dataclass(frozen=True, slots=True)
class PolicyView:
    """`statements` empty where the document could not be read: `unread` says so."""

    policy: Policy
    boundary: bool
    statements: tuple[StatementView, ...]
    changes: tuple[Change, ...] = ()
    left: tuple[NotPlannable, ...] = ()
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Policies:
    """`why_not`: why nothing is planned for the principal; empty where something could be. `exempted`: unused actions that
    an exemption keeps."""

    policies: tuple[PolicyView, ...]
    removed: int
    replayed: int
    exempted: int = 0
    why_not: str = ""
    left: tuple[NotPlannable, ...] = field(default=())


def policies_of(picture: Picture, one: PrincipalAnalysis) -> Policies:
    """With the plan that takes away what is unused, if there is one."""
    principal = one.principal
    bits = {verdict: _bits(one, verdict) for verdict in Verdict}
    baseline = picture.baseline_of(principal.arn)
    terms = picture.report.facts.terms_of(principal.arn)
    exempted = 0
    if baseline is not None:
        day = terms.window.as_of
        exempted = bits[Verdict.UNUSED] & exempted_bits(principal, baseline.spec.exemptions, day, catalogue())
    why_not, plan = not_editable(principal) or "", _NONE
    if principal.kind != "role":
        why_not = "nothing is planned for users"
    if not why_not:
        uses = uses_to_keep(one.usage, terms.window, remove_rare=terms.remove_rare)
        removable = bits[Verdict.UNUSED] & ~exempted
        try:
            plan = plan_role(principal, removable=removable, used=bits[Verdict.USED], uses=uses)
        except ProofError as error:
            why_not = f"no plan could be proven: {error}"
    proof = {(entry.policy, entry.statement): entry for entry in plan.proof}
    shown = [(policy, False) for policy in sorted(principal.policies, key=lambda policy: policy.key)]
    shown += [(principal.boundary, True)] if principal.boundary is not None else []
    return Policies(
        policies=tuple(_policy(policy, boundary, bits, plan, proof) for policy, boundary in shown),
        removed=plan.removed,
        replayed=plan.replayed_uses,
        exempted=exempted.bit_count(),
        why_not=why_not,
        left=plan.not_plannable,
    )


_NONE = Plan("", "", (), (), (), 0, 0)


def _policy(
    policy: Policy,
    boundary: bool,
    bits: Mapping[Verdict, int],
    plan: Plan,
    proof: Mapping[tuple[str, str], StatementProof],
) -> PolicyView:
    try:
        document = None if policy.document is None else parse_identity(policy.document)
    except PolicyError:
        document = None
    if document is None:
        return PolicyView(policy, boundary, (), unread=True)
    if boundary:
        return PolicyView(policy, True, tuple(_statement(s, {}, None) for s in document.statements))
    return PolicyView(
        policy,
        False,
        tuple(_statement(s, bits, proof.get((policy.key, s.label))) for s in document.statements),
        tuple(change for change in plan.changes if change.policy == policy.key),
        tuple(one for one in plan.not_plannable if one.policy == policy.key),
    )


def _statement(statement: Statement, bits: Mapping[Verdict, int], proven: StatementProof | None) -> StatementView:
    own = statement_bits(statement) if statement.effect == "Allow" else 0
    fate = "stays"
    if proven is not None and proven.after < proven.before:
        fate = "shrinks" if proven.after else "goes"
    return StatementView(
        label=statement.label,
        effect=statement.effect,
        text=json.dumps(json.loads(statement.raw), indent=2, ensure_ascii=False),
        counts={verdict.value: (own & found).bit_count() for verdict, found in bits.items()} if own else {},
        fate=fate,
        kept=proven.after if proven else 0,
        before=proven.before if proven else 0,
    )


def _bits(one: PrincipalAnalysis, verdict: Verdict) -> int:
    result = 0
    for finding in one.findings:
        result |= finding.bits if finding.verdict is verdict else 0
    return result


def lines_of(diff: str) -> Iterator[tuple[str, str]]:
    """(added, removed or same; text) of a unified difference, without its head."""
    kinds = {"+": "added", "-": "removed"}
    for line in diff.splitlines():
        if line.startswith(("--- ", "+++ ")):
            continue
        if line.startswith("@@"):
            yield "where", "⋯"
        else:
            yield kinds.get(line[:1], "same"), line
