"""How much a principal is granted, at least and at most, as sets of actions; and whether one adds to what another has.

Knows policies, boundaries and SCPs as sets of actions; no resources beyond "all of them", and no ways to escalate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import PolicyError
from plumbline.iam.granted import Planes, policy_planes
from plumbline.model.snapshot import Account, Policy, Principal

Adds = Literal["certainly", "perhaps"]


@dataclass(frozen=True, slots=True)
class Power:
    """Sets of actions. `some`: granted on some resource or under some condition; `all`: on every resource, always. What
    could not be read may grant everything and deny everything: then `least_*` are empty, and `most_*` are large."""

    least_some: int
    least_all: int
    most_some: int
    most_all: int

    def __and__(self, other: Power) -> Power:
        return Power(
            self.least_some & other.least_some,
            self.least_all & other.least_all,
            self.most_some & other.most_some,
            self.most_all & other.most_all,
        )

    @property
    def full(self) -> bool:
        return self.least_all == catalogue().all

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts the most privileged first."""
        return -(self.most_some & catalogue().privileged).bit_count(), -self.most_some.bit_count()


def adds(target: Power, own: Power, *, elsewhere: bool) -> Adds | None:
    """Does the target's access go beyond one's own: more actions, or an action on all resources that one has on some
    only? `elsewhere`: in another account there are other resources, so that all that is granted there is more."""
    if elsewhere:
        return "certainly" if target.least_some else "perhaps" if target.most_some else None
    if _beyond(target.least_some, own.most_some) or _beyond(target.least_all, own.most_all):
        return "certainly"
    if _beyond(target.most_some, own.least_some) or _beyond(target.most_all, own.least_all):
        return "perhaps"
    return None


def power(principal: Principal) -> Power:
    """What identity-based policies and boundary grant. SCPs are apart: `guardrail`."""
    return granted_by(principal.policies) & ceiling(principal)


def granted_by(policies: Iterable[Policy]) -> Power:
    planes, known = Planes(), True
    for policy in policies:
        one = _planes(policy.document)
        known = known and one is not None
        planes |= one or Planes()
    return _power(planes, known=known)


def ceiling(principal: Principal) -> Power:
    """What the boundary lets through, whatever the policies."""
    if principal.boundary is None:
        return _everything()
    planes = _planes(principal.boundary.document)
    return _power(planes or Planes(), known=planes is not None)


def guardrail(account: Account | None) -> Power:
    """What the SCPs of an account let through; everything where none are known: they limit all of its principals alike,
    so that they never make one of them more powerful than another."""
    result = _everything()
    if account is None or account.management:
        return result
    for level in account.scp_levels or ():
        planes = [_planes(document) for document in level]
        if None not in planes:
            result &= _power(_united(planes), known=True)
    return result


def _power(planes: Planes, *, known: bool) -> Power:
    some = planes.through
    everywhere = planes.allow_all & ~(planes.deny_full | planes.deny_partial)
    if known:
        return Power(some, everywhere, some, everywhere)
    everything = catalogue().all
    return Power(0, 0, everything & ~planes.deny_full, everything & ~(planes.deny_full | planes.deny_partial))


def _everything() -> Power:
    everything = catalogue().all
    return Power(everything, everything, everything, everything)


def _united(planes: Iterable[Planes | None]) -> Planes:
    result = Planes()
    for one in planes:
        result |= one or Planes()
    return result


def _planes(document: str | None) -> Planes | None:
    if document is None:
        return None
    try:
        return policy_planes(document)
    except PolicyError:
        return None


def _beyond(some: int, others: int) -> bool:
    return some & ~others != 0
