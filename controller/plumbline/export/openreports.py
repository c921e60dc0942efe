"""The findings of a baseline as a Report of openreports.io. Pure; the same findings give the same bytes.

What cannot be said of a role is an `error`, never a `pass`.
https://github.com/openreports/reports-api/blob/main/docs/api-docs.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from plumbline.api.baseline import BaselineStatus, Unassessed
from plumbline.model.finding import Finding, Findings

Json = dict[str, Any]
SOURCE: Final = "plumbline"
_KINDS: Final = 2  # findings that a role may have
_LISTED: Final = 200


def results(findings: Findings, status: BaselineStatus, judged: int) -> Json:
    """`results` and `summary`. `judged`: for how many kinds of findings there is a threshold; the others are skipped. What
    fails is listed first; what passes is only counted. A target that was not assessed is an error."""
    failed = sorted(findings.open.values(), key=lambda one: (_ORDER[one.severity], one.key))
    unknown = sorted(findings.unknown)
    targets = [_not_assessed(one) for one in status.unassessed]
    listed = [*(_failed(one) for one in failed), *targets, *(_unknown(key) for key in unknown)]
    summary = {
        "pass": max(0, judged * status.roles - len(failed) - len(unknown)),
        "fail": len(failed),
        "error": len(unknown) + len(targets) + status.unassessed_truncated,
        "warn": 0,
        "skip": (_KINDS - judged) * status.roles,
    }
    return {"source": SOURCE, "summary": summary, "results": listed[:_LISTED]}


_ORDER: Final[Mapping[str, int]] = {"HIGH": 0, "MEDIUM": 1, "LOW": 2}


def _failed(one: Finding) -> Json:
    return {
        "policy": one.baseline,
        "rule": one.kind,
        "result": "fail",
        "severity": one.severity.lower(),
        "category": "Least privilege",
        "message": f"{one.description} {one.remedy}",
        "properties": {"role": one.role_arn, "account": one.account, "owner": one.owner or "unknown"},
    }


def _not_assessed(one: Unassessed) -> Json:
    return {
        "policy": SOURCE,
        "rule": one.reason,
        "result": "error",
        "category": "Least privilege",
        "message": one.message or "the target could not be assessed",
        "properties": {"target": one.target},
    }


def _unknown(key: str) -> Json:
    _, _, kind, *role, _ = key.split("/")
    return {
        "policy": SOURCE,
        "rule": kind,
        "result": "error",
        "category": "Least privilege",
        "message": "it is not known: a source that is required did not deliver; see the status of the baseline",
        "properties": {"role": "/".join(role)},
    }
