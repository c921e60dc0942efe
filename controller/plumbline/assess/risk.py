"""Risk: one score from 0 to 100 for a principal, and what it is made of.

Knows counts and weights; must not know where the counts come from. What is not known adds no points, and is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plumbline.api.risk import Weights

MOST = 100


@dataclass(frozen=True, slots=True)
class Range:
    """A count: what is confirmed, and what it is at most if all conditions hold and all that is unconfirmed is true."""

    confirmed: int = 0
    at_most: int = 0

    @property
    def most(self) -> int:
        return max(self.confirmed, self.at_most)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one principal. Exposure counts who reaches it over any number of hops; blast radius is what it
    reaches itself and through roles in turn. `escalations`: confirmed without those that depend on conditions or
    assumptions, at most with them; `potential_escalations` lack only a target. The texts say why something is not known;
    empty where it is."""

    granted: int = 0
    unused: int = 0
    unused_privileged: int = 0
    undetermined: int = 0
    everybody: Range = Range()
    external_accounts: Range = Range()
    federation: Range = Range()
    other_accounts: Range = Range()
    service_accounts: Range = Range()
    same_account: Range = Range()
    reached_roles: Range = Range()
    reached_accounts: Range = Range()
    privileged: Range = Range()
    data: Range = Range()
    escalations: Range = Range()
    potential_escalations: int = 0
    access_unknown: str = ""
    exposure_unknown: str = ""
    blast_radius_unknown: str = ""


@dataclass(frozen=True, slots=True)
class Contribution:
    """`reason` is for people; with 0 points it says what is there or not known and adds nothing."""

    name: str
    points: int
    reason: str


@dataclass(frozen=True, slots=True)
class Risk:
    """The points of the contributions sum to the score."""

    score: int
    contributions: tuple[Contribution, ...]


def risk(facts: Facts, weights: Weights | None = None) -> Risk:
    """The score of a principal. Where weights make more than 100 points, the last contributions are cut."""
    left = MOST
    found = []
    for one in _contributions(facts, weights or Weights()):
        points = min(one.points, left)
        left -= points
        found.append(Contribution(one.name, points, one.reason))
    return Risk(MOST - left, tuple(found))


def _contributions(facts: Facts, weights: Weights) -> Iterator[Contribution]:
    yield from _unused(facts, weights)
    yield from _exposure(facts, weights)
    yield from _blast_radius(facts, weights)
    yield from _escalations(facts, weights)
    yield from _not_known(facts)


def _unused(facts: Facts, weights: Weights) -> Iterator[Contribution]:
    if facts.unused:
        granted = max(facts.granted, facts.unused)
        points = weights.most_unused * facts.unused // granted
        yield Contribution("unused", points, f"{facts.unused:,} of {_count(granted, 'granted action')} unused")
    if facts.unused_privileged:
        points = min(weights.unused_privileged * _doublings(facts.unused_privileged), weights.most_unused_privileged)
        yield Contribution("unusedPrivileged", points, f"{_count(facts.unused_privileged, 'privileged action')} unused")


def _exposure(facts: Facts, weights: Weights) -> Iterator[Contribution]:
    kinds = (
        (facts.everybody, weights.everybody, "everybody", "everybody"),
        (facts.external_accounts, weights.external_accounts, "external account", "external accounts"),
        (facts.federation, weights.federation, "identity provider", "identity providers"),
        (facts.other_accounts, weights.other_accounts, "principal of other accounts", "principals of other accounts"),
        (facts.service_accounts, weights.service_accounts, "EKS service account", "EKS service accounts"),
        (facts.same_account, weights.same_account, "principal of its account", "principals of its account"),
    )
    halves = sum(
        _first(count.confirmed, weight, weights.more_sources) + _first(count.most, weight, weights.more_sources)
        for count, weight, _, _ in kinds
    )
    said = [_some(count, one, many) for count, _, one, many in kinds if count.most]
    if said:
        yield Contribution("exposure", min(halves // 2, weights.most_exposure), f"reached by {', '.join(said)}")


def _blast_radius(facts: Facts, weights: Weights) -> Iterator[Contribution]:
    kinds = (
        (facts.reached_roles, weights.reached_roles, "role", "roles"),
        (facts.reached_accounts, weights.reached_accounts, "other account", "other accounts"),
        (facts.privileged, weights.privileged, "privileged action", "privileged actions"),
        (facts.data, weights.data, "action on data", "actions on data"),
    )
    halves = sum(weight * (_doublings(count.confirmed) + _doublings(count.most)) for count, weight, _, _ in kinds)
    said = [_some(count, one, many) for count, _, one, many in kinds if count.most]
    if said:
        reason = f"reaches, itself and through roles, {', '.join(said)}"
        yield Contribution("blastRadius", min(halves // 2, weights.most_blast_radius), reason)


def _escalations(facts: Facts, weights: Weights) -> Iterator[Contribution]:
    found, potential = facts.escalations, facts.potential_escalations
    halves = sum(_first(count, weights.escalation, weights.more_escalations) for count in (found.confirmed, found.most))
    points = halves // 2 + (weights.potential_escalation if potential else 0)
    said = [_some(found, "way to gain privileges", "ways to gain privileges")] if found.most else []
    said += [f"{_count(potential, 'potential way')} without a target"] if potential else []
    if said:
        yield Contribution("escalations", min(points, weights.most_escalations), f"has {', '.join(said)}")


def _not_known(facts: Facts) -> Iterator[Contribution]:
    if facts.undetermined:
        reason = f"{_count(facts.undetermined, 'action')} undetermined, which does not count as unused"
        yield Contribution("undetermined", 0, reason)
    for name, reason in (
        ("accessUnknown", facts.access_unknown),
        ("exposureUnknown", facts.exposure_unknown),
        ("blastRadiusUnknown", facts.blast_radius_unknown),
    ):
        if reason:
            yield Contribution(name, 0, f"not known: {reason}")


def _doublings(count: int) -> int:
    """0 for none, 1 for one, 2 from 2 on, 3 from 4 on, and so on: the first ones matter most."""
    return count.bit_length()


def _first(count: int, weight: int, more: int) -> int:
    """That there is one at all matters more than how many."""
    return weight + more * (_doublings(count) - 1) if count else 0


def _some(count: Range, one: str, many: str) -> str:
    """The confirmed ones, and how many more there may be."""
    name = one if count.most == 1 else many
    if count.confirmed >= count.most:
        return name if one == many else f"{count.confirmed:,} {name}"
    if one == many:
        return f"perhaps {name}"
    return f"{count.confirmed:,} to {count.most:,} {name}" if count.confirmed else f"perhaps {count.most:,} {name}"


def _count(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"
