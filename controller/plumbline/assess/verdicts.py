"""The verdict of each granted action: used, unused or undetermined, with reason and sources.

Knows the decision order and nothing of thresholds, plans or how evidence was gathered. The rule behind every line:
no data never means unused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from plumbline.assess.ages import Age, GrantAge
from plumbline.assess.log_reach import LogReach, classes, log_reach
from plumbline.assess.silence import (
    GENERATION,
    LAST_ACCESSED,
    TRACKING_PERIOD,
    UNUSED_ACCESS,
    attempted_after_all,
    by_sources,
    called_unused,
    collected,
    dated_services,
    older_uses,
    reaches_back,
    silent_by_last_accessed,
    too_early,
)
from plumbline.assess.window import Window
from plumbline.iam.catalogue import Catalogue, catalogue
from plumbline.iam.granted import Granted, policy_planes
from plumbline.iam.overlay import Overlay, overlay
from plumbline.iam.patterns import overlaps
from plumbline.model.assessment import Finding, Verdict
from plumbline.model.coverage import AskedAbout, Coverage, SourceState, State
from plumbline.model.evidence import LastAccessed, PrincipalUsage
from plumbline.model.snapshot import Principal

# Reasons that say that a required source did not deliver: the evidence of the baseline is incomplete.
INCOMPLETE_REASONS = frozenset(
    {
        "logGap",
        "logsUnavailable",
        "lastAccessedUnavailable",
        "policyGenerationIncomplete",
        "policyUnknown",
        "serviceNotReported",
    }
)
RARE_USE = "usedBeforeLookback"


@dataclass(frozen=True, slots=True)
class Context:
    """What one account's verdicts rest on besides the principal itself. `required`: the names of the sources without which
    nothing is called unused."""

    window: Window
    required: frozenset[str]
    reach: LogReach
    catalogue: Catalogue
    overlay: Overlay
    remove_rare: bool = False

    @classmethod
    def of(
        cls,
        account: str,
        coverage: Coverage,
        log_sources: Iterable[str],
        window: Window,
        partition: str,
        *,
        remove_rare: bool = False,
    ) -> Context:
        """That of one account. `log_sources`: the names of the event logs that are configured for it."""
        known, seen = catalogue(), overlay()
        reach = log_reach(account, coverage, log_sources, window, classes(known, seen), partition)
        return cls(window, coverage.required, reach, known, seen, remove_rare)

    @property
    def iam_logs_complete(self) -> bool:
        """Whether the logs prove that no IAM write of the account in the lookback was missed."""
        attach = self.catalogue.expand("iam:AttachRolePolicy")
        return any(bits & attach for bits in self.reach.complete.values())


@dataclass(slots=True)
class _Open:
    """The granted actions without a verdict yet, and the findings so far. Each action is taken exactly once."""

    bits: int
    names: set[str]
    findings: list[Finding] = field(default_factory=list)

    def take(
        self,
        verdict: Verdict,
        reason: str,
        bits: int,
        names: Iterable[str] = (),
        *,
        sources: Iterable[str] = (),
        detail: str = "",
        remedy: str = "",
    ) -> None:
        bits &= self.bits
        taken = frozenset(names) & self.names
        if not bits and not taken:
            return
        self.bits ^= bits
        self.names -= taken
        self.findings.append(Finding(verdict, reason, bits, taken, tuple(sorted(sources)), detail, remedy))


def verdicts(
    principal: Principal,
    granted: Granted,
    usage: PrincipalUsage,
    ages: Mapping[str, GrantAge],
    asked: AskedAbout,
    context: Context,
) -> tuple[Finding, ...]:
    """Disjoint findings over all granted and masked actions, in the order of decision.

    Where the policies are not wholly known there is a finding `policyUnknown` even if it holds no action: what cannot
    be read may grant anything.
    """
    remaining = _Open(granted.granted, set(granted.granted_unknown))
    _used(remaining, usage, context)
    if not granted.known:
        remaining.findings.append(_rest(remaining, "policyUnknown", granted.unknown_reason))
    _incomplete_sources(remaining, usage, asked, context)
    _too_young(remaining, principal, granted, ages, context.window)
    _vetoes(remaining, usage, context)
    _silent(remaining, usage, context)
    remaining.take(Verdict.UNDETERMINED, "unknownAction", 0, remaining.names)
    remaining.take(Verdict.UNDETERMINED, "noQualifyingSource", remaining.bits)
    if granted.masked or granted.masked_unknown:
        remaining.findings.append(Finding(Verdict.MASKED, "masked", granted.masked, granted.masked_unknown))
    return tuple(remaining.findings)


def _rest(remaining: _Open, reason: str, detail: str) -> Finding:
    finding = Finding(Verdict.UNDETERMINED, reason, remaining.bits, frozenset(remaining.names), detail=detail)
    remaining.bits, remaining.names = 0, set()
    return finding


def uses(usage: PrincipalUsage, since: datetime) -> dict[str, set[str]]:
    """Action -> sources that saw it used at or after `since`; last-accessed dates count, those of findings too, though they
    also count denied attempts, because they can only err towards keeping."""
    seen: dict[str, set[str]] = {}
    for evidence in usage.evidence:
        if evidence.outcome == "used" and evidence.last >= since:
            seen.setdefault(evidence.action, set()).add(evidence.source)
    for source, service in dated_services(usage):
        for tracked in service.actions.values():
            if tracked.last is not None and tracked.last >= since:
                seen.setdefault(tracked.action, set()).add(source)
    if usage.generated is not None and usage.generated.end >= since:
        for action in usage.generated.actions:
            seen.setdefault(action, set()).add(GENERATION)
    return seen


def _used(remaining: _Open, usage: PrincipalUsage, context: Context) -> None:
    found: dict[tuple[str, ...], tuple[int, set[str]]] = {}
    # An action is found by all that saw it, in whichever spelling.
    sources_of: dict[str, set[str]] = {}
    for action, sources in uses(usage, context.window.start).items():
        sources_of.setdefault(action.lower(), set()).update(sources)
    for action, sources in sources_of.items():
        # A generated policy may name a pattern; everything else is one action.
        bits = context.catalogue.expand(action)
        names = {name for name in remaining.names if overlaps(name, action)}
        key = tuple(sorted(sources))
        old_bits, old_names = found.get(key, (0, set()))
        found[key] = (old_bits | bits, old_names | names)
    for key, (bits, names) in sorted(found.items()):
        remaining.take(Verdict.USED, "observed", bits, names, sources=key)


def _incomplete_sources(remaining: _Open, usage: PrincipalUsage, asked: AskedAbout, context: Context) -> None:
    if LAST_ACCESSED in context.required:
        answer, state = usage.last_accessed, asked.last_accessed
        if answer is None or state is None or state.state is not State.COMPLETE:
            _take_state(remaining, "lastAccessedUnavailable", state, LAST_ACCESSED)
        elif too_early(answer, context.window):
            _take_all(remaining, "lastAccessedUnavailable", LAST_ACCESSED, _stale(answer))
        elif not reaches_back(answer, context.window):
            _take_all(remaining, "lastAccessedUnavailable", LAST_ACCESSED, _TOO_LONG, _SHORTER)
        else:
            remaining.take(
                Verdict.UNDETERMINED,
                "serviceNotReported",
                _services_missing(remaining, answer, context.catalogue),
                sources=[LAST_ACCESSED],
                detail="last-accessed data does not list the service",
            )
    generation = asked.generation
    if GENERATION in context.required and generation is not None and generation.state is not State.COMPLETE:
        _take_state(remaining, "policyGenerationIncomplete", generation, GENERATION)
    for one in context.reach.incomplete:
        remaining.take(
            Verdict.UNDETERMINED, one.reason, one.bits, sources=[one.source], detail=one.detail, remedy=one.remedy
        )


_TOO_LONG = f"it tells of the last {TRACKING_PERIOD.days} days, and the lookback is longer"
_SHORTER = "set a shorter lookback, or required: false of lastAccessed to leave it to the logs"


def _stale(answer: LastAccessed) -> str:
    return f"{collected(answer)}; refreshInterval may be at most 24h"


def _take_state(remaining: _Open, reason: str, state: SourceState | None, source: str) -> None:
    detail = f"{state.reason}: {state.message}" if state else "never collected for this role"
    _take_all(remaining, reason, source, detail, state.remedy if state else "")


def _take_all(remaining: _Open, reason: str, source: str, detail: str, remedy: str = "") -> None:
    remaining.take(Verdict.UNDETERMINED, reason, remaining.bits, sources=[source], detail=detail, remedy=remedy)


def _services_missing(remaining: _Open, answer: LastAccessed, catalogue: Catalogue) -> int:
    reported = 0
    for namespace in answer.services:
        reported |= catalogue.service(namespace)
    return remaining.bits & ~reported


def _too_young(
    remaining: _Open, principal: Principal, granted: Granted, ages: Mapping[str, GrantAge], window: Window
) -> None:
    if principal.created_at > window.start:
        detail = f"created on {principal.created_at:%Y-%m-%d}, {_decided(principal.created_at, window)}"
        remaining.take(Verdict.UNDETERMINED, "roleYoungerThanLookback", remaining.bits, detail=detail)
    # A younger grant beside an old one is no matter if the old one allows the action everywhere and always: then the
    # action could have been used for the whole lookback. Otherwise the younger one may be for what is still to come.
    everywhere = 0
    for policy in principal.policies:
        if policy.key in granted.by_policy and _age_of(policy.key, ages).age is Age.OLD and policy.document is not None:
            everywhere |= policy_planes(policy.document).allow_all
    grants = [(_age_of(key, ages), bits & ~everywhere) for key, bits in sorted(granted.by_policy.items())]
    for age, reason, what in (
        (Age.YOUNG, "grantYoungerThanLookback", "changed on"),
        (Age.UNKNOWN, "grantAgeUnknown", "seen since"),
    ):
        # The latest first: an action that several grants allow is decided when the last of them is old.
        found = sorted((g for g in grants if g[0].age is age), key=lambda g: g[0].at or _NEVER, reverse=True)
        for grant, bits in found:
            detail = f"{what} {grant.at:%Y-%m-%d}, {_decided(grant.at, window)}" if grant.at else ""
            remaining.take(Verdict.UNDETERMINED, reason, bits, detail=detail)


_NEVER = datetime.max.replace(tzinfo=UTC)


def _age_of(key: str, ages: Mapping[str, GrantAge]) -> GrantAge:
    return ages.get(key, GrantAge(Age.UNKNOWN))


def _decided(since: datetime, window: Window) -> str:
    return f"known from {window.decided_from(since):%Y-%m-%d} on"


def _vetoes(remaining: _Open, usage: PrincipalUsage, context: Context) -> None:
    """What may have been a use: unmapped events, attempts of unknown outcome, dependents of used actions."""
    catalogue, start = context.catalogue, context.window.start
    # The yearly job may show in nothing but an event that nobody can name.
    since = start if context.remove_rare else context.window.memory
    for event in sorted(usage.unmapped, key=lambda e: (e.event_source, e.event_name, e.last)):
        if event.last >= since:
            bits = 0
            for service in event.services:
                bits |= catalogue.service(service)
            remaining.take(
                Verdict.UNDETERMINED,
                "unmappedEvent",
                bits,
                detail=f"{event.event_source} {event.event_name} on {event.last:%Y-%m-%d} could be any of these",
            )
    for evidence in sorted(usage.evidence, key=lambda e: (e.action, e.source, e.last)):
        if evidence.outcome == "attempted" and evidence.last >= start:
            remaining.take(
                Verdict.UNDETERMINED,
                "attempted",
                catalogue.expand(evidence.action),
                sources=[evidence.source],
                detail=f"called without a known outcome ({', '.join(evidence.codes)}), last on {evidence.last:%Y-%m-%d}",
            )
    needed = _dependents(usage, since, context)
    remaining.take(
        Verdict.UNDETERMINED, "dependentAction", needed, detail="may be needed by an action that is in use or was"
    )


def _dependents(usage: PrincipalUsage, since: datetime, context: Context) -> int:
    """What the actions that are used, or may be, need besides themselves and without an event of its own."""
    attempted = (e.action for e in usage.evidence if e.outcome == "attempted" and e.last >= since)
    bits = 0
    for action in {*uses(usage, since), *attempted}:
        for name in context.catalogue.names_of(context.catalogue.expand(action)):
            bits |= context.catalogue.bits_of(context.overlay.dependent_actions(name))
    return bits


def _silent(remaining: _Open, usage: PrincipalUsage, context: Context) -> None:
    """What a qualifying source could have seen and did not. Older use keeps it undetermined, unless rare use goes."""
    older = older_uses(usage, context.window, context.catalogue)
    if not context.remove_rare:
        for use in older:
            remaining.take(Verdict.UNDETERMINED, RARE_USE, use.bits, sources=[use.source], detail=use.detail)
    qualified = dict(context.reach.complete)
    if usage.last_accessed is not None:
        has_event = context.reach.has_event
        attempted = attempted_after_all(usage.unused_access, context.window)
        qualified[LAST_ACCESSED] = silent_by_last_accessed(
            usage.last_accessed, context.window, context.catalogue, has_event, attempted
        )
    corroborated = called_unused(usage.unused_access, context.window, context.catalogue) if usage.unused_access else 0
    for proving, proven in by_sources(qualified, remaining.bits):
        for sources, bits in (((*proving, UNUSED_ACCESS), proven & corroborated), (proving, proven & ~corroborated)):
            for use in older:
                remaining.take(Verdict.UNUSED, RARE_USE, bits & use.bits, sources=sources, detail=use.detail)
            remaining.take(Verdict.UNUSED, "silent", bits, sources=sources)
