"""An analysis as SARIF 2.1.0, for code scanning and pipelines. Knows the report only.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from plumbline import __version__
from plumbline.assess.analysis import PrincipalAnalysis
from plumbline.export.analysis import Report
from plumbline.model.assessment import Verdict

Json = dict[str, Any]
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_RULES = {
    "unused-access": ("Access that was not used in the lookback", "warning"),
    "privilege-escalation": ("A way to gain privileges over a real target", "error"),
    "potential-escalation": ("Actions of a way to gain privileges, without a target in the data", "note"),
    "external-trust": ("Trust in a principal outside of the analysed accounts", "warning"),
    "unreadable-trust": ("A trust policy that could not be read", "warning"),
    "undetermined-access": ("Access of which nothing in the data says whether it is used", "note"),
}


def as_sarif(report: Report) -> Json:
    """One run; results in the order of principals."""
    results = [result for one in report.analysis.principals for result in _results(one)]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Plumbline",
                        "version": __version__,
                        "rules": [
                            {
                                "id": name,
                                "shortDescription": {"text": text},
                                "defaultConfiguration": {"level": level},
                            }
                            for name, (text, level) in sorted(_RULES.items())
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {"level": "warning", "message": {"text": text}} for text in report.warnings
                        ],
                    }
                ],
                "properties": {"asOf": report.as_of},
                "results": results,
            }
        ],
    }


def _results(one: PrincipalAnalysis) -> Iterator[Json]:
    counts = one.counts
    if counts.unused:
        services = _services(one, Verdict.UNUSED)
        yield _result(
            one, "unused-access", "", f"{counts.unused} of {counts.granted} granted actions unused: {services}"
        )
    if counts.undetermined:
        text = f"{counts.undetermined} of {counts.granted} granted actions undetermined"
        yield _result(one, "undetermined-access", "", text)
    for rule, ways in (
        ("privilege-escalation", one.escalations.escalations),
        ("potential-escalation", one.escalations.potential),
    ):
        for way in ways:
            target = f" over {way.target}" if way.target else ""
            if_ = ", if the caller meets conditions" if way.conditional else ""
            yield _result(one, rule, f"{way.id} {way.target}", f"{way.id}: {', '.join(way.actions)}{target}{if_}")
    if one.trust is None:
        yield _result(one, "unreadable-trust", "", "the trust policy could not be read: anybody may be trusted")
    for entry in one.trust or ():
        if entry.external:
            conditions = ", ".join(f"{operator} {key}" for operator, key, _ in entry.conditions)
            text = f"trusts {entry.principal}{f' if {conditions}' if conditions else ' without a condition'}"
            yield _result(one, "external-trust", f"{entry.principal} {entry.conditions}", text)


def _result(one: PrincipalAnalysis, rule: str, what: str, text: str) -> Json:
    arn = one.principal.arn
    stable = hashlib.sha256(f"{rule}\n{arn}\n{what}".encode()).hexdigest()
    return {
        "ruleId": rule,
        "level": _RULES[rule][1],
        "message": {"text": f"{arn}: {text}"},
        "locations": [
            {"logicalLocations": [{"fullyQualifiedName": arn, "name": one.principal.name, "kind": "resource"}]}
        ],
        "partialFingerprints": {"principalAndFinding/v1": stable},
    }


def _services(one: PrincipalAnalysis, verdict: Verdict) -> str:
    """The services with most such actions."""
    from plumbline.iam.catalogue import catalogue

    numbers: dict[str, int] = {}
    for finding in one.findings:
        if finding.verdict is verdict:
            for name in (*catalogue().names_of(finding.bits), *finding.unknown):
                service = name.partition(":")[0]
                numbers[service] = numbers.get(service, 0) + 1
    most = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    more = f", and {len(most) - 5} more services" if len(most) > 5 else ""
    return ", ".join(f"{service} {number}" for service, number in most[:5]) + more
