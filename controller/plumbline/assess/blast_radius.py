"""Blast radius: what a principal can do itself and through the roles that it can reach in turn, counted.

Knows hops and granted actions; must not know usage. `confirmed` counts over hops that are certain, `at_most` over all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from plumbline.assess.graph import MEMORY, Condensation, Edges, condensed, descendants, unions
from plumbline.assess.hop_nodes import Certainty, Nodes, nodes, trust_unread
from plumbline.assess.reach import Hop
from plumbline.assess.unseen import Unseen, unseen
from plumbline.iam.catalogue import catalogue, positions
from plumbline.iam.granted import Granted
from plumbline.iam.overlay import overlay
from plumbline.model.snapshot import Account, Principal

# They hand out data, or the key to it, although CloudTrail records them as management events or not at all.
_HAND_OUT_DATA = (
    "athena:GetQueryResults*",
    "codecommit:GitPull",
    "ecr:BatchGetImage",
    "es:ESHttp*",
    "kms:Decrypt",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:GetQueryResults",
    "rds-db:connect",
    "redshift-data:ExecuteStatement",
    "redshift-data:GetStatementResult*",
    "secretsmanager:BatchGetSecretValue",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter*",
)
# The lowest bits: what is not known.
_ACCESS, _TRUST, _OUTSIDE = 1, 2, 4
_REASONS = {
    _ACCESS: "what it, or a role that it may reach, is granted could not be read",
    _TRUST: "it, or a role that it may reach, may assume a role whose trust policy could not be read",
    _OUTSIDE: "it, or a role that it may reach, may assume roles of accounts that are not in the data",
}
_UNKNOWN = _ACCESS | _TRUST | _OUTSIDE


@dataclass(frozen=True, slots=True)
class Reach:
    """`roles`: which it reaches, itself left out, also those outside of the data that a policy names; `accounts`: other
    accounts with such roles. `privileged` and `data`: how many privileged actions and actions on data it and they are
    granted together."""

    roles: int = 0
    accounts: int = 0
    privileged: int = 0
    data: int = 0


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """`unknown`: why it may be more than `at_most`, which holds what can be read; empty where everything is known.
    `confirmed` counts no action of a principal of which nobody knows what it is granted."""

    confirmed: Reach
    at_most: Reach
    unknown: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        return not self.unknown


@dataclass(frozen=True, slots=True)
class BlastRadii:
    """`of`: ARN or name -> blast radius, sorted: of every principal but service-linked roles, and of both ends of hops
    that are outside of the data."""

    of: Mapping[str, BlastRadius]


@cache
def data_actions() -> int:
    """The actions on data, as bits: those of access level Read, List or Write that CloudTrail records as data events,
    which is where AWS draws the line between data and control plane; and some that hand out data all the same."""
    known, visible = catalogue(), overlay()
    plain = (n for n in known.names if known.access_level(n) in ("Read", "List", "Write"))
    return known.bits_of(n for n in plain if visible.visibility(n).kind == "data") | known.expand_all(_HAND_OUT_DATA)


def blast_radii(
    principals: Mapping[str, Principal],
    hops: Iterable[Hop],
    accounts: Mapping[str, Account],
    granted: Callable[[Principal], Granted],
    *,
    beyond: Mapping[str, Unseen] | None = None,
    memory: int = MEMORY,
) -> BlastRadii:
    """The blast radius of every principal. `hops`: those of `reach.hops` over the same principals and accounts. `granted`
    is asked once for each principal, and only a few bits of each answer are kept. `beyond`: what they may assume unseen,
    if it is at hand. `memory`: bytes for the sets that are held at a time."""
    every = [hop for hop in hops if hop.source != hop.target]
    known = nodes(principals, every, accounts)
    certain = Certainty(principals, accounts)
    labels = _Labels(principals, known, granted, unseen(principals, accounts) if beyond is None else beyond)
    all_edges: list[list[int]] = [[] for _ in known.names]
    sure_edges: list[list[int]] = [[] for _ in known.names]
    same = labels.certain == labels.readable
    for hop in every:
        source, target = known.index[hop.source], known.index[hop.target]
        all_edges[source].append(target)
        if certain.confirmed(hop):
            sure_edges[source].append(target)
        else:
            same = False
    at_most = _Counts(all_edges, labels, labels.readable, memory)
    confirmed = at_most if same else _Counts(sure_edges, labels, labels.certain, memory)
    once: dict[BlastRadius, BlastRadius] = {}
    of: dict[str, BlastRadius] = {}
    for name in sorted(known.names):
        node = known.index[name]
        found = BlastRadius(confirmed.reach(node), at_most.reach(node), at_most.unknown(node))
        of[name] = once.setdefault(found, found)
    return BlastRadii(of)


class _Labels:
    """What is counted besides roles, as bits of each node: what is not known, its account, and its actions that are
    privileged or on data. The masks say which bits count as what."""

    def __init__(
        self,
        principals: Mapping[str, Principal],
        known: Nodes,
        granted: Callable[[Principal], Granted],
        beyond: Mapping[str, Unseen],
    ) -> None:
        self.inside = [account is not None for account in known.accounts]
        named = sorted({account for account in known.accounts if account is not None})
        accounts = {name: at for at, name in enumerate(named, _UNKNOWN.bit_length())}
        first = _UNKNOWN.bit_length() + len(accounts)
        self.width = first + _counted().bit_count()
        self.accounts = _mask(accounts.values())
        self.privileged, self.data = (_of_counted(bits) << first for bits in (catalogue().privileged, data_actions()))
        self.readable: list[int] = []
        self.certain: list[int] = []
        # A trust policy that nobody has read may name whoever is outside.
        outside = _TRUST if any(map(trust_unread, principals.values())) else 0
        for name, account in zip(known.names, known.accounts, strict=True):
            mark = outside if account is None else 1 << accounts[account]
            if name in principals:
                access = granted(principals[name])
                mark |= _unseen(beyond[name]) if name in beyond else 0
                actions = _of_counted(access.granted & _counted()) << first
                self.readable.append(mark | actions | (0 if access.known else _ACCESS))
                self.certain.append(mark | actions if access.known else mark)
            else:
                mark |= 0 if account is None else _OUTSIDE
                self.readable.append(mark)
                self.certain.append(mark)


def _unseen(one: Unseen) -> int:
    return (_TRUST if one.unread else 0) | (_OUTSIDE if one.unnamed or one.named else 0)


class _Counts:
    """What every node reaches over some of the hops."""

    def __init__(self, edges: Edges, labels: _Labels, own: Sequence[int], memory: int) -> None:
        graph = condensed(edges)
        self._component = graph.component
        self._inside = labels.inside
        self._nodes, self._accounts, self._privileged, self._data, self._unknown = (
            [0] * len(graph.members) for _ in range(5)
        )
        for component, _, bits in descendants(graph, memory):
            self._nodes[component] += bits.bit_count()
        self._count(graph, labels, own, memory)

    def reach(self, node: int) -> Reach:
        component = self._component[node]
        return Reach(
            self._nodes[component] - 1,
            self._accounts[component] - self._inside[node],
            self._privileged[component],
            self._data[component],
        )

    def unknown(self, node: int) -> tuple[str, ...]:
        return _reasons(self._unknown[self._component[node]])

    def _count(self, graph: Condensation, labels: _Labels, own: Sequence[int], memory: int) -> None:
        members = graph.members

        def of(component: int, low: int, high: int) -> int:
            bits = 0
            for node in members[component]:
                bits |= own[node]
            return bits >> low & (1 << high - low) - 1

        for component, block, bits in unions(graph, of, labels.width, memory):
            self._accounts[component] += (bits & labels.accounts >> block.start).bit_count()
            self._privileged[component] += (bits & labels.privileged >> block.start).bit_count()
            self._data[component] += (bits & labels.data >> block.start).bit_count()
            self._unknown[component] |= bits & _UNKNOWN >> block.start


@cache
def _reasons(bits: int) -> tuple[str, ...]:
    return tuple(reason for bit, reason in _REASONS.items() if bits & bit)


@cache
def _counted() -> int:
    return catalogue().privileged | data_actions()


@cache
def _places() -> Mapping[int, int]:
    """An action that is counted -> its place among them."""
    return {at: place for place, at in enumerate(positions(_counted()))}


@lru_cache(maxsize=65536)
def _of_counted(bits: int) -> int:
    """Actions that are counted, as bits in their places."""
    places = _places()
    return _mask(places[at] for at in positions(bits))


def _mask(places: Iterable[int]) -> int:
    bits = 0
    for place in places:
        bits |= 1 << place
    return bits
