"""The verdict of every action of every role of a baseline, for people and programs that want all of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from plumbline.iam.catalogue import catalogue
from plumbline.model.assessment import Finding, RoleAssessment


def verdicts_json(assessments: Iterable[RoleAssessment]) -> str:
    """Role ARN -> its groups of actions that share verdict, reason and sources. The same assessments give the same text."""
    return json.dumps({a.principal.arn: _role(a) for a in assessments}, indent=1, sort_keys=True) + "\n"


def _role(assessment: RoleAssessment) -> Mapping[str, Any]:
    return {
        "uniqueId": assessment.principal.unique_id,
        "findings": [_finding(finding) for finding in assessment.findings],
        "usedNotGranted": list(assessment.used_not_granted),
        "denied": list(assessment.denied),
    }


def _finding(finding: Finding) -> Mapping[str, Any]:
    return {
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "detail": finding.detail,
        "sources": list(finding.sources),
        "actions": sorted([*catalogue().names_of(finding.bits), *finding.unknown], key=str.lower),
    }
