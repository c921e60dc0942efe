"""The findings of one baseline for other systems, from its assessed roles. Pure.

No data never means resolved: a finding ends only where it is known that the role is within its thresholds, or gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

from plumbline.api.baseline import Thresholds
from plumbline.api.review import BaselineKind
from plumbline.assess.assess import GRANT_DRIFT, evidence_incomplete, exceeded
from plumbline.assess.verdicts import INCOMPLETE_REASONS
from plumbline.iam.catalogue import catalogue
from plumbline.model.assessment import RoleAssessment, Verdict
from plumbline.model.finding import Finding, Findings, Severity, finding_key
from plumbline.reconcile.baseline import BaselineResult

_KINDS: tuple[BaselineKind, ...] = get_args(BaselineKind)
_SHOWN = 3
# Reasons for which an action was unused before, perhaps, and is not any more only because nobody can say.
_OUT_OF_SIGHT = INCOMPLETE_REASONS | {
    "noQualifyingSource",
    "managementEventsNotSelected",
    "roleYoungerThanLookback",
    "grantYoungerThanLookback",
    "grantAgeUnknown",
}


def findings_of(result: BaselineResult, proposals: dict[str, str]) -> Findings:
    """`proposals`: role ARN -> name of its open proposal."""
    landscape = result.baseline.spec.landscape_ref.name
    found, unknown = dict[str, Finding](), set[str]()
    for assessment in result.assessments:
        for kind in _KINDS:
            principal = assessment.principal
            key = finding_key(landscape, kind, principal.arn, principal.unique_id)
            if kind in _open(assessment):
                found[key] = _finding(key, kind, assessment, result, proposals.get(principal.arn, ""))
            elif _is_unknown(kind, assessment, result):
                unknown.add(key)
    return Findings(found, frozenset(unknown), result.selection.seen, result.selection.accounts)


def _open(assessment: RoleAssessment) -> Iterator[BaselineKind]:
    over = set(assessment.out_of_line)
    if GRANT_DRIFT in over:
        yield "GrantDrift"
    if over - {GRANT_DRIFT}:
        yield "UnusedAccess"


def _is_unknown(kind: BaselineKind, assessment: RoleAssessment, result: BaselineResult) -> bool:
    drift = assessment.drift
    if kind == "GrantDrift":
        return not drift.accepted_known or not drift.live_digest or result.accepted_lost
    return bool(evidence_incomplete(assessment)) or _may_exceed(assessment, result.baseline.spec.thresholds)


def _may_exceed(assessment: RoleAssessment, thresholds: Thresholds) -> bool:
    """Whether the role would be out of line if all that cannot be seen, or not be judged yet, were unused. After a reduction
    nothing of that kind is left but what was kept because it is used."""
    lost, names = 0, 0
    for finding in assessment.findings:
        if finding.verdict is Verdict.UNDETERMINED and finding.reason in _OUT_OF_SIGHT:
            lost, names = lost | finding.bits, names + len(finding.unknown)
    if not lost and not names:
        return False
    counts, number = assessment.counts, lost.bit_count() + names
    worst = replace(
        assessment,
        counts=replace(counts, unused=counts.unused + number, undetermined=counts.undetermined - number),
        unused_privileged=assessment.unused_privileged + (lost & catalogue().privileged).bit_count(),
    )
    return bool(set(exceeded(worst, thresholds)) - {GRANT_DRIFT})


def _finding(
    key: str, kind: BaselineKind, assessment: RoleAssessment, result: BaselineResult, proposal: str
) -> Finding:
    principal, baseline = assessment.principal, result.baseline
    says = _drift if kind == "GrantDrift" else _unused
    severity, title, description = says(assessment)
    where = f"namespace {baseline.metadata.namespace}" if baseline.metadata.namespace else "the state folder"
    remedy = f"Decide on the proposal {proposal} in {where}." if proposal else _without_proposal(kind, assessment)
    return Finding(
        key=key,
        kind=kind,
        baseline=baseline.metadata.key,
        account=principal.account,
        role_arn=principal.arn,
        severity=severity,
        title=title,
        description=description,
        remedy=remedy,
        owner=assessment.owner,
    )


def _unused(assessment: RoleAssessment) -> tuple[Severity, str, str]:
    counts, name = assessment.counts, assessment.principal.name
    unused = counts.unused - assessment.exempted
    privileged = assessment.unused_privileged
    title = f"Role {name} has {unused} unused permissions"
    description = (
        f"{unused} of {counts.granted} granted actions were not used in the lookback, {privileged} of them privileged; "
        f"{counts.used} were used, {counts.undetermined} are undetermined."
    )
    return ("MEDIUM" if privileged else "LOW"), title, description


def _drift(assessment: RoleAssessment) -> tuple[Severity, str, str]:
    additions = assessment.drift.additions
    shown = "; ".join(additions[:_SHOWN])
    more = f"; and {len(additions) - _SHOWN} more" if len(additions) > _SHOWN else ""
    title = f"Role {assessment.principal.name} was granted access beyond what was accepted"
    return "HIGH", title, f"Beyond the accepted access: {shown}{more}."


def _without_proposal(kind: BaselineKind, assessment: RoleAssessment) -> str:
    if kind == "GrantDrift":
        return "Take the additions back, or accept the live access under spec.grantDrift of the baseline."
    if assessment.not_editable:
        return f"The role is not edited by Plumbline ({assessment.not_editable}); change it where it is defined."
    return "Remove what is unused, or exempt it in the baseline; plumbline explain shows each action with its evidence."
