"""Roles that are twins: what one of them uses is kept for all, so that a quiet twin does not shrink a busy one. Pure.

A twin's use is no use of the role itself: it keeps an action from being called unused, and makes nothing used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from plumbline.api.baseline import Pool
from plumbline.iam.granted import Granted
from plumbline.model.assessment import Finding, Verdict
from plumbline.model.snapshot import Principal

USED_BY_TWIN = "usedByTwin"
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Member:
    """One role of a baseline, as it was judged by itself."""

    principal: Principal
    granted: Granted
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Used:
    """What the members of one pool use: by one of them at least, and by two; nobody is one's own twin. `by`: the first
    members that use anything."""

    once: int = 0
    twice: int = 0
    names: Counter[str] = field(default_factory=Counter)
    by: list[str] = field(default_factory=list)

    def add(self, arn: str, bits: int, names: frozenset[str]) -> None:
        self.twice |= self.once & bits
        self.once |= bits
        self.names.update(names)
        if (bits or names) and len(self.by) <= _NAMED:
            self.by.append(arn)

    def by_others(self, arn: str, bits: int, names: frozenset[str]) -> tuple[int, frozenset[str], str]:
        """`bits`, `names`: what the member itself uses. Also in words who the others are."""
        others = [one for one in self.by if one != arn]
        more = " and others" if len(others) > _NAMED else ""
        left = frozenset(name for name, count in self.names.items() if count > (name in names))
        return self.twice | (self.once & ~bits), left, f"used by {', '.join(others[:_NAMED])}{more}"


def pooled(members: Iterable[Member], pool: Pool) -> dict[str, tuple[Finding, ...]]:
    """Role ARN -> its findings, with what twins use taken out of the unused."""
    members = sorted(members, key=lambda member: member.principal.arn)
    pools: dict[str, _Used] = {}
    for member in members:
        bits, names = _used(member.findings)
        for key in {key for key, _ in _keys(member, pool)}:
            pools.setdefault(key, _Used()).add(member.principal.arn, bits, names)
    return {member.principal.arn: _spared(member, pools, pool) for member in members}


def _used(findings: Iterable[Finding]) -> tuple[int, frozenset[str]]:
    bits, names = 0, frozenset[str]()
    for finding in findings:
        if finding.verdict is Verdict.USED:
            bits, names = bits | finding.bits, names | finding.unknown
    return bits, names


def _keys(member: Member, pool: Pool) -> Iterable[tuple[str, int]]:
    """The pools of a role, and for which actions: all, or those of the policy text that it shares. AWS managed policies
    make no twins: they are everybody's."""
    if pool.by == "tag":
        value = member.principal.tags.get(pool.tag)
        if value is not None:
            yield value, -1
        return
    for policy in member.principal.policies:
        if policy.kind != "aws" and policy.document is not None:
            yield policy.document, member.granted.by_policy.get(policy.key, 0)


def _spared(member: Member, pools: Mapping[str, _Used], pool: Pool) -> tuple[Finding, ...]:
    findings, own = list(member.findings), _used(member.findings)
    for key, scope in _keys(member, pool):
        bits, names, detail = pools[key].by_others(member.principal.arn, *own)
        findings = [part for finding in findings for part in _split(finding, bits & scope, names, detail)]
    return tuple(findings)


def _split(finding: Finding, bits: int, names: frozenset[str], detail: str) -> Iterable[Finding]:
    kept, kept_names = finding.bits & bits, finding.unknown & names
    if finding.verdict is not Verdict.UNUSED or not (kept or kept_names):
        return [finding]
    spared = Finding(Verdict.UNDETERMINED, USED_BY_TWIN, kept, kept_names, finding.sources, detail)
    rest = replace(finding, bits=finding.bits ^ kept, unknown=finding.unknown - kept_names)
    return [rest, spared] if rest.bits or rest.unknown else [spared]
