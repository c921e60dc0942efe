"""The ways into a principal and out of it as a drawing in columns: who reaches it on the left, what it reaches on the right.

Knows hops and numbers; must not know policies. Bounded whatever the graph is like: few columns, few places in each, and
what has no place is counted. Pure: the same hops give the same drawing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plumbline.assess import service_accounts
from plumbline.assess.known_keys import EVERYBODY
from plumbline.assess.reach import Hop

DEPTH = 3  # columns on each side
MOST = 7  # nodes in a column
WIDTH, HEIGHT, GAP_X, GAP_Y = 204, 42, 72, 14
_MARGIN = 8
_RANK = {"confirmed": 0, "conditional": 1, "unconfirmed": 2}


@dataclass(frozen=True, slots=True)
class Node:
    """`name`: ARN, service, provider, service account or `*`; empty where it stands for others that have no place. `kind`:
    focus, role, user, account, service, provider, workload, everybody or more."""

    name: str
    title: str
    subtitle: str
    kind: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Edge:
    """A curve from the right side of a node to the left side of another."""

    path: str
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: float
    height: float
    into: int
    out: int


def drawing(arn: str, into: Mapping[str, Sequence[Hop]], out: Mapping[str, Sequence[Hop]]) -> Drawing | None:
    """None where no hop leads in or out. `into`: target -> hops; `out`: source -> hops."""
    left, right = _Side(arn, into, backwards=True), _Side(arn, out, backwards=False)
    if not left.hops and not right.hops:
        return None
    columns = [*reversed(left.columns), [arn], *right.columns]
    more = [*reversed(left.more), 0, *right.more]
    tallest = max(len(column) + (count > 0) for column, count in zip(columns, more, strict=True))
    height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 2 * _MARGIN
    nodes: list[Node] = []
    places: dict[tuple[int, str], Node] = {}
    for at, (column, count) in enumerate(zip(columns, more, strict=True)):
        x = _MARGIN + at * (WIDTH + GAP_X)
        size = len(column) + (count > 0)
        y = (height - size * (HEIGHT + GAP_Y) + GAP_Y) / 2
        for row, name in enumerate(column):
            node = Node(name, *_said(name, focus=name == arn), x, y + row * (HEIGHT + GAP_Y))
            nodes.append(node)
            places[at, name] = node
        if count:
            last = y + len(column) * (HEIGHT + GAP_Y)
            nodes.append(Node("", f"{count:,} more", "in the lists below", "more", x, last))
    middle = len(left.columns)
    edges = [*_edges(left.hops, places, middle, -1), *_edges(right.hops, places, middle, 1)]
    width = len(columns) * (WIDTH + GAP_X) - GAP_X + 2 * _MARGIN
    return Drawing(tuple(nodes), tuple(edges), width, height, left.reached, right.reached)


class _Side:
    """What is reached in one direction, breadth first. `hops`: (distance of the nearer end, hop)."""

    def __init__(self, arn: str, following: Mapping[str, Sequence[Hop]], *, backwards: bool) -> None:
        self.columns: list[list[str]] = []
        self.more: list[int] = []
        self.hops: list[tuple[int, Hop]] = []
        self.reached = 0
        seen, here = {arn}, [arn]
        for distance in range(DEPTH):
            found: dict[str, list[Hop]] = {}
            for near in here:
                for hop in following.get(near, ()):
                    far = hop.source if backwards else hop.target
                    if far not in seen:
                        found.setdefault(far, []).append(hop)
            if not found:
                return
            order = sorted(found, key=lambda far: (min(_RANK[hop.status] for hop in found[far]), far))
            kept = order[:MOST]
            # Beside what they hang on, so that few lines cross.
            row = {name: at for at, name in enumerate(here)}
            near_of = {far: min(row[hop.target if backwards else hop.source] for hop in found[far]) for far in kept}
            kept.sort(key=lambda far: (near_of[far], order.index(far)))
            self.columns.append(kept)
            self.more.append(len(order) - len(kept))
            self.reached += len(order)
            self.hops += [(distance, hop) for far in kept for hop in found[far]]
            seen.update(order)
            here = kept


def _edges(
    hops: Sequence[tuple[int, Hop]], places: Mapping[tuple[int, str], Node], middle: int, direction: int
) -> Iterator[Edge]:
    for distance, hop in hops:
        near, far = middle + direction * distance, middle + direction * (distance + 1)
        source, target = (far, near) if direction < 0 else (near, far)
        one, other = places[source, hop.source], places[target, hop.target]
        x1, y1, x2, y2 = one.x + WIDTH, one.y + HEIGHT / 2, other.x, other.y + HEIGHT / 2
        bend = GAP_X / 2
        path = f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2 - 5:g},{y2:g}"
        yield Edge(path, hop.status, told(hop))


def told(hop: Hop) -> str:
    """A hop in words."""
    conditions = f", if {', '.join(hop.conditions)}" if hop.conditions else ""
    return f"{hop.source} → {hop.target} ({hop.basis}, {hop.status}{conditions})"


def _said(name: str, *, focus: bool) -> tuple[str, str, str]:
    """Title, subtitle, kind."""
    if name == EVERYBODY:
        return "everybody", "any AWS account", "everybody"
    workload = service_accounts.of_node(name)
    if workload is not None:
        cluster, accounts = workload
        title = "any service account" if accounts == service_accounts.ANY else _cut(accounts)
        return title, f"EKS {_cut(cluster.rpartition('/')[2])}", "workload"
    parts = name.split(":", 5)
    if len(parts) < 6:
        return _cut(name), "AWS service", "service" if name.endswith(".amazonaws.com") else "provider"
    account, what = parts[4], parts[5]
    kind, _, path = what.partition("/")
    if what == "root":
        return account, "another account", "account"
    title = _cut(path.rpartition("/")[2])
    if kind in ("saml-provider", "oidc-provider"):
        return _cut(path), f"provider in {account}", "provider"
    return title, f"{kind} in {account}", "focus" if focus else kind


def _cut(text: str) -> str:
    return text if len(text) <= 22 else f"{text[:10]}…{text[-10:]}"
