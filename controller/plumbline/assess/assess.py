"""One role, assessed against its baseline: counts, exemptions, thresholds, drift. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from plumbline.api.baseline import Exemption, Thresholds
from plumbline.assess.additions import possible_additions
from plumbline.assess.agreement import agreement
from plumbline.assess.targets import not_editable
from plumbline.assess.verdicts import INCOMPLETE_REASONS, RARE_USE, Context
from plumbline.assess.window import Window
from plumbline.iam.catalogue import Catalogue
from plumbline.iam.granted import Granted, statements_granting
from plumbline.iam.patterns import matches, overlaps
from plumbline.model.assessment import Counts, Finding, GrantDrift, RoleAssessment, Verdict
from plumbline.model.evidence import Evidence, GeneratedPolicy, PrincipalUsage
from plumbline.model.snapshot import Principal

UNUSED_ACTIONS = "unusedActions"
UNUSED_SHARE = "unusedShare"
UNUSED_PRIVILEGED = "unusedPrivilegedActions"
GRANT_DRIFT = "grantDrift"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a baseline asks of its roles. `escalating`: bits of the actions by which privileges can be gained."""

    thresholds: Thresholds
    exemptions: Sequence[Exemption]
    escalating: int


def assess_role(
    principal: Principal,
    granted: Granted,
    usage: PrincipalUsage,
    findings: tuple[Finding, ...],
    drift: GrantDrift,
    rules: Rules,
    context: Context,
) -> RoleAssessment:
    """`findings`: the verdicts of the role's actions."""
    catalogue = context.catalogue
    counts = count(findings)
    unused = _bits(findings, Verdict.UNUSED)
    exempted = unused & exempted_bits(principal, rules.exemptions, context.window.as_of, catalogue)
    privileged = (unused & ~exempted & catalogue.privileged).bit_count()
    everything = granted.granted | granted.masked
    not_granted = _not_granted(principal, usage, everything, context)
    assessment = RoleAssessment(
        principal=principal,
        findings=findings,
        counts=counts,
        unused_privileged=privileged,
        exempted=exempted.bit_count(),
        exempted_bits=exempted,
        uses=uses_to_keep(usage, context.window, remove_rare=context.remove_rare),
        used_not_granted=not_granted,
        denied=tuple(sorted({e.action for e in usage.evidence if e.outcome == "denied"})),
        additions=possible_additions(
            usage.evidence, not_granted, everything, context.window.start, catalogue, rules.escalating
        ),
        drift=drift,
        not_editable=not_editable(principal),
        generated_difference=generated_difference(usage.generated, granted, catalogue),
        agreement=agreement(findings, usage, context.window, catalogue),
    )
    return replace(assessment, out_of_line=exceeded(assessment, rules.thresholds))


def count(findings: Iterable[Finding]) -> Counts:
    sums = dict.fromkeys(Verdict, 0)
    for finding in findings:
        sums[finding.verdict] += finding.bits.bit_count() + len(finding.unknown)
    return Counts(**{verdict.value: number for verdict, number in sums.items()})


def exceeded(assessment: RoleAssessment, thresholds: Thresholds) -> tuple[str, ...]:
    """The thresholds that the role is beyond, by however little."""
    return tuple(name for name, value, limit in _measured(assessment, thresholds) if value > limit)


def distances(assessment: RoleAssessment, thresholds: Thresholds) -> dict[str, float]:
    """Threshold -> how far above it the role is, rounded for people; negative is below."""
    return {name: round(value - limit, 1) for name, value, limit in _measured(assessment, thresholds)}


def _measured(assessment: RoleAssessment, thresholds: Thresholds) -> list[tuple[str, float, float]]:
    unused = assessment.counts.unused - assessment.exempted
    share = 100 * unused / max(assessment.counts.granted, 1)
    pairs: list[tuple[str, float, float | None]] = [
        (UNUSED_ACTIONS, unused, thresholds.unused_actions),
        (UNUSED_SHARE, share, thresholds.unused_share),
        (UNUSED_PRIVILEGED, assessment.unused_privileged, thresholds.unused_privileged_actions),
        (GRANT_DRIFT, len(assessment.drift.additions), thresholds.grant_drift),
    ]
    return [(name, value, limit) for name, value, limit in pairs if limit is not None]


def exempted_bits(principal: Principal, exemptions: Sequence[Exemption], day: date, catalogue: Catalogue) -> int:
    """Actions of this role that an exemption in force protects."""
    result = 0
    for exemption in exemptions:
        if exemption.expires >= day and _concerns(exemption, principal):
            for pattern in exemption.actions:
                result |= catalogue.expand(pattern)
    return result


def _concerns(exemption: Exemption, principal: Principal) -> bool:
    return not exemption.roles or any(
        role == principal.arn or matches(role, principal.name, case_sensitive=True) for role in exemption.roles
    )


def evidence_incomplete(assessment: RoleAssessment) -> dict[str, int]:
    """Reasons that say a required source did not deliver -> number of actions left undetermined by it."""
    reasons = undetermined_by_reason(assessment)
    return {reason: number for reason, number in reasons.items() if reason in INCOMPLETE_REASONS}


def rare_use(assessment: RoleAssessment) -> int:
    """Actions last used before the lookback: undetermined, or unused where the baseline removes rare use."""
    return sum(f.bits.bit_count() for f in assessment.findings if f.reason == RARE_USE)


def undetermined_by_reason(assessment: RoleAssessment) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for finding in assessment.findings:
        if finding.verdict is Verdict.UNDETERMINED:
            number = finding.bits.bit_count() + len(finding.unknown)
            reasons[finding.reason] = reasons.get(finding.reason, 0) + number
    return dict(sorted(reasons.items()))


def generated_difference(
    generated: GeneratedPolicy | None, granted: Granted, catalogue: Catalogue
) -> tuple[int, int, int, float] | None:
    """The brief's figure: (current, generated, current minus generated, its percentage). Never a verdict."""
    if generated is None:
        return None
    named = 0
    for action in generated.actions:
        named |= catalogue.expand(action)
    current = granted.granted.bit_count() + len(granted.granted_unknown)
    not_named = [n for n in granted.granted_unknown if not any(overlaps(n, action) for action in generated.actions)]
    unused = (granted.granted & ~named).bit_count() + len(not_named)
    return current, named.bit_count(), unused, round(unused / max(current, 1) * 100, 1)


def generated_figure(assessment: RoleAssessment) -> str:
    """The comparison with the generated policy in words; empty without one."""
    if assessment.generated_difference is None:
        return ""
    current, named, unused, share = assessment.generated_difference
    return f"current {current}, generated {named}, current minus generated {unused} ({share} %)"


def _bits(findings: Iterable[Finding], verdict: Verdict) -> int:
    result = 0
    for finding in findings:
        if finding.verdict is verdict:
            result |= finding.bits
    return result


def uses_to_keep(usage: PrincipalUsage, window: Window, *, remove_rare: bool) -> tuple[Evidence, ...]:
    """The uses, and attempts that may have been some, that a plan must leave possible; names that the catalogue does
    not know have no other advocate."""
    since = window.start if remove_rare else window.memory
    return tuple(e for e in usage.evidence if e.outcome != "denied" and e.last >= since)


def _not_granted(principal: Principal, usage: PrincipalUsage, everything: int, context: Context) -> tuple[str, ...]:
    result = set()
    for evidence in usage.evidence:
        if evidence.outcome == "used" and evidence.last >= context.window.start:
            bits = context.catalogue.expand(evidence.action)
            # A name that the catalogue does not know may be granted by a pattern that it does.
            if not (bits & everything if bits else statements_granting(principal, evidence.action)):
                result.add(evidence.action)
    return tuple(sorted(result))
