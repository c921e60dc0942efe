"""The agreement with findings of unused access, in the form of a status. Pure."""

from __future__ import annotations

from plumbline.api.agreement import AgreementStatus
from plumbline.model.assessment import RoleAssessment

_IDS = 5


def agreement_status(assessment: RoleAssessment) -> AgreementStatus | None:
    """None where no analyzer looks at the role."""
    said = assessment.agreement
    if said is None:
        return None
    return AgreementStatus(
        agreed=said.agreed,
        only_plumbline=said.only_plumbline,
        used=said.used,
        undetermined=said.undetermined,
        not_compared=said.not_compared,
        analyzer=said.analyzer,
        findings=list(said.findings[:_IDS]),
    )
