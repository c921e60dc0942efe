"""Exposure and blast radius of everybody, of which only those are counted anew whom a change concerns.

Knows on what each of the two rests; must not know how they are counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from plumbline.assess.blast_radius import BlastRadius, blast_radii
from plumbline.assess.exposure import Exposure, exposures
from plumbline.assess.hop_nodes import Certainty
from plumbline.assess.reach import Hop
from plumbline.assess.recall import Traced
from plumbline.assess.seen import Seen
from plumbline.assess.unseen import Unseen
from plumbline.iam.granted import Granted
from plumbline.model.pod_identity import PodIdentity
from plumbline.model.snapshot import Account, Principal


class Concerned:
    """`hops`: those of `reach.hops` over the same principals, accounts and Pod Identity."""

    def __init__(
        self,
        seen: Seen,
        accounts: Mapping[str, Account],
        associated: Mapping[str, PodIdentity],
        hops: Iterable[Hop],
    ) -> None:
        self._principals = {arn: one for members in seen.members.values() for arn, one in members.principals.items()}
        self._unread = {role.arn for members in seen.members.values() for role in members.unread}
        # Of some principals all accounts of the data shall be known; without RCPs an account is as one that is not told.
        self._accounts = {**{name: Account(name) for name in seen.given}, **accounts}
        self._associated = associated
        self._leaving: dict[str, list[Hop]] = {}
        self._entering: dict[str, list[Hop]] = {}
        for hop in hops:
            self._leaving.setdefault(hop.source, []).append(hop)
            self._entering.setdefault(hop.target, []).append(hop)
        unread = Certainty(self._principals, accounts).unread
        told = frozenset(account for account, one in associated.items() if one.complete)
        self._shared = frozenset(self._accounts), unread, told

    def exposures(self, traced: Traced[Exposure]) -> Mapping[str, Exposure]:
        """Role -> its exposure. It rests on who reaches the role."""

        def find(nodes: Collection[str]) -> Mapping[str, Exposure]:
            hops = [hop for node in nodes for hop in self._entering.get(node, ())]
            return exposures(self._only(nodes), hops, self._accounts, self._associated).of

        nodes = self._principals.keys() | self._leaving.keys()
        bases = {node: (self._entering.get(node), node in self._principals, node in self._unread) for node in nodes}
        return traced.of(self._shared, bases, self._sources, self._targets, find)

    def blast_radii(
        self, access: Mapping[str, Granted], beyond: Mapping[str, Unseen], traced: Traced[BlastRadius]
    ) -> Mapping[str, BlastRadius]:
        """Principal -> its blast radius. It rests on what the principal reaches, and on what all that is granted.
        `beyond`: what they may assume unseen."""

        def find(nodes: Collection[str]) -> Mapping[str, BlastRadius]:
            hops = [hop for node in nodes for hop in self._leaving.get(node, ())]
            return blast_radii(
                self._only(nodes), hops, self._accounts, lambda principal: access[principal.arn], beyond=beyond
            ).of

        # What services and other accounts reach nobody asks: it is nearly all.
        nodes = self._principals.keys() | self._entering.keys()
        bases = {
            node: (self._leaving.get(node), node in self._principals, access.get(node), beyond.get(node))
            for node in nodes
        }

        def sources(node: str) -> Iterable[str]:
            return nodes.intersection(self._sources(node))

        return traced.of(self._shared, bases, self._targets, sources, find)

    def _only(self, nodes: Collection[str]) -> Mapping[str, Principal]:
        return {node: self._principals[node] for node in nodes if node in self._principals}

    def _targets(self, node: str) -> list[str]:
        return [hop.target for hop in self._leaving.get(node, ())]

    def _sources(self, node: str) -> list[str]:
        return [hop.source for hop in self._entering.get(node, ())]
