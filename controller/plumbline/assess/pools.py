"""Roles that are twins: what one of them uses is kept for all, so that a quiet twin does not shrink a busy one. Pure.

A twin's use is no use of the role itself: it keeps an action from being called unused, and makes nothing used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from plumbline.api.baseline import Pool
from plumbline.iam.granted import Granted
from plumbline.model.assessment import Finding, Verdict
from plumbline.model.snapshot import Principal

USED_BY_TWIN = "usedByTwin"


@dataclass(frozen=True, slots=True)
class Member:
    """One role of a baseline, as it was judged by itself."""

    principal: Principal
    granted: Granted
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Used:
    """What the members of one pool use: by member, because nobody is one's own twin."""

    by_member: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)

    def by_others(self, arn: str) -> tuple[int, frozenset[str], list[str]]:
        bits, names, who = 0, frozenset[str](), []
        for other, (own_bits, own_names) in sorted(self.by_member.items()):
            if other != arn and (own_bits or own_names):
                bits, names = bits | own_bits, names | own_names
                who.append(other)
        return bits, names, who


def pooled(members: Iterable[Member], pool: Pool) -> dict[str, tuple[Finding, ...]]:
    """Role ARN -> its findings, with what twins use taken out of the unused."""
    members = list(members)
    used = {m.principal.arn: _used(m.findings) for m in members}
    pools: dict[str, _Used] = {}
    for member in members:
        for key, _ in _keys(member, pool):
            pools.setdefault(key, _Used()).by_member[member.principal.arn] = used[member.principal.arn]
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
    findings = list(member.findings)
    for key, scope in _keys(member, pool):
        bits, names, who = pools[key].by_others(member.principal.arn)
        detail = f"used by {', '.join(who[:3])}" + (f" and {len(who) - 3} more" if len(who) > 3 else "")
        findings = [part for finding in findings for part in _split(finding, bits & scope, names, detail)]
    return tuple(findings)


def _split(finding: Finding, bits: int, names: frozenset[str], detail: str) -> Iterable[Finding]:
    kept, kept_names = finding.bits & bits, finding.unknown & names
    if finding.verdict is not Verdict.UNUSED or not (kept or kept_names):
        return [finding]
    spared = Finding(Verdict.UNDETERMINED, USED_BY_TWIN, kept, kept_names, finding.sources, detail)
    rest = replace(finding, bits=finding.bits ^ kept, unknown=finding.unknown - kept_names)
    return [rest, spared] if rest.bits or rest.unknown else [spared]
