"""The verdict of every action of every role of a baseline, and what is said of the activity of every user, access key,
password and role of a landscape, for people and programs that want all of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from plumbline.iam.catalogue import catalogue
from plumbline.model.assessment import Addition, Finding, RoleAssessment
from plumbline.model.inactivity import Judgement


def verdicts_json(assessments: Iterable[RoleAssessment]) -> str:
    """Role ARN -> its groups of actions that share verdict, reason and sources. The same assessments give the same text."""
    return json.dumps({a.principal.arn: _role(a) for a in assessments}, indent=1, sort_keys=True) + "\n"


def inactivity_json(judgements: Iterable[Judgement]) -> str:
    """One object for each, by ARN. The same judgements give the same text."""
    return json.dumps([_judgement(one) for one in judgements], indent=1, sort_keys=True) + "\n"


def _judgement(one: Judgement) -> Mapping[str, Any]:
    return {
        "kind": one.kind,
        "arn": one.principal,
        "uniqueId": one.unique_id,
        "accessKey": one.key if one.kind == "accessKey" else "",
        "activity": one.activity.value,
        "reason": one.reason,
        "detail": one.detail,
        "since": one.since.isoformat() if one.since else "",
        "action": one.action or "",
        "sources": list(one.sources),
    }


def _role(assessment: RoleAssessment) -> Mapping[str, Any]:
    return {
        "uniqueId": assessment.principal.unique_id,
        "findings": [_finding(finding) for finding in assessment.findings],
        "usedNotGranted": list(assessment.used_not_granted),
        "denied": list(assessment.denied),
        "possibleAdditions": [_addition(one) for one in assessment.additions],
    }


def _addition(one: Addition) -> Mapping[str, Any]:
    return {
        "action": one.action,
        "why": one.why,
        "count": one.count,
        "last": one.last.date().isoformat(),
        "resources": list(one.resources),
        "grantedElsewhere": one.granted_elsewhere,
        "guarded": one.guarded,
    }


def _finding(finding: Finding) -> Mapping[str, Any]:
    return {
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "detail": finding.detail,
        "sources": list(finding.sources),
        "actions": sorted([*catalogue().names_of(finding.bits), *finding.unknown], key=str.lower),
    }
