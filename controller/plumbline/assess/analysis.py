"""Every principal of all accounts at once: verdicts, trust, ways to gain privileges, paths, and risk. Pure.

Knows facts, wherever they come from. Must not know files, baselines or how results are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from itertools import count as count_from
from typing import NamedTuple

from plumbline.api.baseline import Pool
from plumbline.api.risk import Weights
from plumbline.api.routing import Routing
from plumbline.assess.ages import grant_ages
from plumbline.assess.assess import count
from plumbline.assess.blast_radius import BlastRadius
from plumbline.assess.concerned import Concerned
from plumbline.assess.escalation import Escalations, escalations
from plumbline.assess.escalation_ways import Way, known_ways
from plumbline.assess.exposure import Exposure
from plumbline.assess.guardrails import granted_in
from plumbline.assess.owners import Owners
from plumbline.assess.pools import Member, pooled
from plumbline.assess.reach import Hop, Path, hops, paths
from plumbline.assess.recall import Parted, Recalled, Traced
from plumbline.assess.risk import Risk
from plumbline.assess.scored import scored
from plumbline.assess.seen import Remembered, Seen, Sight
from plumbline.assess.trust import Trusted, trusted
from plumbline.assess.unseen import Unseen, unseen
from plumbline.assess.verdicts import Context, verdicts
from plumbline.assess.window import Window
from plumbline.garbage import uncollected
from plumbline.iam.granted import Granted
from plumbline.model.assessment import Counts, Finding
from plumbline.model.coverage import AskedAbout, Coverage
from plumbline.model.evidence import GrantChange, PrincipalUsage
from plumbline.model.pod_identity import PodIdentity
from plumbline.model.snapshot import Account, Group, Principal

_NO_ESCALATIONS = Escalations()
_NO_USAGE = PrincipalUsage()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a principal is judged by. `remove_rare`: what was last used before the lookback is unused."""

    window: Window
    remove_rare: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """`accounts`: with SCPs and RCPs, as far as they are in the data. `log_sources`: account -> names of its event logs.
    `changes`: account -> IAM writes seen in its logs. `first_seen`: principal -> policy key -> since when snapshots saw it;
    `watched_since`: account -> the first of them. `terms`: principal -> its own, where `window` is not for it.
    `pools`: among which principals the use of one is kept for its twins. `pod_identity`: by account; of one that is not
    there, nobody asked. `groups`: by ARN. `ways`: to gain privileges. `routing`: whose principals are; `own_routing`:
    principal -> what is asked before it."""

    principals: Mapping[str, Principal]
    accounts: Mapping[str, Account]
    usage: Mapping[str, PrincipalUsage]
    coverage: Coverage
    window: Window
    log_sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    changes: Mapping[str, Sequence[GrantChange]] = field(default_factory=dict)
    first_seen: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)
    watched_since: Mapping[str, datetime] = field(default_factory=dict)
    terms: Mapping[str, Terms] = field(default_factory=dict)
    pools: Sequence[tuple[Pool, Sequence[str]]] = ()
    pod_identity: Mapping[str, PodIdentity] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    ways: tuple[Way, ...] = field(default_factory=known_ways)
    routing: Routing = field(default_factory=Routing)
    own_routing: Mapping[str, Routing] = field(default_factory=dict)

    @property
    def owners(self) -> Owners:
        return Owners(self.principals, self.accounts, self.routing, self.own_routing)

    def terms_of(self, arn: str) -> Terms:
        return self.terms.get(arn) or Terms(self.window)


@dataclass(frozen=True, slots=True)
class Judged:
    """One principal with its verdicts. `findings` are disjoint and together all granted and masked actions."""

    principal: Principal
    granted: Granted
    usage: PrincipalUsage
    findings: tuple[Finding, ...]
    counts: Counts


@dataclass(frozen=True, slots=True)
class PrincipalAnalysis(Judged):
    """`owner`: empty where nobody is known. `trust` None: it could not be read. `exposure` None: it is no role that is assumed, or a service-linked one; those
    have no blast radius either."""

    owner: str
    escalations: Escalations
    trust: tuple[Trusted, ...] | None
    exposure: Exposure | None
    blast_radius: BlastRadius | None
    risk: Risk


@dataclass(frozen=True)
class Analysis:
    """`principals` sorted by ARN."""

    principals: tuple[PrincipalAnalysis, ...]
    hops: tuple[Hop, ...]

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """One shortest for each pair. Of large organizations there are many, so they are made when somebody asks."""
        return tuple(paths(self.hops))


class Memory:
    """What the last analysis of a landscape found, and on what it rested."""

    def __init__(self) -> None:
        self.sight = Sight()
        self.beyond = Recalled[Mapping[str, Unseen]]()  # account -> principal -> what it may assume unseen
        self.hops = Parted[tuple[Hop, ...]]()  # role -> those into it
        self.ways = Recalled[Mapping[str, Escalations]]()  # account -> principal -> its own
        self.access = Parted[Granted]()
        self.contexts = Recalled[Context]()
        self.findings = Parted[tuple[Finding, ...]]()
        self.exposures = Traced[Exposure]()
        self.radii = Traced[BlastRadius]()
        self.pools = Recalled[Mapping[str, tuple[Finding, ...]]]()
        self.analysed = Parted[PrincipalAnalysis]()

    def forget(self) -> None:
        """What the last analysis did not ask for."""
        for one in vars(self).values():
            one.forget()


def analyse(
    facts: Facts,
    weights: Weights | None = None,
    *,
    memory: Memory | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Analysis:
    """The analysis of all principals. `memory`: of earlier analyses of the same landscape; what they found is found anew
    only where that on which it rests has changed. `progress`: is told what is being looked for, and how far that is."""
    with uncollected():
        memory = memory or Memory()
        found = _analysis(facts, weights or Weights(), memory, progress)
        memory.forget()
        return found


def _analysis(facts: Facts, weights: Weights, memory: Memory, progress: Callable[[str], None]) -> Analysis:
    principals, accounts = facts.principals, facts.accounts
    total = f"{len(principals):,} roles and users"

    def told(what: str, done: int) -> None:
        progress(f"analysing: {what} of {done:,} of {total}")

    progress(f"analysing: paths between {total}")
    seen = Seen(principals, accounts, memory.sight)
    beyond = unseen(principals, accounts, remembered=Remembered(seen, memory.beyond))
    into = Remembered(seen, memory.hops)
    found = tuple(hops(principals, accounts, facts.pod_identity, beyond=beyond, remembered=into))
    ways = escalations(
        principals,
        accounts,
        groups=facts.groups,
        ways=facts.ways,
        hops=found,
        remembered=Remembered(seen, memory.ways),
        judged=partial(told, "ways to gain privileges"),
    )
    access = _access(facts, seen, memory.access)
    progress(f"analysing: exposure and blast radius of {total}")
    concerned = Concerned(seen, accounts, facts.pod_identity, found)
    reaching = concerned.exposures(memory.exposures)
    reached = concerned.blast_radii(access, beyond, memory.radii)
    every = _all_findings(facts, seen, access, memory, partial(told, "verdicts"))
    known, owners = frozenset(seen.guards), facts.owners

    def find(one: _Found) -> PrincipalAnalysis:
        return _principal_analysis(one, owners.of(one.principal.arn), trusted(one.principal, known), weights)

    analysed: list[PrincipalAnalysis] = []
    everywhere = seen.same("analysed", (known, facts.routing, weights))
    for account, given in seen.given.items():
        around = everywhere, seen.guards[account]
        bases = {
            arn: _Found(
                principal,
                access[arn],
                facts.usage.get(arn, _NO_USAGE),
                every[arn],
                ways.get(arn, _NO_ESCALATIONS),
                reaching.get(arn),
                reached.get(arn),
                (facts.own_routing.get(arn), around),
            )
            for arn, principal in given.items()
        }
        analysed += memory.analysed.of(account, bases, find).values()
    return Analysis(tuple(sorted(analysed, key=lambda one: one.principal.arn)), found)


def _access(facts: Facts, seen: Seen, recalled: Parted[Granted]) -> Mapping[str, Granted]:
    def find(basis: tuple[Principal, object]) -> Granted:
        principal, _ = basis
        return granted_in(principal, facts.accounts.get(principal.account))

    found: dict[str, Granted] = {}
    for account, principals in seen.principals.items():
        guard = seen.guards[account]
        found |= recalled.of(account, {arn: (one, guard) for arn, one in principals.items()}, find)
    return found


def _all_findings(
    facts: Facts, seen: Seen, access: Mapping[str, Granted], memory: Memory, judged: Callable[[int], None]
) -> Mapping[str, tuple[Finding, ...]]:
    contexts: dict[tuple[str, Terms | None], Context] = {}
    found: dict[str, tuple[Finding, ...]] = {}
    numbers = count_from(1)

    def context(principal: Principal) -> Context:
        kept = principal.account, facts.terms.get(principal.arn)
        if kept not in contexts:
            made = _context(facts, principal)
            contexts[kept] = memory.contexts.of(kept, made, lambda: made)
        return contexts[kept]

    def find(given: _Given) -> tuple[Finding, ...]:
        findings = _findings(given)
        judged(next(numbers))
        return findings

    for account, principals in seen.given.items():
        given = {arn: _given(facts, one, access[arn], context(one)) for arn, one in principals.items()}
        found |= memory.findings.of(account, given, find)
    for number, (pool, arns) in enumerate(facts.pools):
        members = [Member(facts.principals[arn], access[arn], found[arn]) for arn in arns]
        found |= memory.pools.of(number, (pool, members), partial(pooled, members, pool))
    return found


def analyse_one(facts: Facts, arn: str) -> Judged:
    """The verdicts of one principal, without what others have to do with it."""
    principal = facts.principals[arn]
    access = granted_in(principal, facts.accounts.get(principal.account))
    given = _given(facts, principal, access, _context(facts, principal))
    findings = _findings(given)
    return Judged(principal, access, given.usage, findings, count(findings))


def _context(facts: Facts, principal: Principal) -> Context:
    partition = principal.arn.split(":")[1]
    sources = facts.log_sources.get(principal.account, ())
    terms = facts.terms_of(principal.arn)
    return Context.of(
        principal.account, facts.coverage, sources, terms.window, partition, remove_rare=terms.remove_rare
    )


class _Given(NamedTuple):
    """All on which the findings of one principal rest."""

    principal: Principal
    access: Granted
    usage: PrincipalUsage
    asked: AskedAbout
    first_seen: Mapping[str, datetime]
    changes: Sequence[GrantChange]
    watched_since: datetime | None
    context: Context


def _given(facts: Facts, principal: Principal, access: Granted, context: Context) -> _Given:
    arn, account = principal.arn, principal.account
    return _Given(
        principal,
        access,
        facts.usage.get(arn, _NO_USAGE),
        facts.coverage.about(arn),
        facts.first_seen.get(arn, {}),
        facts.changes.get(account, ()),
        facts.watched_since.get(account),
        context,
    )


def _findings(given: _Given) -> tuple[Finding, ...]:
    ages = grant_ages(
        given.principal,
        given.first_seen,
        given.changes,
        given.context.window,
        iam_logs_complete=given.context.iam_logs_complete,
        watched_since=given.watched_since,
    )
    return verdicts(given.principal, given.access, given.usage, ages, given.asked, given.context)


class _Found(NamedTuple):
    """All on which the analysis of one principal rests; `around`: what decides whose it is, and what is not of it alone."""

    principal: Principal
    granted: Granted
    usage: PrincipalUsage
    findings: tuple[Finding, ...]
    escalations: Escalations
    exposure: Exposure | None
    blast_radius: BlastRadius | None
    around: object


def _principal_analysis(
    found: _Found, owner: str, trust: tuple[Trusted, ...] | None, weights: Weights
) -> PrincipalAnalysis:
    counts = count(found.findings)
    return PrincipalAnalysis(
        principal=found.principal,
        granted=found.granted,
        usage=found.usage,
        findings=found.findings,
        counts=counts,
        owner=owner,
        escalations=found.escalations,
        trust=trust,
        exposure=found.exposure,
        blast_radius=found.blast_radius,
        risk=scored(
            found.granted,
            found.findings,
            counts,
            found.escalations,
            found.exposure,
            found.blast_radius,
            weights,
        ),
    )
