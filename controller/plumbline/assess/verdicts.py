"""The verdict of each granted action: used, unused or undetermined, with reason and sources.

Knows the decision order and nothing of thresholds, plans or how evidence was gathered. The rule behind every line:
no data never means unused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from plumbline.assess.ages import Age, GrantAge
from plumbline.assess.log_reach import LogReach
from plumbline.assess.window import Window
from plumbline.iam.catalogue import Catalogue
from plumbline.iam.granted import Granted
from plumbline.iam.overlay import Overlay
from plumbline.iam.patterns import matches
from plumbline.model.assessment import Finding, Verdict
from plumbline.model.coverage import Coverage, SourceState, State
from plumbline.model.evidence import LastAccessed, PrincipalUsage
from plumbline.model.snapshot import Principal

LAST_ACCESSED = "last-accessed"
GENERATION = "policy-generation"

# Reasons that say that a required source did not deliver: the evidence of the baseline is incomplete.
INCOMPLETE_REASONS = frozenset(
    {"logGap", "logsUnavailable", "lastAccessedUnavailable", "policyUnknown", "scpUnknown", "serviceNotReported"}
)


@dataclass(frozen=True, slots=True)
class Context:
    """What one account's verdicts rest on besides the principal itself."""

    window: Window
    coverage: Coverage
    reach: LogReach
    catalogue: Catalogue
    overlay: Overlay
    remove_rare: bool = False


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
    ) -> None:
        bits &= self.bits
        taken = frozenset(names) & self.names
        if not bits and not taken:
            return
        self.bits ^= bits
        self.names -= taken
        self.findings.append(Finding(verdict, reason, bits, taken, tuple(sorted(sources)), detail))


def verdicts(
    principal: Principal, granted: Granted, usage: PrincipalUsage, ages: Mapping[str, GrantAge], context: Context
) -> tuple[Finding, ...]:
    """Disjoint findings over all granted and masked actions, in the order of decision."""
    remaining = _Open(granted.granted, set(granted.granted_unknown))
    _used(remaining, usage, context)
    if not granted.known:
        remaining.take(
            Verdict.UNDETERMINED, "policyUnknown", remaining.bits, remaining.names, detail=granted.unknown_reason
        )
    _vetoes(remaining, usage, context)
    _incomplete_sources(remaining, principal, usage, context)
    _too_young(remaining, principal, granted, ages, context.window)
    _silent(remaining, usage, context)
    remaining.take(Verdict.UNDETERMINED, "unknownAction", 0, remaining.names)
    remaining.take(Verdict.UNDETERMINED, "noQualifyingSource", remaining.bits)
    if granted.masked or granted.masked_unknown:
        remaining.findings.append(Finding(Verdict.MASKED, "masked", granted.masked, granted.masked_unknown))
    return tuple(remaining.findings)


def uses(usage: PrincipalUsage, since: datetime) -> dict[str, set[str]]:
    """Action -> sources that saw it used at or after `since`; last-accessed dates count, though they also count denied
    attempts, because they can only err towards keeping."""
    seen: dict[str, set[str]] = {}
    for evidence in usage.evidence:
        if evidence.outcome == "used" and evidence.last >= since:
            seen.setdefault(evidence.action, set()).add(evidence.source)
    for service in usage.last_accessed.services.values() if usage.last_accessed else ():
        for tracked in service.actions.values():
            if tracked.last is not None and tracked.last >= since:
                seen.setdefault(tracked.action, set()).add(LAST_ACCESSED)
    if usage.generated is not None and usage.generated.end >= since:
        for action in usage.generated.actions:
            seen.setdefault(action, set()).add(GENERATION)
    return seen


def _used(remaining: _Open, usage: PrincipalUsage, context: Context) -> None:
    by_sources: dict[tuple[str, ...], tuple[int, set[str]]] = {}
    for action, sources in uses(usage, context.window.start).items():
        # A generated policy may name a pattern; everything else is one action.
        bits = context.catalogue.expand(action)
        names = {n for n in remaining.names if matches(n, action) or n.lower() == action.lower()}
        key = tuple(sorted(sources))
        old_bits, old_names = by_sources.get(key, (0, set()))
        by_sources[key] = (old_bits | bits, old_names | names)
    for key, (bits, names) in sorted(by_sources.items()):
        remaining.take(Verdict.USED, "observed", bits, names, sources=key)


def _vetoes(remaining: _Open, usage: PrincipalUsage, context: Context) -> None:
    """What may have been a use: unmapped events, attempts of unknown outcome, dependents of used actions."""
    catalogue, start = context.catalogue, context.window.start
    for event in sorted(usage.unmapped, key=lambda e: (e.event_source, e.event_name)):
        if event.last >= start:
            bits = 0
            for service in event.services:
                bits |= catalogue.service(service)
            prefixes = tuple(f"{service}:" for service in event.services)
            names = {n for n in remaining.names if n.lower().startswith(prefixes)}
            remaining.take(
                Verdict.UNDETERMINED,
                "unmappedEvent",
                bits,
                names,
                detail=f"{event.event_source} {event.event_name} on {event.last:%Y-%m-%d} could be any of these",
            )
    for evidence in usage.evidence:
        if evidence.outcome == "attempted" and evidence.last >= start:
            remaining.take(
                Verdict.UNDETERMINED,
                "attempted",
                catalogue.expand(evidence.action),
                sources=[evidence.source],
                detail=f"called without a known outcome ({', '.join(evidence.codes)}), last on {evidence.last:%Y-%m-%d}",
            )
    dependents = 0
    for finding in remaining.findings:
        if finding.verdict is Verdict.USED:
            for name in catalogue.names_of(finding.bits):
                for dependent in context.overlay.dependent_actions(name):
                    dependents |= catalogue.expand(dependent)
    remaining.take(Verdict.UNDETERMINED, "dependentAction", dependents, detail="may be needed by an action in use")


def _incomplete_sources(remaining: _Open, principal: Principal, usage: PrincipalUsage, context: Context) -> None:
    required = context.coverage.required
    if LAST_ACCESSED in required:
        state = context.coverage.last_accessed.get(principal.arn)
        if usage.last_accessed is None or state is None or state.state is not State.COMPLETE:
            _take_state(remaining, "lastAccessedUnavailable", remaining.bits, state, LAST_ACCESSED)
        else:
            missing = _services_missing(remaining, usage.last_accessed, context.catalogue)
            remaining.take(
                Verdict.UNDETERMINED,
                "serviceNotReported",
                missing,
                sources=[LAST_ACCESSED],
                detail="last-accessed data does not list the service",
            )
    if GENERATION in required and principal.arn in context.coverage.generation:
        state = context.coverage.generation[principal.arn]
        if state.state is not State.COMPLETE:
            _take_state(remaining, "policyGenerationIncomplete", remaining.bits, state, GENERATION)
    for reason, bits, source, detail in context.reach.incomplete:
        remaining.take(Verdict.UNDETERMINED, reason, bits, sources=[source], detail=detail)


def _take_state(remaining: _Open, reason: str, bits: int, state: SourceState | None, source: str) -> None:
    detail = f"{state.reason}: {state.message}" if state else "never collected for this role"
    remaining.take(Verdict.UNDETERMINED, reason, bits, sources=[source], detail=detail)


def _services_missing(remaining: _Open, answer: LastAccessed, catalogue: Catalogue) -> int:
    reported = 0
    for namespace in answer.services:
        reported |= catalogue.service(namespace)
    return remaining.bits & ~reported


def _too_young(
    remaining: _Open, principal: Principal, granted: Granted, ages: Mapping[str, GrantAge], window: Window
) -> None:
    if principal.created_at > window.start:
        remaining.take(
            Verdict.UNDETERMINED,
            "roleYoungerThanLookback",
            remaining.bits,
            detail=f"created on {principal.created_at:%Y-%m-%d}",
        )
    by_age: dict[Age, int] = dict.fromkeys(Age, 0)
    dates: dict[Age, list[datetime]] = {age: [] for age in Age}
    for key, bits in granted.by_policy.items():
        grant = ages.get(key, GrantAge(Age.UNKNOWN))
        by_age[grant.age] |= bits
        if grant.at is not None:
            dates[grant.age].append(grant.at)
    # One old grant of an action is enough: the action could have been used for the whole lookback.
    young = by_age[Age.YOUNG] & ~by_age[Age.OLD]
    unknown = by_age[Age.UNKNOWN] & ~by_age[Age.OLD] & ~by_age[Age.YOUNG]
    since = f"changed on {max(dates[Age.YOUNG]):%Y-%m-%d}" if dates[Age.YOUNG] else ""
    remaining.take(Verdict.UNDETERMINED, "grantYoungerThanLookback", young, detail=since)
    known_on = ""
    if dates[Age.UNKNOWN]:
        lookback = window.end - window.start
        known_on = f"known from {max(dates[Age.UNKNOWN]) + lookback + (window.end - window.end):%Y-%m-%d} on"
    remaining.take(Verdict.UNDETERMINED, "grantAgeUnknown", unknown, detail=known_on)


def _silent(remaining: _Open, usage: PrincipalUsage, context: Context) -> None:
    """What a qualifying source could have seen and did not. Older use keeps it undetermined, unless rare use goes."""
    start = context.window.start
    older = _older_uses(usage, remaining.bits, context)
    qualified: dict[str, int] = dict(context.reach.complete)
    if usage.last_accessed is not None:
        qualified[LAST_ACCESSED] = _silent_by_last_accessed(usage.last_accessed, start, context)
    by_sources: dict[tuple[str, ...], int] = {}
    everywhere = 0
    for bits in qualified.values():
        everywhere |= bits
    for seen, (bits, detail) in older.items():
        if not context.remove_rare:
            remaining.take(Verdict.UNDETERMINED, "usedBeforeLookback", bits & everywhere, sources=[seen], detail=detail)
    left = remaining.bits & everywhere
    for source, bits in sorted(qualified.items()):
        for sources, taken in list(by_sources.items()):
            both = taken & bits
            if both:
                by_sources[sources] ^= both
                by_sources[(*sources, source)] = both
        fresh = left & bits
        left ^= fresh
        if fresh:
            by_sources[(source,)] = by_sources.get((source,), 0) | fresh
    for sources, bits in sorted(by_sources.items()):
        remaining.take(Verdict.UNUSED, "silent", bits, sources=sources)


def _older_uses(usage: PrincipalUsage, bits: int, context: Context) -> dict[str, tuple[int, str]]:
    """Source -> (actions last used before the lookback but within memory, detail). A service-level date stands for all
    actions of the service that are not tracked by themselves."""
    window, catalogue = context.window, context.catalogue
    result: dict[str, tuple[int, str]] = {}

    def add(source: str, action_bits: int, last: datetime) -> None:
        if window.memory <= last < window.start and action_bits & bits:
            old_bits, old_detail = result.get(source, (0, ""))
            detail = max(old_detail, f"last on {last:%Y-%m-%d}")
            result[source] = (old_bits | action_bits, detail)

    for evidence in usage.evidence:
        if evidence.outcome != "denied":
            add(evidence.source, catalogue.expand(evidence.action), evidence.last)
    for service in usage.last_accessed.services.values() if usage.last_accessed else ():
        tracked = 0
        for action in service.actions.values():
            action_bits = catalogue.expand(action.action)
            tracked |= action_bits
            if action.last is not None:
                add(LAST_ACCESSED, action_bits, action.last)
        if service.last is not None:
            add(LAST_ACCESSED, catalogue.service(service.namespace) & ~tracked, service.last)
    return result


def _silent_by_last_accessed(answer: LastAccessed, start: datetime, context: Context) -> int:
    """Actions that last-accessed data proves silent: tracked ones without a time or an older one, and all actions with
    an API event of a service that was never attempted.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
    """
    catalogue = context.catalogue
    silent = 0
    for service in answer.services.values():
        tracked = 0
        for action in service.actions.values():
            bits = catalogue.expand(action.action)
            if bits.bit_count() == 1:
                tracked |= bits
                if action.last is None or action.last < start:
                    silent |= bits
        if service.last is None:
            silent |= catalogue.service(service.namespace) & context.reach.has_event & ~tracked
    return silent
