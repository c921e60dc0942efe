"""How far findings of unused access and verdicts agree. Figures for people; no verdict rests on them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plumbline.assess.silence import LAST_ACCESSED, dated_services
from plumbline.assess.window import Window
from plumbline.iam.catalogue import Catalogue
from plumbline.model.assessment import Agreement, Finding, Verdict
from plumbline.model.evidence import PrincipalUsage, ServiceAccess


def agreement(
    findings: Iterable[Finding], usage: PrincipalUsage, window: Window, catalogue: Catalogue
) -> Agreement | None:
    """None where no analyzer looks at the role, or its findings are not known."""
    said = usage.unused_access
    if said is None:
        return None
    of = dict.fromkeys(Verdict, 0)
    for finding in findings:
        of[finding.verdict] |= finding.bits
    unused = of[Verdict.UNUSED]
    listed = _named(said.services, said.role_unused, catalogue)
    # Who archived a finding did not make use of what it names: that it is missing among the active ones says nothing.
    hidden = _named(said.archived, said.role_archived, catalogue)
    # One of a longer age does not call unused what was used before the lookback.
    comparable = _evaluated(usage, window, catalogue) if said.age <= (window.end - window.start).days else 0
    only_plumbline = unused & comparable & ~listed & ~hidden
    return Agreement(
        agreed=(unused & listed).bit_count(),
        only_plumbline=only_plumbline.bit_count(),
        used=(listed & of[Verdict.USED]).bit_count(),
        undetermined=(listed & of[Verdict.UNDETERMINED]).bit_count(),
        not_compared=(unused & ~listed & ~only_plumbline).bit_count(),
        analyzer=said.analyzer,
        findings=said.findings,
        recommended=said.recommended,
        outdated=said.recommended_outdated,
    )


def _named(services: Mapping[str, ServiceAccess], role: bool, catalogue: Catalogue) -> int:
    """What findings call unused, for as long as the analyzer's age."""
    if role:
        return catalogue.expand("*")
    named = 0
    for service in services.values():
        named |= catalogue.expand_all(service.actions) if service.actions else catalogue.service(service.namespace)
    return named


def _evaluated(usage: PrincipalUsage, window: Window, catalogue: Catalogue) -> int:
    """What an analyzer would name if it were unused: actions that IAM tracks by themselves, and whole services. It rests on
    last-accessed information: https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-findings.html"""
    evaluated = 0
    for source, service in dated_services(usage):
        if source == LAST_ACCESSED:
            if service.last is None or service.last < window.start:
                evaluated |= catalogue.service(service.namespace)
            evaluated |= catalogue.expand_all(service.actions)
    return evaluated
