"""Granted access in detail: which actions, by which statements, on what and when; unconditional and conditional apart.

Knows policies of one principal; not usage. Counting actions alone is `granted`, which is faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import PolicyError, Statement, parse_identity
from plumbline.iam.granted import Granted, PrincipalLike, ScpLevels, granted, statement_bits
from plumbline.iam.granted import grants as speaks

AccessKind = Literal["unconditional", "conditional", "unknown"]
LimitLayer = Literal["identity", "boundary", "scp"]


@dataclass(frozen=True, slots=True)
class Source:
    """A statement and where it stands: `policy` is Policy.key, or the position of an SCP in its level."""

    layer: LimitLayer
    level: int | None
    policy: str
    statement: Statement


@dataclass(frozen=True, slots=True)
class AccessGroup:
    """Actions that the same statements grant and limit.

    `limits`: Deny statements that apply to some resources or under some conditions, and the Allow statements of a
    boundary or SCP level that lets only a part through. Without limits, access is unconditional on the resources that
    granting statements without a condition name. It is unknown when a document could not be read, which may deny it or
    not let it through. `names`: patterns that the catalogue does not know.
    """

    kind: AccessKind
    actions: int
    names: tuple[str, ...]
    grants: tuple[Source, ...]
    limits: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """`granted` says also what is masked, and whether all documents are known."""

    granted: Granted
    groups: tuple[AccessGroup, ...]


def access_of(principal: PrincipalLike, scp_levels: ScpLevels | None, *, scp_exempt: bool = False) -> Access:
    """What the principal is granted after Deny, boundary and SCPs; arguments as of `granted`.

    RCPs are the resource's, so they are not part of it.
    """
    total = granted(principal, scp_levels, scp_exempt=scp_exempt)
    identity = [s for p in principal.policies for s in _sources("identity", None, p.key, p.document)]
    layers = list(_layers(principal, () if scp_exempt else scp_levels or ()))
    limits = [s for s in identity if s.statement.effect == "Deny"]
    limits += [s for layer in layers for s in layer if s.statement.effect == "Deny"]
    grants = [s for s in identity if s.statement.effect == "Allow"]
    groups = [
        AccessGroup(_kind(granting, limiting) if total.known else "unknown", bits, (), granting, limiting)
        for bits, granting, limiting in _split(total.granted, grants, limits, layers)
    ]
    kind: AccessKind = "conditional" if total.known else "unknown"
    groups += [_unknown(name, kind, grants) for name in sorted(total.granted_unknown, key=str.lower)]
    return Access(total, tuple(groups))


def _sources(layer: LimitLayer, level: int | None, policy: str, document: str | None) -> Iterator[Source]:
    """The statements of a document; none of one that cannot be read, which `granted` tells."""
    if document is None:
        return
    try:
        statements = parse_identity(document).statements
    except PolicyError:
        return
    yield from (Source(layer, level, policy, s) for s in statements)


def _layers(principal: PrincipalLike, scp_levels: ScpLevels) -> Iterator[list[Source]]:
    """The statements of every layer that must allow too. One that could not be read limits nothing here, as in
    `granted`; a document that was read has statements."""
    if principal.boundary is not None:
        boundary = list(_sources("boundary", None, principal.boundary.key, principal.boundary.document))
        yield from [boundary] if boundary else ()
    levels = [
        [list(_sources("scp", level, str(at), d)) for at, d in enumerate(documents)]
        for level, documents in enumerate(scp_levels)
    ]
    if all(found for level in levels for found in level):
        yield from ([source for found in level for source in found] for level in levels)


def _split(
    actions: int, grants: Sequence[Source], limits: Sequence[Source], layers: Sequence[Sequence[Source]]
) -> list[tuple[int, tuple[Source, ...], tuple[Source, ...]]]:
    """The actions, split until in each group the same statements speak about all; in catalogue order."""
    groups: list[tuple[int, tuple[Source, ...], tuple[Source, ...]]] = [(actions, (), ())] if actions else []
    for source in grants:
        groups = list(_refine(groups, source, grant=True))
    for source in limits:
        groups = list(_refine(groups, source, grant=False))
    for layer in layers:
        groups = [part for group in groups for part in _through(group, layer)]
    return sorted(groups, key=lambda g: g[0] & -g[0])


def _refine(
    groups: Iterable[tuple[int, tuple[Source, ...], tuple[Source, ...]]], source: Source, *, grant: bool
) -> Iterator[tuple[int, tuple[Source, ...], tuple[Source, ...]]]:
    bits = statement_bits(source.statement)
    for actions, grants, limits in groups:
        inside = actions & bits
        if inside:
            yield inside, (*grants, source) if grant else grants, limits if grant else (*limits, source)
        if actions ^ inside:
            yield actions ^ inside, grants, limits


def _through(
    group: tuple[int, tuple[Source, ...], tuple[Source, ...]], layer: Sequence[Source]
) -> Iterator[tuple[int, tuple[Source, ...], tuple[Source, ...]]]:
    """What a layer lets through on all resources without a condition passes as it is; the rest is limited by it."""
    actions, grants, limits = group
    allowing = [s for s in layer if s.statement.effect == "Allow"]
    freely = 0
    for source in allowing:
        if source.statement.all_resources:
            freely |= statement_bits(source.statement)
    if actions & freely:
        yield actions & freely, grants, limits
    rest = actions & ~freely
    if rest:
        partial = [s for s in allowing if not s.statement.all_resources]
        yield from ((bits, grants, (*limits, *by)) for bits, by, _ in _split(rest, partial, (), ()) if by)


def _kind(grants: Sequence[Source], limits: Sequence[Source]) -> AccessKind:
    free = any(not s.statement.conditions for s in grants)
    return "unconditional" if free and not limits else "conditional"


def _unknown(name: str, kind: AccessKind, sources: Sequence[Source]) -> AccessGroup:
    """A pattern that the catalogue does not know stays; what limits it is not looked for, so it is never unconditional."""
    granting = tuple(s for s in sources if speaks(s.statement, name))
    return AccessGroup(kind, 0, (name,), granting, ())


def names_of(group: AccessGroup) -> tuple[str, ...]:
    """The actions of a group by name."""
    return (*catalogue().names_of(group.actions), *group.names)
