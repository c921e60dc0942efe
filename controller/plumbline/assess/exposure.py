"""Exposure: who can reach a role, directly and through roles in turn, by kind; and a shortest chain of hops that shows it.

Knows hops and accounts; must not know what roles are granted, nor usage. `confirmed` counts over hops that are certain,
`at_most` over all: what is conditional or unconfirmed is the difference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from types import MappingProxyType

from plumbline.assess.graph import MEMORY, Condensation, condensed, descendants, unions
from plumbline.assess.hop_nodes import (
    OUTSIDE,
    Certainty,
    Kind,
    Nodes,
    nodes,
    service_linked,
    trust_unread,
    unassociated,
)
from plumbline.assess.reach import Hop
from plumbline.model.pod_identity import PodIdentity
from plumbline.model.snapshot import Account, Principal

_UNREAD, _UNCOLLECTED, _UNASSOCIATED = 1, 2, 4
_REASONS = {
    _UNREAD: "its trust policy, or that of a role that reaches it, could not be read",
    _UNCOLLECTED: "the principals of an account that reaches it could not be collected",
    _UNASSOCIATED: "the Pod Identity associations that give it, or a role that reaches it, to service accounts are not known",
}
_ORDER = {kind: at for at, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Sources:
    """How many there are: foreign accounts and services count once each, identity providers too, principals of the data
    and service accounts one by one. `everybody` is 1 or 0."""

    everybody: int = 0
    external_accounts: int = 0
    federation: int = 0
    other_accounts: int = 0
    service_accounts: int = 0
    same_account: int = 0
    services: int = 0

    def count(self, kind: Kind) -> int:
        return (
            self.everybody,
            self.external_accounts,
            self.federation,
            self.other_accounts,
            self.service_accounts,
            self.same_account,
            self.services,
        )[_ORDER[kind]]

    @property
    def worst(self) -> Kind | None:
        """The most dangerous kind that is there."""
        return next((kind for kind in Kind if self.count(kind)), None)


@dataclass(frozen=True, slots=True)
class Figures:
    """`direct`: one hop away. `transitive`: over any number of hops, those one hop away included."""

    direct: Sources = Sources()
    transitive: Sources = Sources()


@dataclass(frozen=True, slots=True)
class Exposure:
    """`unknown`: why more than `at_most` may reach the role; empty where everything is known."""

    confirmed: Figures
    at_most: Figures
    unknown: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        return not self.unknown


@dataclass(frozen=True)
class Exposures:
    """`of`: role ARN -> its exposure, sorted, without service-linked roles."""

    of: Mapping[str, Exposure]
    _nodes: Nodes = field(repr=False)
    _confirmed: _Graph = field(repr=False)
    _at_most: _Graph = field(repr=False)

    def witness(self, role: str) -> tuple[Hop, ...]:
        """A shortest chain from a source of the most dangerous kind to the role; of confirmed hops where there is one."""
        found = self.of[role]
        kind = found.at_most.transitive.worst
        if kind is None:
            return ()
        graph = self._confirmed if found.confirmed.transitive.count(kind) else self._at_most
        return graph.chain(kind, self._nodes.index[role])


def exposures(
    principals: Mapping[str, Principal],
    hops: Iterable[Hop],
    accounts: Mapping[str, Account],
    associated: Mapping[str, PodIdentity] = MappingProxyType({}),
    *,
    memory: int = MEMORY,
) -> Exposures:
    """The exposure of every role. `hops`: those of `reach.hops` over the same principals, accounts and Pod Identity.
    `memory`: bytes for the sets that are held at a time."""
    every = [hop for hop in hops if hop.source != hop.target]
    known = nodes(principals, every, accounts)
    certain = Certainty(principals, accounts)
    sure = [hop for hop in every if certain.confirmed(hop)]
    most = _Graph(known, every)
    least = most if len(sure) == len(every) else _Graph(known, sure)
    roles = [arn for arn, p in sorted(principals.items()) if p.kind == "role" and not service_linked(p)]
    once: dict[Sources, Sources] = {}
    at_most = dict(most.figures(roles, memory, once))
    confirmed = at_most if least is most else dict(least.figures(roles, memory, once))
    unknown = _unknown(principals, known, most.entering, unassociated(principals, every, associated))
    of = {arn: Exposure(confirmed[arn], at_most[arn], unknown.get(arn, ())) for arn in roles}
    return Exposures(of, known, least, most)


class _Graph:
    """Some of the hops. Chains are searched when somebody asks for the first one of a kind."""

    def __init__(self, known: Nodes, hops: Iterable[Hop]) -> None:
        self._nodes = known
        self._into: dict[Kind, list[int]] = {}
        # One hop for each pair, sorted, so that the order in which they are given never matters.
        by_pair: dict[int, Hop] = {}
        index, count = known.index, len(known.names)
        for hop in hops:
            pair = index[hop.source] * count + index[hop.target]
            if pair not in by_pair or hop < by_pair[pair]:
                by_pair[pair] = hop
        pairs = sorted(by_pair)
        self._hops = [by_pair[pair] for pair in pairs]
        self.sources = [pair // count for pair in pairs]
        self.targets = [pair % count for pair in pairs]

    @cached_property
    def kinds(self) -> Sequence[Kind]:
        kind = self._nodes.kind
        return [kind(source, target) for source, target in zip(self.sources, self.targets, strict=True)]

    @cached_property
    def entering(self) -> Condensation:
        """Backwards: from each node to those that have a hop into it."""
        edges: list[list[int]] = [[] for _ in self._nodes.names]
        for source, target in zip(self.sources, self.targets, strict=True):
            edges[target].append(source)
        return condensed(edges)

    def figures(self, roles: Sequence[str], memory: int, once: dict[Sources, Sources]) -> Iterator[tuple[str, Figures]]:
        """`once`: equal figures are one object."""
        kinds = len(_ORDER)
        direct = [0] * (kinds * len(self._nodes.names))
        for target, kind in zip(self.targets, self.kinds, strict=True):
            direct[kinds * target + _ORDER[kind]] += 1
        transitive = _Ancestors(self._nodes, self.entering, memory)
        for arn in roles:
            node = self._nodes.index[arn]
            near = Sources(*direct[kinds * node : kinds * node + kinds])
            far = transitive.sources(node)
            yield arn, Figures(once.setdefault(near, near), once.setdefault(far, far))

    def chain(self, kind: Kind, node: int) -> tuple[Hop, ...]:
        if kind not in self._into:
            self._into[kind] = self._search(kind)
        into, found = self._into[kind], []
        while True:
            at = into[node]
            found.append(self._hops[at])
            if self.kinds[at] is kind:
                return tuple(reversed(found))
            node = self.sources[at]

    def _search(self, kind: Kind) -> list[int]:
        """Breadth first from all sources of the kind at once: node -> the hop by which a shortest chain enters it, or -1.

        A principal of another account, or of the same, is one only to some roles; but the last one on a shortest chain
        that is in another account than the role has only roles of the role's own account after it.
        """
        leaving: list[list[int]] = [[] for _ in self._nodes.names]
        into = [-1] * len(self._nodes.names)
        queue = deque[int]()
        for at, (source, target, one) in enumerate(zip(self.sources, self.targets, self.kinds, strict=True)):
            if one is kind:
                if into[target] < 0:
                    into[target] = at
                    queue.append(target)
            elif kind is not Kind.OTHER or one is Kind.SAME:
                leaving[source].append(at)
        while queue:
            for at in leaving[queue.popleft()]:
                target = self.targets[at]
                if into[target] < 0:
                    into[target] = at
                    queue.append(target)
        return into


class _Ancestors:
    """Counts all who reach a node, by kind."""

    def __init__(self, known: Nodes, graph: Condensation, memory: int) -> None:
        self._nodes, self._graph = known, graph
        self._all = [0] * len(graph.members)
        self._outside = {kind: [0] * len(graph.members) for kind in OUTSIDE}
        self._same = [0] * len(known.names)
        self._count_outside(memory)
        self._count_all(memory)

    def sources(self, node: int) -> Sources:
        component = self._graph.component[node]
        outside = {kind: counts[component] for kind, counts in self._outside.items()}
        same = self._same[node]
        return Sources(
            everybody=outside[Kind.EVERYBODY],
            external_accounts=outside[Kind.EXTERNAL],
            federation=outside[Kind.FEDERATION],
            other_accounts=self._all[component] - sum(outside.values()) - same,
            service_accounts=outside[Kind.SERVICE_ACCOUNT],
            same_account=same - 1,  # without itself
            services=outside[Kind.SERVICE],
        )

    def _count_outside(self, memory: int) -> None:
        """They are the first nodes, and nothing leads to them, so that each is a component of its own."""
        members, width = self._graph.members, max(self._nodes.spans[kind][1] for kind in OUTSIDE)

        def own(component: int, low: int, high: int) -> int:
            node = members[component][0]
            return 1 << node - low if low <= node < high else 0

        for component, block, bits in unions(self._graph, own, width, memory):
            for kind, counts in self._outside.items():
                begin, end = (max(at - block.start, 0) for at in self._nodes.spans[kind])
                counts[component] += (bits & (1 << end) - (1 << begin)).bit_count()

    def _count_all(self, memory: int) -> None:
        members, accounts = self._graph.members, self._nodes.accounts
        places = list(chain.from_iterable(members))
        masks: Mapping[str | None, int] = {}
        begun = -1
        for component, block, bits in descendants(self._graph, memory):
            if block.start != begun:
                begun = block.start
                masks = _masks([accounts[node] for node in places[block.start : block.stop]])
            self._all[component] += bits.bit_count()
            found: dict[str, int] = {}
            for node in members[component]:
                account = accounts[node]
                if account is not None:
                    if account not in found:
                        found[account] = (bits & masks.get(account, 0)).bit_count()
                    self._same[node] += found[account]


def _masks(accounts: Sequence[str | None]) -> Mapping[str | None, int]:
    """Account -> the places at which it stands, as bits."""
    places: dict[str | None, list[int]] = {}
    for place, account in enumerate(accounts):
        places.setdefault(account, []).append(place)
    masks: dict[str | None, int] = {}
    for account, found in places.items():
        bits = bytearray(found[-1] // 8 + 1)
        for place in found:
            bits[place >> 3] |= 1 << (place & 7)
        masks[account] = int.from_bytes(bits, "little")
    return masks


def _unknown(
    principals: Mapping[str, Principal], known: Nodes, graph: Condensation, without: Iterable[str]
) -> Mapping[str, tuple[str, ...]]:
    """Role -> why more may reach it than the hops say. What is unknown of a role is so of all that it reaches."""
    own = dict.fromkeys((graph.component[node] for node in known.uncollected), _UNCOLLECTED)
    unread = (arn for arn, principal in principals.items() if trust_unread(principal))
    for reason, roles in ((_UNREAD, unread), (_UNASSOCIATED, without)):
        for component in (graph.component[known.index[arn]] for arn in roles):
            own[component] = own.get(component, 0) | reason
    if not own:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for component, _, bits in unions(graph, lambda one, _low, _high: own.get(one, 0), max(_REASONS).bit_length()):
        if bits:
            reasons = tuple(reason for bit, reason in _REASONS.items() if bits & bit)
            found.update((known.names[node], reasons) for node in graph.members[component])
    return found
