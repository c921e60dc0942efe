"""What silence and older dates say: which sources prove an action unused, and which actions were used long ago.

Knows evidence and its times. Gives no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from plumbline.assess.window import Window
from plumbline.iam.catalogue import Catalogue
from plumbline.model.evidence import LastAccessed, PrincipalUsage

LAST_ACCESSED = "last-accessed"


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
    for service in usage.last_accessed.services.values() if usage.last_accessed else ():
        tracked = 0
        for action in service.actions.values():
            tracked |= catalogue.expand(action.action)
            add(LAST_ACCESSED, catalogue.expand(action.action), action.last)
        add(LAST_ACCESSED, catalogue.service(service.namespace) & ~tracked, service.last)
    return [OlderUse(source, bits, f"last on {day}") for (day, source), bits in sorted(found.items(), reverse=True)]


def silent_by_last_accessed(answer: LastAccessed, window: Window, catalogue: Catalogue, has_event: int) -> int:
    """Actions that last-accessed data proves silent: tracked ones without a time or an older one, and all actions with
    an API event of a service that was never attempted.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
    """
    if answer.collected_at < window.end:
        return 0  # it knows nothing of the last days of the lookback
    silent = 0
    for service in answer.services.values():
        tracked = 0
        for action in service.actions.values():
            bits = catalogue.expand(action.action)
            if bits.bit_count() == 1:
                tracked |= bits
                if action.last is None or action.last < window.start:
                    silent |= bits
        if service.last is None:
            silent |= catalogue.service(service.namespace) & has_event & ~tracked
    return silent


def by_sources(qualified: Mapping[str, int], bits: int) -> list[tuple[tuple[str, ...], int]]:
    """`bits` divided by the sources that prove each action silent; what none proves is left out."""
    parts: dict[tuple[str, ...], int] = {(): bits}
    for source, proven in sorted(qualified.items()):
        for sources, part in list(parts.items()):
            parts[sources] = part & ~proven
            parts[*sources, source] = part & proven
    return sorted((sources, part) for sources, part in parts.items() if sources and part)
