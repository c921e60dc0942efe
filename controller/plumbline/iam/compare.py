"""Does a new policy allow anything that the existing one does not? Over all strings, not over known names.

Knows documents; not accounts or usage. No new access is a proof; every new access has an example that was checked
statement by statement; what is too complex is undecided. Modelled on CheckNoNewAccess:
https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_CheckNoNewAccess.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, product
from typing import Literal

from plumbline.iam import values, variables
from plumbline.iam.catalogue import catalogue
from plumbline.iam.conditions import Clause, Context, Values
from plumbline.iam.documents import Document, PolicyError, Statement, parse_identity, parse_resource
from plumbline.iam.principals import Caller, CallerKind, Naming
from plumbline.iam.regions import Block, Budget, Part, Region, Strings, outside
from plumbline.iam.representatives import CALLER_KEYS, callers
from plumbline.iam.spaces import Space, World
from plumbline.iam.statements import CompiledStatement, Request
from plumbline.iam.strings import Pattern, TooComplexError, Wild, glob, limited, literal, matches, witness
from plumbline.iam.variables import Parts

PolicyType = Literal["identity", "resource", "trust", "scp", "rcp", "boundary"]
Result = Literal["noNewAccess", "newAccess", "undecided"]
TYPES: tuple[PolicyType, ...] = ("identity", "resource", "trust", "scp", "rcp", "boundary")

_ANY_ACTION = glob("?*:?*")
_ANYTHING = glob("*")
_ARN_SHAPES = (glob("arn:?*:?*:*:*:?*"), glob("arn:*"), glob("?*"))  # what an example had best look like
_TRUST_ACTIONS = ("sts:AssumeRole*", "sts:TagSession", "sts:SetSourceIdentity")
_ROLE = "arn:aws:iam::999999999999:role/x"  # the resource of a trust policy
_MOST_REGIONS = 5000  # for one pair of policies
_MOST_WORK = 2_000_000  # steps of patterns
_MOST_SCENES = 512
_MOST_CHOICES = 128  # for one caller
_MOST_SEARCH = 300  # regions and scenes, for examples of what is suspected
_MOST_EXAMPLES = 3  # of one region
_FRESH = "x"
_MOST_FITS = 4  # values that are tried where two patterns with variables meet
# RCPFullAWSAccess is always attached:
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
_RCP_FULL_ACCESS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    }
)
TOO_COMPLEX = "the statements overlap in more ways than are looked at"
LINKED = "it depends on how the values of policy variables go together with other elements"
CANONICAL = "it depends on whether a canonical user id is the account of the caller"


@dataclass(frozen=True, slots=True)
class Example:
    """A request that only the new policy allows. `context`: key as written -> values, beside what the principal says."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Reason:
    """The statement of the new documents that allows it: `policy` is the position of its document."""

    policy: int
    statement: int
    sid: str | None
    example: Example


@dataclass(frozen=True, slots=True)
class Comparison:
    """At most one reason for each statement. `undecided`: the statements, by document and index, of which it is not
    known whether they give new access."""

    result: Result
    reasons: tuple[Reason, ...] = ()
    undecided_because: tuple[str, ...] = ()
    undecided: frozenset[tuple[int, int]] = frozenset()


def compare(kind: PolicyType, existing: Sequence[str], new: Sequence[str], within: Sequence[str] = ()) -> Comparison:
    """Documents of each side act together. `within`: documents that must allow a request too, the same on both sides,
    such as a boundary. Raises PolicyError for what is no legal policy of its kind."""
    old, fresh, limits = (tuple(parsed(kind, d) for d in documents) for documents in (existing, new, within))
    sides = _Sides(kind, old, fresh, limits)
    with limited(_MOST_WORK):
        return _compared(sides)


def _compared(sides: _Sides) -> Comparison:
    reasons: list[Reason] = []
    because: set[str] = set()
    undecided: set[tuple[int, int]] = set()
    for policy, statement in sides.granting():
        origin = statement.compiled.origin
        doubts: set[str] = set()
        example: Example | None = None
        try:
            example = _new_access(sides, statement, doubts)
        except TooComplexError:
            doubts.add(TOO_COMPLEX)
        if example is not None:
            reasons.append(Reason(policy, origin.index, origin.sid, example))
        elif doubts:
            because |= doubts
            undecided.add((policy, origin.index))
    result: Result = "newAccess" if reasons else "undecided" if because else "noNewAccess"
    return Comparison(result, tuple(reasons), tuple(sorted(because)), frozenset(undecided))


def equal(kind: PolicyType, left: Sequence[str], right: Sequence[str]) -> bool | None:
    """Do both allow the same? None when that is undecided. Raises PolicyError."""
    results = {compare(kind, left, right).result, compare(kind, right, left).result}
    if "newAccess" in results:
        return False
    return None if "undecided" in results else True


def parsed(kind: PolicyType, document: str) -> Document:
    """Raises PolicyError when the document is no legal policy of this kind."""
    if kind in ("identity", "boundary", "scp"):
        return parse_identity(document)
    found = parse_resource(document)
    for statement in found.statements if kind == "trust" else ():
        if statement.resources is not None or statement.not_resources is not None:
            raise PolicyError(f"$.Statement[{statement.index}].Resource", "is no element of a trust policy")
    return found


class _Statement:
    """A statement of one side. `spelled`: equal for statements that say the same but for their Sid."""

    def __init__(self, document: Document, statement: Statement) -> None:
        self.compiled = CompiledStatement(statement, document.variables)
        self.allow = self.compiled.allow
        self.actions = Strings(
            [_action_pattern(a.lower()) for a in statement.actions or statement.not_actions or ()],
            negated=statement.actions is None,
        )
        resources = statement.resources or statement.not_resources
        self.resources: tuple[Parts, ...] | None = (
            None
            if resources is None
            else tuple(dict.fromkeys(variables.parse(r, variables=document.variables) for r in resources))
        )
        self.resources_negated = statement.resources is None
        self.spelled = _spelled(document, statement)


def _action_pattern(text: str) -> Pattern:
    """No action is without a name after the colon, so the star there is never nothing."""
    return glob(text[:-1] + "?*" if text.endswith(":*") else text)


def _spelled(document: Document, s: Statement) -> tuple[object, ...]:
    def ordered(texts: Sequence[str] | None, *, lower: bool = False) -> tuple[str, ...] | None:
        return None if texts is None else tuple(sorted({t.lower() if lower else t for t in texts}))

    return (
        document.variables,
        s.effect,
        ordered(s.actions, lower=True),
        ordered(s.not_actions, lower=True),
        ordered(s.resources),
        ordered(s.not_resources),
        s.principals,
        s.not_principals,
        tuple((c.operator, c.key.lower(), ordered(c.values)) for c in s.conditions),
    )


@dataclass(frozen=True)
class _Sides:
    kind: PolicyType
    existing: tuple[Document, ...]
    new: tuple[Document, ...]
    within: tuple[Document, ...] = ()
    budget: Budget = field(default_factory=lambda: Budget(_MOST_REGIONS))
    search: Budget = field(default_factory=lambda: Budget(_MOST_SEARCH))

    @cached_property
    def old(self) -> list[_Statement]:
        return self._statements(self.existing)

    @cached_property
    def fresh(self) -> list[_Statement]:
        return self._statements(self.new)

    @cached_property
    def limits(self) -> list[_Statement]:
        return [_Statement(d, s) for d in self.within for s in d.statements]

    def _statements(self, documents: Sequence[Document]) -> list[_Statement]:
        implied = (parse_resource(_RCP_FULL_ACCESS),) if self.kind == "rcp" else ()
        return [_Statement(d, s) for d in (*documents, *implied) for s in d.statements]

    @cached_property
    def lost(self) -> list[_Statement]:
        """Existing Deny statements that the new documents do not repeat."""
        kept = {s.spelled for s in self.fresh if not s.allow}
        return [s for s in self.old if not s.allow and s.spelled not in kept]

    def granting(self) -> Iterator[tuple[int, _Statement]]:
        """(position of the document, Allow statement) of the new side, but those that the existing side has alike."""
        known = {s.spelled for s in self.old if s.allow} if not self.lost else set()
        owners = [policy for policy, d in enumerate(self.new) for _ in d.statements]
        owners += [len(self.new)] * (len(self.fresh) - len(owners))
        for policy, statement in zip(owners, self.fresh, strict=True):
            if statement.allow and statement.spelled not in known:
                yield policy, statement

    @cached_property
    def everything(self) -> list[_Statement]:
        return [*self.old, *self.fresh, *self.limits]

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        return tuple(dict.fromkeys(c for s in self.everything for c in s.compiled.clauses))

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Condition keys in lower case -> as written."""
        found = [(c.key, c.name) for c in self.clauses]
        found += [(v.key, v.name) for c in self.clauses for v in c.variables]
        found += [
            (v.key, v.name)
            for s in self.everything
            for p in s.resources or ()
            for v in sorted(variables.named(p), key=repr)
        ]
        return dict(reversed(found))

    @cached_property
    def callers(self) -> tuple[Caller, ...]:
        keys = self.resource_keys & CALLER_KEYS
        values_of = {key: sorted(set(self._fitting(key))) for key in keys}
        kinds: tuple[CallerKind, ...] = ("user", "role", "federatedUser", *(("root",) if self.kind == "scp" else ()))
        by_anybody = self.kind in ("resource", "trust", "rcp")
        return callers([s.compiled for s in self.everything], values_of, None if by_anybody else kinds)

    @cached_property
    def resource_keys(self) -> frozenset[str]:
        """The keys that variables in Resource elements name."""
        parts = (p for s in self.everything for p in s.resources or ())
        return frozenset[str]().union(*(variables.keys(p) for p in parts))

    @cached_property
    def scenes(self) -> Sequence[_Scene]:
        """Every caller with every choice of values for the variables of Resource elements, or as many as are looked at:
        examples are found there."""
        found: list[_Scene] = []
        try:
            for who, canonical in self.hypotheses:
                for chosen in islice(self._choices(who), _MOST_CHOICES):
                    fixed = {**who.keys(), **chosen}
                    found.append(_Scene(self, who, fixed, self._space(fixed), canonical=canonical))
                    if len(found) > _MOST_SCENES:
                        return found
        except TooComplexError:
            return found
        return found

    @cached_property
    def loose_scenes(self) -> Sequence[_Scene] | None:
        """Every caller, with the variables of Resource elements standing for anything, and those of conditions for
        whatever makes them hold or not: what is not found there, is not anywhere. None when there are too many."""
        loose = bool(self.resource_keys)
        try:
            return [
                _Scene(self, who, who.keys(), self._space(who.keys()), canonical=canonical, loose=loose)
                for who, canonical in self.hypotheses
            ]
        except TooComplexError:
            return None

    @cached_property
    def hypotheses(self) -> Sequence[tuple[Caller, str | None]]:
        """Every caller, first as one of no canonical user id, then as one of each that is named: an id may be any
        account's."""
        named = sorted({i for s in self.everything if s.compiled.principals for i in s.compiled.principals.canonical})
        mine = [who for who in self.callers if named and who.has_identity]
        return [*((who, None) for who in self.callers), *((who, one) for one in named for who in mine)]

    def _space(self, fixed: Mapping[str, Values]) -> Space:
        """Raises TooComplexError."""
        key = tuple(sorted((k, v) for k, v in fixed.items() if k in self._asked))
        if key not in self._spaces:
            self._spaces[key] = Space(self.clauses, dict(key))
        return self._spaces[key]

    @cached_property
    def _asked(self) -> frozenset[str]:
        return frozenset(k for c in self.clauses for k in (c.key, *c.variable_keys))

    @cached_property
    def _spaces(self) -> dict[tuple[tuple[str, Values], ...], Space]:
        return {}

    def _choices(self, who: Caller) -> Iterator[dict[str, Values]]:
        given = who.keys()
        keys = sorted(self.resource_keys - given.keys())
        tried = values.candidates(self.clauses, keys, Context(given, complete=False))
        options = []
        for key in keys:
            texts = dict.fromkeys(v for v in tried[key] if len(v) < 2)
            texts.update(dict.fromkeys((text,) for text in self._fitting(key)))
            options.append(list(texts))
        for choice in product(*options):
            yield dict(zip(keys, choice, strict=True))

    def _fitting(self, key: str) -> Iterator[str]:
        """A fresh value, and values with which a pattern meets another one."""
        parts = list(dict.fromkeys(p for s in self.everything for p in s.resources or ()))
        used = {t for p in parts for t in p if isinstance(t, str)}
        yield next(c * 3 for c in "uvwyz0123456789" if c not in used or c == "9")
        for one in parts:
            if key not in variables.keys(one):
                continue
            for other in parts:
                text = witness((_open(one), _open(other)), ()) if other != one else None
                if text is not None:
                    fits = values.fits(one, text, Context({}, complete=False))[:_MOST_FITS]
                    yield from (value for fit in fits for variable, value in fit.items() if variable.key == key)


def _open(parts: Parts) -> Pattern:
    """The pattern with its variables standing for any text."""
    return Pattern(tuple(Wild.ANY if isinstance(p, variables.Variable) else p for p in parts))


class _Scene:
    """One caller, and values of the keys that go with it. `canonical`: the canonical user id of its account; `loose`:
    see `_Sides.loose_scenes`."""

    def __init__(
        self,
        sides: _Sides,
        who: Caller,
        fixed: Mapping[str, Values],
        space: Space,
        *,
        canonical: str | None,
        loose: bool = False,
    ) -> None:
        self.sides = sides
        self.who = who
        self.fixed = fixed
        self.space = space
        self.canonical = canonical
        self.loose = loose
        self._blocks: dict[tuple[int, Parts | None], Block] = {}

    def speaks(self, statement: _Statement) -> bool:
        return _speaks(statement, self.who, self.canonical)

    def resources(self, statement: _Statement, *, widely: bool, near: Parts | None = None) -> Strings | None:
        """The resources of a statement. In a loose scene: `widely`, at least them, otherwise at most; `near` is a
        pattern that counts as covered when it is for every value of its variables."""
        if statement.resources is None:
            return None
        wide = widely != statement.resources_negated
        found: list[Pattern] = []
        for parts in statement.resources:
            if not variables.keys(parts):
                pattern = variables.resolve(parts, {})
            elif not self.loose:
                known = Context(self.fixed).single(variables.keys(parts))
                pattern = variables.resolve(parts, known or {})
            elif wide or (near is not None and not statement.resources_negated and _covers(parts, near)):
                pattern = _open(near if near is not None and not wide else parts)
            else:
                pattern = None
            if pattern is not None:
                found.append(pattern)
        return Strings(found, negated=statement.resources_negated)

    def blocks(self, statements: Sequence[_Statement], near: Parts | None) -> list[Block]:
        """What the statements hold at least; `near`: the pattern of the region that they are compared with."""
        return [self._block(s, near) for s in statements]

    def _block(self, statement: _Statement, near: Parts | None) -> Block:
        key = (id(statement), near)
        found = self._blocks.get(key)
        if found is None:
            resources = self.resources(statement, widely=False, near=near)
            found = self._blocks[key] = Block(statement.actions, resources, statement.compiled.clauses)
        return found

    def regions(self, statement: _Statement, *, real: bool) -> Iterator[tuple[Region, Parts | None]]:
        """The requests of a statement, one region for each action and resource pattern; with the pattern. `real`: only
        with contexts whose values are known."""
        contexts = self.space.everything(real=real)
        for clause in statement.compiled.clauses:
            restricted = self.space.restrict(contexts, clause, wanted=True)
            if restricted is None:
                return
            contexts = restricted
        of_resources = list(self._resource_parts(statement))
        for actions in _parts(statement.actions, _ANY_ACTION):
            for resources, near in of_resources:
                yield Region(actions, resources, contexts), near

    def _resource_parts(self, statement: _Statement) -> Iterator[tuple[Part, Parts | None]]:
        strings = self.resources(statement, widely=True)
        if strings is None:
            yield Part((literal(_ROLE),)), None
        elif self.loose and not statement.resources_negated:
            for parts in statement.resources or ():
                yield Part((_open(parts),)), parts
        else:
            yield from ((part, None) for part in _parts(strings, _ANYTHING))


def _covers(outer: Parts, inner: Parts) -> bool:
    """Does every string that `inner` matches also match `outer`, whatever the values of the variables? In both, the
    same variable is the same text; characters that nothing else names are the hardest to cover, in any number that
    `?` could count."""
    variable = sorted(variables.named(inner), key=lambda v: v.name)
    if not variable or not variables.named(outer) <= set(variable):
        return False
    most = sum(p is Wild.ONE for p in outer) + 1
    for lengths in product(range(most + 1), repeat=len(variable)):
        texts = {v: chr(0xF000 + at) * n for at, (v, n) in enumerate(zip(variable, lengths, strict=True))}
        if witness((_filled(inner, texts),), (_filled(outer, texts),)) is not None:
            return False
    return True


def _filled(parts: Parts, texts: Mapping[variables.Variable, str]) -> Pattern:
    tokens: list[str | Wild] = []
    for part in parts:
        tokens += texts[part] if isinstance(part, variables.Variable) else [part]
    return Pattern(tuple(tokens))


def _parts(strings: Strings, everything: Pattern) -> Iterator[Part]:
    """A set of strings as parts."""
    if strings.negated:
        part = Part.of((everything,), strings.patterns)
        if part is not None:
            yield part
        return
    for pattern in strings.patterns:
        yield Part((everything,) if pattern.everything else (pattern,))


def _new_access(sides: _Sides, statement: _Statement, undecided: set[str]) -> Example | None:
    """A request that this statement allows newly. Raises TooComplexError."""
    if sides.loose_scenes is None:
        raise TooComplexError
    suspects = set[int]()
    for at, scene in enumerate(sides.loose_scenes):
        for region in _candidates(scene, statement, sides.budget, real=False):
            suspects.add(at)
            example = _checked(scene, statement, region, undecided)
            if example is not None:
                return example
            break
    if not suspects:
        return None
    undecided.add(LINKED)
    for scene in sides.scenes:
        sides.search.spend()
        for region in _candidates(scene, statement, sides.search, real=True):
            example = _checked(scene, statement, region, undecided)
            if example is not None:
                return example
    return None


def _checked(scene: _Scene, statement: _Statement, region: Region, undecided: set[str]) -> Example | None:
    """An example of the region that is new access by what the statements themselves say."""
    for example in islice(_examples(scene, statement, region), _MOST_EXAMPLES):
        if not _is_new(scene, example, scene.canonical):
            continue
        if scene.canonical is None or _is_allowed(scene, example, None):
            return example
        undecided.add(CANONICAL)
    return None


def _candidates(scene: _Scene, statement: _Statement, budget: Budget, *, real: bool) -> Iterator[Region]:
    """Regions that the new side allows by this statement and the existing side does not: outside of what it allows, or
    inside of what only it denies."""
    if not scene.speaks(statement):
        return
    sides = scene.sides
    allowed = [s for s in sides.old if s.allow and scene.speaks(s)]
    denied = [s for s in sides.fresh if not s.allow and scene.speaks(s)]
    lost = [s for s in sides.lost if scene.speaks(s)]
    denied += [s for s in sides.limits if not s.allow and scene.speaks(s)]
    blocks: tuple[list[Block], list[Block]] | None = None
    for whole, near in scene.regions(statement, real=real):
        if blocks is None or near is not None:
            blocks = scene.blocks(allowed, near), scene.blocks(denied, near)
        known, kept = blocks
        for region in _limited(scene, whole):
            found = outside(region, [*known, *kept], scene.space, budget)
            if found is not None:
                yield found
            for deny in lost:
                for inner in _common(scene, region, deny):
                    found = outside(inner, kept, scene.space, budget)
                    if found is not None:
                        yield found


def _limited(scene: _Scene, region: Region) -> Iterator[Region]:
    """The parts of the region that the limits let through."""
    if not scene.sides.within:
        yield region
    for limit in scene.sides.limits:
        if limit.allow and scene.speaks(limit):
            yield from _common(scene, region, limit)


def _common(scene: _Scene, region: Region, statement: _Statement) -> Iterator[Region]:
    """The parts of the region that a statement speaks about."""
    contexts = region.contexts
    for clause in statement.compiled.clauses:
        restricted = scene.space.restrict(contexts, clause, wanted=True)
        if restricted is None:
            return
        contexts = restricted
    strings = scene.resources(statement, widely=True)
    for actions in _within(region.actions, statement.actions):
        for resources in [region.resources] if strings is None else _within(region.resources, strings):
            yield Region(actions, resources, contexts)


def _within(part: Part, strings: Strings) -> Iterator[Part]:
    """The non-empty parts of a part that are among the strings."""
    yield from part.beyond(strings.complement)


# Examples


def _examples(scene: _Scene, statement: _Statement, region: Region) -> Iterator[Example]:
    """None when no values are known that make such a request."""
    found = scene.space.example(region.contexts)
    action = _action(region.actions)
    if found is None or action is None:
        return
    implied = scene.who.keys()
    context = {k: v for k, v in found.items() if v}
    context.update({k: v for k, v in scene.fixed.items() if v and implied.get(k) != v})
    names = scene.sides.names
    for resources, more in _settled(scene, statement, region.resources, {**found, **context}):
        yield Example(
            principal=scene.who.arn or scene.who.name,
            action=action,
            resource=_resource(resources, action),
            context={names.get(k, k): v for k, v in sorted({**context, **more}.items())},
        )


def _settled(scene: _Scene, statement: _Statement, part: Part, known: World) -> Iterator[tuple[Part, World]]:
    """The resources with the values that the context gives to their variables, and those that it does not give yet."""
    given = {**known, **scene.who.keys()}
    tied = [p for p in statement.resources or () if variables.keys(p)]
    if not scene.loose or statement.resources_negated or len(tied) < len(statement.resources or ()):
        yield part, {}
    for parts in tied if scene.loose else ():
        more = {k: (_FRESH,) for k in variables.keys(parts) if k not in given}
        pattern = variables.resolve(parts, Context({**given, **more}).single(variables.keys(parts)) or {})
        settled = None if pattern is None else Part.of((*part.inside, pattern), part.outside)
        if settled is not None:
            yield settled, more


def _action(part: Part) -> str | None:
    """A known action where there is one. None when none is among them at all."""
    known = catalogue()
    bits = known.all
    for pattern in part.inside:
        bits &= known.expand(pattern.text)
    for pattern in part.outside:
        bits &= ~known.expand(pattern.text)
    # What a trust policy must allow too makes no good example.
    bits = bits & ~known.expand_all(_TRUST_ACTIONS) or bits
    if bits:
        return known.names[(bits & -bits).bit_length() - 1]
    return witness((*part.inside, _ANY_ACTION), part.outside)


def _resource(part: Part, action: str) -> str:
    service = action.partition(":")[0]
    for shape in (glob(f"arn:aws:{service}:*:*:?*"), *_ARN_SHAPES):
        try:
            found = witness((*part.inside, shape), part.outside)
        except TooComplexError:
            continue
        if found is not None:
            return found
    return part.example()


def _is_new(scene: _Scene, example: Example, canonical: str | None) -> bool:
    """Checked by the statements themselves, as the authorizer asks them."""
    sides, request = scene.sides, _request(scene, example)
    inside = not sides.within or _allows(sides.limits, request, canonical)
    return inside and _is_allowed(scene, example, canonical) and not _allows(sides.old, request, canonical)


def _is_allowed(scene: _Scene, example: Example, canonical: str | None) -> bool:
    return _allows(scene.sides.fresh, _request(scene, example), canonical)


def _request(scene: _Scene, example: Example) -> Request:
    context = {**scene.fixed, **{k.lower(): v for k, v in example.context.items()}, **scene.who.keys()}
    return Request(scene.who, example.action.lower(), example.resource, None, Context(context))


def _allows(statements: Sequence[_Statement], request: Request, canonical: str | None) -> bool:
    applying = [s for s in statements if _applies(s, request, canonical)]
    return any(s.allow for s in applying) and all(s.allow for s in applying)


def _applies(statement: _Statement, request: Request, canonical: str | None) -> bool:
    found = any(matches(p, request.action) for p in statement.actions.patterns) != statement.actions.negated
    named = _speaks(statement, request.caller, canonical)
    return found and named and statement.compiled.applies(request) is True


def _speaks(statement: _Statement, who: Caller, canonical: str | None) -> bool:
    """Does the statement name the caller, whose account has this canonical user id, or none that is named?"""
    compiled = statement.compiled
    found = compiled.naming(who)
    if found is None:
        return (compiled.principals is not None and canonical in compiled.principals.canonical) != (
            compiled.principals_negated
        )
    return found is not Naming.NONE
