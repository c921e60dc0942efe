"""Which list of findings speaks for a principal, and which of its findings are about it. Pure.

Each list is gone through once, however many principals there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from plumbline.model.analyzers import Analyzer, Finding, FindingList
from plumbline.model.snapshot import Principal

_ByResource = Mapping[str, Sequence[Finding]]


@dataclass(frozen=True, slots=True)
class Looking:
    """The findings of one analyzer by the ARN of what they are about; `seen`: of how many resources there are any."""

    listed: FindingList
    active: _ByResource
    archived: _ByResource
    seen: int

    @property
    def analyzer(self) -> Analyzer:
        return self.listed.analyzer

    def own(self, principal: Principal) -> list[Finding]:
        return _of_present(self.active, principal)

    def own_archived(self, principal: Principal) -> list[Finding]:
        return [finding for finding in _of_present(self.archived, principal) if not finding.error]


def looking_at(lists: Iterable[FindingList], accounts: Iterable[str]) -> dict[str, Looking]:
    """Account -> the first list whose analyzer looks at its principals."""
    every = [_looking(one) for one in lists]
    found = {
        account: next((one for one in every if _looks_at(one.analyzer, account)), None) for account in set(accounts)
    }
    return {account: one for account, one in found.items() if one is not None}


def _looking(one: FindingList) -> Looking:
    active, archived = _by_resource(one.findings), _by_resource(one.archived)
    return Looking(one, active, archived, len(active.keys() | archived.keys()))


def _by_resource(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.resource, []).append(finding)
    return found


def _looks_at(analyzer: Analyzer, account: str) -> bool:
    if not analyzer.type.endswith("UNUSED_ACCESS") or analyzer.age is None or analyzer.tags_excluded:
        return False
    if analyzer.type.startswith("ORGANIZATION"):
        return account not in analyzer.excluded
    return account == analyzer.account


def _of_present(findings: _ByResource, principal: Principal) -> list[Finding]:
    """A finding from before its creation is about a former principal of the same name."""
    return [f for f in findings.get(principal.arn, ()) if f.analyzed_at >= principal.created_at]
