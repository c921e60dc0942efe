"""The findings of a baseline as a Report of openreports.io. Pure; the same findings give the same bytes.

What cannot be said of a role is an `error`, never a `pass`.
https://github.com/openreports/reports-api/blob/main/docs/api-docs.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from plumbline.model.finding import Finding, Findings

Json = dict[str, Any]
SOURCE: Final = "plumbline"
_KINDS: Final = 2  # findings that a role may have
_LISTED: Final = 200


def results(findings: Findings, roles: int) -> Json:
    """`results` and `summary`. `roles`: how many were assessed. What fails is listed first; what passes is only counted."""
    failed = sorted(findings.open.values(), key=lambda one: (_ORDER[one.severity], one.key))
    unknown = sorted(findings.unknown)
    listed = [*(_failed(one) for one in failed), *(_unknown(key) for key in unknown)]
    summary = {
        "pass": max(0, _KINDS * roles - len(failed) - len(unknown)),
        "fail": len(failed),
        "error": len(unknown),
        "warn": 0,
        "skip": 0,
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
