"""What silence and dates say: which sources prove an action unused, which were used long ago, and when each was used last.

Knows evidence and its times. Gives no verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from plumbline.assess.window import Window
from plumbline.iam.catalogue import Catalogue
from plumbline.model.evidence import LastAccessed, PrincipalUsage, ServiceAccess, UnusedAccess

LAST_ACCESSED = "last-accessed"
UNUSED_ACCESS = "unused-access"
GENERATION = "policy-generation"
# How far back last-accessed data reaches for certain, and since when IAM has tracked the actions of all services that it
# tracks. https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html (tracking period)
TRACKING_PERIOD = timedelta(days=400)
# Within this time of an attempt it is told.
TOLD_WITHIN = timedelta(hours=4)
_ACTIONS_TRACKED = datetime(2023, 5, 23, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OlderUse:
    """Actions that were used, or may have been, last on one day before the lookback and within memory."""

    source: str
    bits: int
    detail: str


def older_uses(usage: PrincipalUsage, window: Window, catalogue: Catalogue) -> list[OlderUse]:
    """The latest day first. A service-level date stands for all actions of the service that are not tracked by
    themselves."""
    found: dict[tuple[str, str], int] = {}

    def add(source: str, bits: int, last: datetime | None) -> None:
        if last is not None and window.memory <= last < window.start:
            key = (f"{last:%Y-%m-%d}", source)
            found[key] = found.get(key, 0) | bits

    for evidence in usage.evidence:
        if evidence.outcome != "denied":
            add(evidence.source, catalogue.expand(evidence.action), evidence.last)
    for source, service in dated_services(usage):
        tracked = 0
        for action in service.actions.values():
            tracked |= catalogue.expand(action.action)
            add(source, catalogue.expand(action.action), action.last)
        add(source, catalogue.service(service.namespace) & ~tracked, service.last)
    return [OlderUse(source, bits, f"last on {day}") for (day, source), bits in sorted(found.items(), reverse=True)]


def dated_services(usage: PrincipalUsage) -> Iterator[tuple[str, ServiceAccess]]:
    """What IAM tells of services and actions with a time, by source. Archived findings too: that somebody does not want to see
    what is unused makes no access undone."""
    if usage.last_accessed is not None:
        yield from ((LAST_ACCESSED, service) for service in usage.last_accessed.services.values())
    if usage.unused_access is not None:
        yield from ((UNUSED_ACCESS, service) for service in _found(usage.unused_access))


def last_uses(usage: PrincipalUsage) -> dict[str, datetime]:
    """Action in lower case, because sources spell it as they like -> when it was last used by what any of them says, or
    tried by what IAM says."""
    found: dict[str, datetime] = {}

    def add(action: str, last: datetime) -> None:
        name = action.lower()
        found[name] = max(last, found.get(name, last))

    for evidence in usage.evidence:
        if evidence.outcome == "used":
            add(evidence.action, evidence.last)
    for _, service in dated_services(usage):
        for tracked in service.actions.values():
            if tracked.last is not None:
                add(tracked.action, tracked.last)
    return found


def _found(said: UnusedAccess) -> Iterator[ServiceAccess]:
    yield from said.services.values()
    yield from said.archived.values()


def silent_by_last_accessed(
    answer: LastAccessed, window: Window, catalogue: Catalogue, has_event: int, attempted: Collection[str] = ()
) -> int:
    """Actions that last-accessed data proves silent: tracked ones without a time or an older one, and all actions with
    an API event of a service that was never attempted. `attempted`: services of which somebody else knows better.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
    """
    if too_early(answer, window) or not reaches_back(answer, window):
        return 0  # it knows nothing of the last or first days of the lookback
    silent = 0
    for service in answer.services.values():
        tracked = 0
        for action in service.actions.values():
            bits = catalogue.expand(action.action)
            if bits.bit_count() == 1:
                tracked |= bits
                if window.start >= _ACTIONS_TRACKED and (action.last is None or action.last < window.start):
                    silent |= bits
        if service.last is None and service.namespace not in attempted:
            silent |= catalogue.service(service.namespace) & has_event & ~tracked
    return silent


def too_early(answer: LastAccessed, window: Window) -> bool:
    """Whether the answer may not know of an attempt on the last day of the lookback yet."""
    return answer.collected_at < window.end + TOLD_WITHIN


def collected(answer: LastAccessed) -> str:
    """When, of one that is too early."""
    return f"collected on {answer.collected_at:%Y-%m-%dT%H:%MZ}, before it told of the whole lookback"


def reaches_back(answer: LastAccessed, window: Window) -> bool:
    """Whether the answer would know of an attempt on the first day of the lookback."""
    return window.start >= answer.collected_at - TRACKING_PERIOD


def attempted_after_all(said: UnusedAccess | None, window: Window) -> frozenset[str]:
    """Services that findings call accessed in the lookback: last-accessed data that calls them never attempted is wrong."""
    services = _found(said) if said is not None else ()
    return frozenset(s.namespace for s in services if s.last is not None and s.last >= window.start)


def called_unused(said: UnusedAccess, window: Window, catalogue: Catalogue) -> int:
    """Actions that findings call unused for the whole lookback: not accessed for longer, or never and by an analyzer whose
    age is no shorter. It adds its name to what other sources prove, and proves nothing."""
    long_enough = said.age >= (window.end - window.start).days

    def silent(last: datetime | None) -> bool:
        return last < window.start if last is not None else long_enough

    called = 0
    for service in said.services.values():
        if not service.actions and silent(service.last):
            called |= catalogue.service(service.namespace)
        for action in service.actions.values():
            if silent(action.last):
                called |= catalogue.expand(action.action)
    if said.role_unused and silent(said.role_last):
        called |= catalogue.expand("*")
    return called


def by_sources(qualified: Mapping[str, int], bits: int) -> list[tuple[tuple[str, ...], int]]:
    """`bits` divided by the sources that prove each action silent; what none proves is left out."""
    parts: dict[tuple[str, ...], int] = {(): bits}
    for source, proven in sorted(qualified.items()):
        for sources, part in list(parts.items()):
            parts[sources] = part & ~proven
            parts[*sources, source] = part & proven
    return sorted((sources, part) for sources, part in parts.items() if sources and part)
