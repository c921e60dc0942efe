"""What one principal may do, action by action, with the keys that are known of it; what is not known is told apart.

Knows a principal, its policies, boundary and SCPs, and asks the engine. Must not know ways to escalate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from plumbline.assess.assuming import Entry, entry, request_of
from plumbline.assess.escalation_resources import SOME, resources
from plumbline.assess.escalation_ways import ASSUME_ROLE
from plumbline.assess.guardrails import document, scps
from plumbline.assess.known_keys import (
    NO_ORGANIZATION,
    RESOURCE_TAGS,
    Keys,
    Known,
    no_tag,
    organization,
    principal_tags,
    resource_tags,
)
from plumbline.iam.authorize import Layers, authorize
from plumbline.iam.conditions import Context
from plumbline.iam.documents import canonical
from plumbline.iam.principals import Caller, Naming
from plumbline.iam.statements import (
    CompiledDocument,
    CompiledStatement,
    Documents,
    Request,
    ResourceSet,
    about,
    row,
)
from plumbline.model.snapshot import Account, Policy, Principal

TRUST = "trust"  # stands for the trust policy of the target among policies
UNREAD = -1
_NOTHING = Context({})
# With both of these a user has sessions with whatever tags it wants. They can call nothing of STS itself.
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
_FEDERATING = ("sts:GetFederationToken", "sts:TagSession")
_STS = "sts:"
# What a request has of these the caller cannot choose.
_FACTS = ("aws:principalorg", "aws:resourceorg", "aws:sourceorg", *RESOURCE_TAGS)


@dataclass(frozen=True, slots=True, order=True)
class Via:
    """The statement that allows an action. `policy`: Policy.key, or `trust` for the trust policy of the target.
    `statement`: its index, or UNREAD where the policy could not be read."""

    action: str
    policy: str
    statement: int
    sid: str | None = None


@dataclass(frozen=True, slots=True)
class Answer(Entry):
    """It is, or may be, allowed. `action`: as ways spell it."""

    action: str

    @property
    def conditional(self) -> bool:
        """Does it depend on what the caller may supply, such as MFA, source IP or the time?"""
        return any(not _is_fact(key) for key in self.outcome.missing_keys)


def best(answers: Iterable[Answer | None]) -> Answer | None:
    """The first that is certain, else the first that does not depend on the caller, else the first."""
    found: Answer | None = None
    for answer in answers:
        if answer is None:
            continue
        if answer.certain:
            return answer
        if found is None or (found.conditional and not answer.conditional):
            found = answer
    return found


class Asking:
    """One principal, ready to be asked about."""

    def __init__(self, principal: Principal, accounts: Mapping[str, Account]) -> None:
        self._principal = principal
        self._layers = Layers(
            identity=tuple(document(p.document) for p in principal.policies),
            boundary=() if principal.boundary is None else (document(principal.boundary.document),),
            scps=scps(principal, accounts.get(principal.account)),
        )
        self._who = Caller(principal.kind, principal.name, principal.arn, principal.account, partition(principal.arn))
        self._accounts = accounts
        self._tags = principal_tags(principal)
        own = {"aws:userid": (principal.unique_id,)} if principal.kind == "user" else {}
        of = organization("principal", accounts.get(principal.account))
        self._known: Keys = {**self._who.keys(), **own, **of}
        self._anywhere: dict[tuple[object, ...], Answer | None] = {}
        self._asked_about: dict[str, tuple[frozenset[str], tuple[ResourceSet, ...]]] = {}
        self._federates = False  # while it is found out, because `on` reads it
        self._federates = self._tags is not None and self._may_federate()

    def on(
        self,
        action: str,
        resource: str,
        keys: Keys,
        *,
        account: str | None = None,
        trust: Documents = (),
        rcps: tuple[Documents, ...] = (),
        who: Caller | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Answer | None:
        """On one resource. `account`: that of the resource, if it is another. `who`: one session of the role. `tags`:
        those of the resource, where they are known."""
        owner = account or self._principal.account
        of = organization("resource", self._accounts.get(owner))
        values = {**self._known, **resource_tags(tags), **of, **keys, "aws:resourceaccount": (owner,)}
        layers = self._layers
        if trust or rcps:
            layers = Layers(layers.identity, layers.boundary, resource=trust, scps=layers.scps, rcps=rcps)

        def asked(own: Keys | None) -> Answer | None:
            absent = no_tag(principal=own is not None, resource=tags is not None)
            context = Context({**values, **(own or {})}, complete=False, absent=absent)
            request = Request(who or self._who, action.lower(), resource, owner, context)
            outcome = authorize(request, layers)
            return Answer(request, outcome, action) if outcome.may_allow else None

        answer = asked(self._tags)
        if answer is None and self._federates and not action.lower().startswith(_STS):
            return asked(None)
        return answer

    def _may_federate(self) -> bool:
        own = self._principal
        if own.kind != "user":
            return False
        of = partition(own.arn)
        forms = (f"arn:{of}:sts::{own.account}:federated-user/{SOME}", f"arn:{of}:iam::{own.account}:user/{SOME}")
        # No role is asked; but as for roles, the engine wants a policy that allows sts:TagSession.
        return all(self.anywhere(action, forms, {}, trust=(delegating(own.account, action),)) for action in _FEDERATING)

    def turns_on(self, action: str) -> frozenset[str]:
        """The condition keys on which policies make an action depend, in lower case; the resource itself is apart."""
        return self._about(action)[0]

    def sees(self, action: str, resource: str) -> tuple[object, ...]:
        """What policies make of a resource that an action is on: equal for resources that they do not tell apart."""
        limits = self._about(action)[1]
        if any(limit.parts for limit in limits):
            return (resource,)
        return tuple([limit.matches(resource, _NOTHING) for limit in limits])

    def _about(self, action: str) -> tuple[frozenset[str], tuple[ResourceSet, ...]]:
        if action not in self._asked_about:
            spoken = [
                statement
                for documents in self._in_force()
                for at in about(documents, action.lower())
                for _, statement in (row(documents)[at],)
                if statement is not None and not statement.always
            ]
            limits = (s.resources for s in spoken if s.resources is not None and not s.resources.everything)
            self._asked_about[action] = (frozenset[str]().union(*map(_keys, spoken)), tuple(dict.fromkeys(limits)))
        return self._asked_about[action]

    def anywhere(
        self, action: str, forms: Sequence[str], keys: Keys, *, trust: Documents = (), foreign: bool = False
    ) -> Answer | None:
        """On some resource of these forms that need not be in the data. `foreign`: in the account that its ARN names,
        instead of the principal's own."""
        asked = (action, tuple(forms), tuple(sorted(keys.items())), trust)
        if asked not in self._anywhere:
            self._anywhere[asked] = best(
                self.on(action, resource, keys, trust=trust, account=resource.split(":")[4] if foreign else None)
                for form in forms
                for resource in resources(action, form, self._in_force(), self._variables())
            )
        return self._anywhere[asked]

    def _variables(self) -> Keys:
        return self._known if self._federates else {**self._known, **(self._tags or {})}

    def via(self, answer: Answer) -> Iterator[Via]:
        """The statements that allow it."""
        found = False
        identity = self._layers.identity
        for at in about(identity, answer.request.action):
            index, statement = row(identity)[at]
            key = self._principal.policies[index].key
            if statement is None:
                if not answer.certain:
                    yield Via(answer.action, key, UNREAD)
            elif statement.allow and statement.applies(answer.request) is not False:
                found = True
                yield Via(answer.action, key, statement.origin.index, statement.origin.sid)
        if not found:
            yield from self._by_trust(answer)

    def _by_trust(self, answer: Answer) -> Iterator[Via]:
        for hit in answer.outcome.decided_by:
            if hit.layer == "resource" and (hit.statement is None or hit.statement.allow):
                origin = None if hit.statement is None else hit.statement.origin
                at = (UNREAD, None) if origin is None else (origin.index, origin.sid)
                yield Via(answer.action, TRUST, *at)

    def _in_force(self) -> list[Documents]:
        layers = self._layers
        return [layers.identity, *([layers.boundary] if layers.boundary else []), *layers.scps]


def assumes(answer: Answer, principal: Principal | None = None) -> Iterator[str]:
    """What had to be assumed because it is not in the data; `principal`: who asks, unless it is a service."""
    for hit in answer.unread:
        if hit.layer == "resource":
            yield f"the trust policy of {answer.request.resource}, which could not be read, allows it"
        elif hit.layer == "rcp":
            yield f"the RCPs of account {answer.request.resource_account}, which could not be read, allow it"
        elif principal is not None and hit.layer == "scp":
            yield f"the SCPs of account {principal.account}, which could not be read, allow it"
        elif principal is not None:
            policy = principal.policies[hit.policy] if hit.layer == "identity" else principal.boundary
            yield f"{'' if policy is None else policy.key} of {principal.arn}, which could not be read, allows it"
    for key in answer.outcome.missing_keys:
        if _is_fact(key):
            yield f"{key} of {answer.request.resource}, which is not in the data, is as a condition wants it"


def unreadable(arn: str, policies: Iterable[Policy]) -> Iterator[str]:
    """Those that leave open what a principal or group is granted."""
    for policy in policies:
        if document(policy.document) is None:
            yield f"{policy.key} of {arn}, which could not be read, leaves open whether the target adds access"


def trusted(role: Principal, services: Iterable[str], accounts: Mapping[str, Account]) -> Answer | None:
    """May one of these services act as the role, working for the role's own account?"""
    trust = document(role.trust, "resource")
    named = [who for who in map(_service, services) if _may_name(trust, who)]
    if not named:
        return None
    source = {**organization("source", accounts.get(role.account)), "aws:sourceaccount": (role.account,)}
    found = []
    for who in named:
        known = Known({**who.keys(), **NO_ORGANIZATION, **source}, no_tag(principal=True, resource=False))
        let_in = entry(request_of(who, ASSUME_ROLE.lower(), role, known, accounts), None, trust, accounts)
        found.append(None if let_in is None else Answer(let_in.request, let_in.outcome, ASSUME_ROLE))
    return best(found)


@cache
def _service(name: str) -> Caller:
    return Caller("service", name)


def _may_name(trust: CompiledDocument | None, who: Caller) -> bool:
    """Without this no decision has to be made: most roles name no service, or another."""
    if trust is None:
        return True
    return any(one.allow and one.naming(who) is not Naming.NONE for one in trust.statements)


@cache
def delegating(account: str, action: str) -> CompiledDocument | None:
    """A policy of a resource that leaves it to an account's own policies who does it."""
    statement = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": action}
    return document(canonical({"Version": "2012-10-17", "Statement": statement}), "resource")


def partition(arn: str) -> str:
    return arn.split(":", 2)[1]


@lru_cache(maxsize=65536)
def _keys(statement: CompiledStatement) -> frozenset[str]:
    found = {key for clause in statement.clauses for key in (clause.key, *clause.variable_keys)}
    if statement.resources is not None:
        found |= {variable.key for variable in statement.resources.variables}
    return frozenset(found)


def of_resource(key: str) -> bool:
    """May a condition key have another value for another resource of the same account?"""
    return key == "iam:permissionsboundary" or _is_fact(key)


def _is_fact(key: str) -> bool:
    low = key.lower()
    return low.startswith(_FACTS) or ":resourcetag/" in low
