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
_UNKNOWN = 1  # a bit, the lowest
_NOTHING, _UNREAD = Granted(0, 0), Granted(0, 0, known=False)


@dataclass(frozen=True, slots=True)
class Reach:
    """`roles`: which it reaches, itself left out; `accounts`: other accounts with such roles. `privileged` and `data`: how
    many privileged actions and actions on data it and they are granted together."""

    roles: int = 0
    accounts: int = 0
    privileged: int = 0
    data: int = 0


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """`known` False: what it, or a role that it may reach, is granted is not known. Then `at_most` holds what can be read,
    and the truth may be more; `confirmed` counts no action of such a principal."""

    confirmed: Reach
    at_most: Reach
    known: bool = True


@dataclass(frozen=True, slots=True)
class BlastRadii:
    """`of`: ARN or name -> blast radius, sorted: of every principal but service-linked roles, and of every source of a hop
    that is outside of the data. `unplaced`: roles whose trust policy could not be read; they are in nobody's figures."""

    of: Mapping[str, BlastRadius]
    unplaced: tuple[str, ...] = ()


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
    memory: int = MEMORY,
) -> BlastRadii:
    """The blast radius of every principal. `hops`: those of `reach.hops` over the same principals and accounts. `granted`
    is asked once for each principal, and only a few bits of each answer are kept. `memory`: bytes for the sets that are
    held at a time."""
    every = [hop for hop in hops if hop.source != hop.target]
    known = nodes(principals, every, accounts)
    certain = Certainty(principals, accounts)
    labels = _Labels(principals, known, granted)
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
        found = BlastRadius(confirmed.reach(node), at_most.reach(node), at_most.known(node))
        of[name] = once.setdefault(found, found)
    return BlastRadii(of, tuple(sorted(arn for arn, p in principals.items() if trust_unread(p))))


class _Labels:
    """What is counted besides roles, as bits of each node: that something is unknown, its account, and its actions that
    are privileged or on data. The masks say which bits count as what."""

    def __init__(
        self, principals: Mapping[str, Principal], known: Nodes, granted: Callable[[Principal], Granted]
    ) -> None:
        self.inside = [account is not None for account in known.accounts]
        accounts = {name: at for at, name in enumerate(sorted({a for a in known.accounts if a is not None}), 1)}
        first = len(accounts) + 1
        self.width = first + _counted().bit_count()
        self.accounts = _mask(accounts.values())
        self.privileged, self.data = (_of_counted(bits) << first for bits in (catalogue().privileged, data_actions()))
        self.readable: list[int] = []
        self.certain: list[int] = []
        for name, account in zip(known.names, known.accounts, strict=True):
            mark = 0 if account is None else 1 << accounts[account]
            access = _UNREAD if name not in principals and account is not None else _NOTHING
            if name in principals:
                access = granted(principals[name])
            actions = _of_counted(access.granted & _counted()) << first
            self.readable.append(mark | actions | (0 if access.known else _UNKNOWN))
            self.certain.append(mark | actions if access.known else mark)


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

    def known(self, node: int) -> bool:
        return not self._unknown[self._component[node]]

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
