"""An analysis as data: what docs/schemas/analyze.schema.json describes, and what the other forms are made of.

Knows the analysis and its facts; must not know where they came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plumbline.assess.analysis import Analysis, Facts, PrincipalAnalysis
from plumbline.assess.escalation import Escalation
from plumbline.assess.reach import Hop, Path
from plumbline.assess.remedies import ranked
from plumbline.assess.silence import last_uses
from plumbline.assess.trust import Trusted
from plumbline.assess.verdicts import uses
from plumbline.iam.catalogue import catalogue
from plumbline.model.assessment import Finding
from plumbline.model.coverage import LogCoverage, State

Json = dict[str, Any]
SCHEMA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Report:
    """`as_of`: as people gave it. `actions`: with the verdict of each action."""

    analysis: Analysis
    facts: Facts
    as_of: str
    warnings: tuple[str, ...] = ()
    actions: bool = False

    def as_json(self) -> Json:
        window = self.facts.window
        return {
            "schemaVersion": SCHEMA_VERSION,
            "asOf": self.as_of,
            "lookback": {"start": _time(window.start), "end": _time(window.end)},
            "catalogue": catalogue().version,
            "accounts": list(self._accounts()),
            "principals": [self._principal(one) for one in self.analysis.principals],
            "paths": [path_json(path) for path in self.analysis.paths],
            "coverage": self._coverage(),
            "warnings": list(self.warnings),
        }

    def by_risk(self) -> list[PrincipalAnalysis]:
        """The highest first."""
        return sorted(self.analysis.principals, key=lambda one: (-one.risk.score, one.principal.arn))

    def _accounts(self) -> Iterator[Json]:
        by_account: dict[str, list[PrincipalAnalysis]] = {account: [] for account in self.facts.accounts}
        for one in self.analysis.principals:
            by_account.setdefault(one.principal.account, []).append(one)
        for number, found in sorted(by_account.items()):
            account = self.facts.accounts.get(number)
            yield {
                "id": number,
                "name": account.name if account else "",
                "organizationalUnits": list(account.ou_path) if account else [],
                "management": bool(account and account.management),
                "guardrailsKnown": bool(account and account.scp_levels is not None and account.rcp_levels is not None),
                "roles": sum(one.principal.kind == "role" for one in found),
                "users": sum(one.principal.kind == "user" for one in found),
                **{
                    verdict: sum(getattr(one.counts, verdict) for one in found)
                    for verdict in ("granted", "used", "unused", "undetermined", "masked")
                },
            }

    def _principal(self, one: PrincipalAnalysis) -> Json:
        principal, counts = one.principal, one.counts
        found: Json = {
            "arn": principal.arn,
            "type": principal.kind,
            "account": principal.account,
            "granted": counts.granted,
            "used": counts.used,
            "unused": counts.unused,
            "undetermined": counts.undetermined,
            "masked": counts.masked,
            "reductionPercentage": counts.reduction_percentage,
            "undeterminedBecause": _reasons(one.findings),
            "policiesKnown": one.granted.known,
            "risk": {
                "score": one.risk.score,
                "contributions": [
                    {"name": part.name, "points": part.points, "reason": part.reason} for part in one.risk.contributions
                ],
            },
            "escalations": [escalation_json(way) for way in one.escalations.escalations],
            "potentialEscalations": [escalation_json(way) for way in one.escalations.potential],
            "moreEscalationTargets": dict(sorted(one.escalations.more.items())),
            "trust": None if one.trust is None else [_trusted(entry) for entry in one.trust],
            "owner": one.owner or None,
        }
        if self.actions:
            found["actions"] = dict(sorted(self._actions(one), key=lambda item: item[0].lower()))
        return found

    def _actions(self, one: PrincipalAnalysis) -> Iterator[tuple[str, Json]]:
        """Name -> verdict, also of names that the catalogue does not know."""
        last, seen = last_uses(one.usage), uses(one.usage, self.facts.window.start)
        sources = {name.lower(): found for name, found in seen.items()}
        for finding in one.findings:
            for name in (*catalogue().names_of(finding.bits), *finding.unknown):
                used_at = last.get(name.lower())
                yield (
                    name,
                    {
                        "verdict": finding.verdict.value,
                        "reason": finding.reason,
                        "detail": finding.detail,
                        "lastUsed": _time(used_at) if used_at else None,
                        "sources": sorted({*finding.sources, *sources.get(name.lower(), ())}),
                    },
                )

    def _coverage(self) -> Json:
        states = self.facts.coverage.last_accessed
        return {
            "logs": {
                account: [_log(one) for one in found] for account, found in sorted(self.facts.coverage.logs.items())
            },
            "lastAccessed": {
                "complete": sum(state.state is State.COMPLETE for state in states.values()),
                "unavailable": {
                    arn: state.message for arn, state in sorted(states.items()) if state.state is not State.COMPLETE
                },
            },
            "required": sorted(self.facts.coverage.required),
            "wouldDecide": [
                {
                    "kind": one.remedy.kind,
                    "what": one.remedy.what,
                    "principals": one.principals,
                    "actions": one.actions,
                }
                for one in ranked(one.findings for one in self.analysis.principals)
            ],
        }


def path_json(path: Path) -> Json:
    """One path, as docs/schemas/paths.schema.json describes it."""
    return {"from": path.source, "to": path.target, "hops": [_hop(hop) for hop in path.hops]}


def _hop(hop: Hop) -> Json:
    return {
        "from": hop.source,
        "to": hop.target,
        "basis": hop.basis,
        "conditions": list(hop.conditions),
        "status": hop.status,
        "external": hop.external,
    }


def escalation_json(way: Escalation) -> Json:
    return {
        "id": way.id,
        "kind": way.kind,
        "actions": list(way.actions),
        "via": [
            {"action": via.action, "policy": via.policy, "statement": via.statement, "sid": via.sid} for via in way.via
        ],
        "target": way.target,
        "resources": list(way.resources),
        "conditional": way.conditional,
        "assumes": list(way.assumes),
    }


def _trusted(entry: Trusted) -> Json:
    return {
        "principal": entry.principal,
        "kind": entry.kind,
        "account": entry.account,
        "external": entry.external,
        "conditions": [
            {"operator": operator, "key": key, "values": list(values)} for operator, key, values in entry.conditions
        ],
    }


def _reasons(findings: tuple[Finding, ...]) -> Mapping[str, int]:
    reasons: dict[str, int] = {}
    for finding in findings:
        if finding.verdict.value == "undetermined":
            number = finding.bits.bit_count() + len(finding.unknown)
            reasons[finding.reason] = reasons.get(finding.reason, 0) + number
    return dict(sorted(reasons.items()))


def _log(one: LogCoverage) -> Json:
    return {
        "source": one.source,
        "state": one.state.state.value if one.state else State.COMPLETE.value,
        "reason": one.state.reason if one.state else "",
        "message": one.state.message if one.state else "",
        "regions": None if one.regions is None else list(one.regions),
        "managementReads": one.management.read,
        "managementWrites": one.management.write,
        "excludedSources": sorted(one.management.excluded_sources),
        "dataTypes": sorted(one.data_types),
    }


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
