"""Why there may be more paths than hops tell: roles that are not seen on the way from somebody, or to a role.

Knows principals, hops and what is assumed unseen; must not know policies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from plumbline.assess.graph import closure
from plumbline.assess.hop_nodes import trust_unread
from plumbline.assess.reach import Hop
from plumbline.assess.unseen import Unseen
from plumbline.model.snapshot import Principal


@dataclass(frozen=True, slots=True)
class Gaps:
    """`unread`: roles whose trust policy could not be read, so that they may be on the way. `outside`: roles outside of
    the data that are reached, and nobody knows where they lead. `unnamed`: who may assume roles outside of the data that
    only patterns name."""

    unread: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()


def gaps(
    sources: Collection[str],
    target: str | None,
    principals: Mapping[str, Principal],
    hops: Iterable[Hop],
    beyond: Mapping[str, Unseen],
) -> Gaps:
    """Of the ways from any of the sources, to the target or to all roles."""
    leaving: dict[str, list[str]] = {}
    entering: dict[str, list[str]] = {}
    strangers = set[str]()
    for hop in hops:
        leaving.setdefault(hop.source, []).append(hop.target)
        entering.setdefault(hop.target, []).append(hop.source)
        if hop.external:
            strangers.add(hop.source)
    reached = closure(sources, lambda one: leaving.get(one, ()))
    outside = {one for one in reached if one not in principals and one in entering} - {target}
    unnamed = {one for one in reached if one in beyond and beyond[one].unnamed}
    unread = set[str]()
    # Whoever is outside of the data may be named by any trust policy.
    if any(one not in principals or one in unnamed or (one in beyond and beyond[one].unread) for one in reached):
        unread = {arn for arn, principal in principals.items() if trust_unread(principal)} - {*sources}
    if target is not None:
        before = closure([target], lambda one: entering.get(one, ()))
        unread &= before
        # From outside nobody gets in unless a trust policy lets somebody in, or may.
        if target in principals and not unread and strangers.isdisjoint(before):
            outside, unnamed = set(), set()
    return Gaps(tuple(sorted(unread)), tuple(sorted(outside)), tuple(sorted(unnamed)))
