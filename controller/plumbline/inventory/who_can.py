"""Who of an inventory can do an action on a resource: allowed, conditional and unknown apart.

Knows principals with their policies, and trust policies; must not know how they were read. The decision is the
engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from plumbline.assess import pod_identity, service_accounts
from plumbline.assess.assuming import request_of
from plumbline.assess.guardrails import document, rcps, scps
from plumbline.assess.known_keys import EVERYBODY, PRINCIPAL_TAG, Known, collected, known_of, not_inside, organization
from plumbline.assess.pod_identity import Given
from plumbline.iam.authorize import Hit, Layer, Layers, Outcome, authorize, federated
from plumbline.iam.catalogue import catalogue
from plumbline.iam.conditions import Context
from plumbline.iam.principals import Caller, caller, principal_set
from plumbline.iam.statements import CompiledDocument, CompiledStatement, Documents, Request
from plumbline.model.pod_identity import PodIdentity
from plumbline.model.snapshot import Account, Policy, Principal

AnswerKind = Literal["allowed", "conditional", "unknown"]
_ASSUMING = ("sts:assumerole", "sts:tagsession", "sts:setsourceidentity")
NO_ORGANIZATION = "no SCPs and RCPs are known, so this is an upper bound"
NO_RESOURCE_POLICY = "resource-based policies are not in the data; one could allow more, or deny"
NO_ASSOCIATIONS = "the Pod Identity associations of the role's account are not in the data"
NO_ACCOUNT = "the resource is in the account of each principal"


@dataclass(frozen=True, slots=True)
class Ground:
    """A statement that allows, or may allow or deny. `policy`: Policy.key, or None for the policy of the resource."""

    layer: Layer
    policy: str | None
    statement: int
    sid: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """`why`: for `conditional` the keys that decide, for `unknown` what is not known."""

    principal: str
    kind: AnswerKind
    why: tuple[str, ...]
    by: tuple[Ground, ...]


@dataclass(frozen=True, slots=True)
class WhoCan:
    answers: tuple[Answer, ...]
    assumes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    """`account` None: the resource does not tell it, so it is each principal's own. `role`: to be assumed, in the data."""

    action: str
    resource: str
    account: str | None
    role: Principal | None
    accounts: Mapping[str, Account]
    inside: frozenset[str]  # accounts whose principals are known
    outside: Callable[[str, str], bool]

    @property
    def trust(self) -> Documents:
        return () if self.role is None else (document(self.role.trust, "resource"),)

    def asked_of(self, who: Caller, account: str | None, known: Known) -> Request:
        if self.role is not None:
            return request_of(who, self.action, self.role, known, self.accounts)
        keys = dict(known.keys)
        if account is not None:
            keys |= {**organization("resource", self.accounts.get(account)), "aws:resourceaccount": (account,)}
        context = Context(keys, complete=False, absent=known.absent, impossible=known.impossible)
        return Request(who, self.action, self.resource, account, context)

    def known(self, who: Caller, principal: Principal | None = None) -> Known:
        """Of tags only what holds in any case: a user may give its federated sessions others, which assume no roles."""
        found = known_of(who, principal, self.accounts, self.outside)
        if principal is None or principal.kind == "role" or self.action.startswith(_ASSUMING):
            return found
        return Known({key: values for key, values in found.keys.items() if not key.startswith(PRINCIPAL_TAG)})

    def policy(self, principal: Principal) -> Documents:
        """The policy of the resource; None where one is needed that is not in the data: of a resource in another
        account, a KMS key, or a role."""
        if self.trust:
            return self.trust
        elsewhere = self.account not in (None, principal.account)
        key = self.action.startswith("kms:") and self.resource != "*"  # calls without a key need only the identity side
        return (None,) if elsewhere or key or self.action.startswith(_ASSUMING) else ()


def who_can(
    action: str,
    resource: str,
    principals: Mapping[str, Principal],
    accounts: Mapping[str, Account] | None = None,
    associated: Mapping[str, PodIdentity] = MappingProxyType({}),
) -> WhoCan:
    """Everybody who can or may; those who certainly cannot are left out. Role ARNs stand for their sessions. `accounts`:
    with SCPs and RCPs; None where they are not in the data. `associated`: Pod Identity by account."""
    action, account = action.lower(), _account(resource)
    target = principals.get(resource) if action.startswith(_ASSUMING) else None
    inside = collected((principal.account for principal in principals.values()), accounts or {})
    outside = not_inside(accounts or {}, inside)
    question = _Question(action, resource, account, target, accounts or {}, inside, outside)
    found = [_answer(principal, question) for principal in principals.values()]
    found += _named_by_trust(question, principals)
    if question.action == "sts:assumerole":
        found += _associated(question, principals, associated)
    assumes = [NO_ORGANIZATION] if accounts is None else []
    assumes += [] if question.trust else [NO_RESOURCE_POLICY]
    if action == "sts:assumerole" and target is not None and _pods_unknown(target, associated):
        assumes.append(NO_ASSOCIATIONS)
    assumes += [NO_ACCOUNT] if account is None else []
    assumes += [] if catalogue().expand(action) else [f"the catalogue does not know {action}; patterns may match it"]
    answers = sorted((a for a in found if a is not None), key=lambda a: (a.kind, a.principal))
    return WhoCan(tuple(answers), tuple(sorted(assumes)))


def _pods_unknown(role: Principal, associated: Mapping[str, PodIdentity]) -> bool:
    known = associated.get(role.account)
    return pod_identity.names_pods(role) and not (known is not None and known.complete)


def _answer(principal: Principal, question: _Question, session: Caller | None = None) -> Answer | None:
    """Of a principal of the data; `session`: one of a role's sessions."""
    try:
        own = caller(principal.arn)
    except ValueError:
        return Answer(principal.arn, "unknown", ("the ARN of the principal cannot be read",), ())
    who = session or own
    boundary = () if principal.boundary is None else (principal.boundary,)
    resource = question.policy(principal)
    layers = Layers(
        identity=tuple(_of(p) for p in principal.policies),
        boundary=tuple(_of(p) for p in boundary),
        resource=resource,
        scps=scps(principal, question.accounts.get(principal.account)),
        rcps=rcps(question.accounts.get(question.account or principal.account)),
    )
    outcome = authorize(
        question.asked_of(who, question.account or principal.account, question.known(who, principal)), layers
    )
    why = [f"the document of {p.key} could not be read" for p in (*principal.policies, *boundary) if _of(p) is None]
    if resource == (None,):
        why.append("the policy of the resource is not in the data")
    if any(None in level for level in (*layers.scps, *layers.rcps)):
        why.append("the SCPs or RCPs of an account are not in the data")
    keys: dict[Layer, list[str]] = {
        "identity": [p.key for p in principal.policies],
        "boundary": [p.key for p in boundary],
    }
    return _judged(who.arn or principal.arn, outcome, why, keys)


def _judged(name: str, outcome: Outcome, unknown: Iterable[str], keys: Mapping[Layer, Sequence[str]]) -> Answer | None:
    by = tuple(_ground(hit, hit.statement, keys) for hit in outcome.decided_by if hit.statement is not None)
    if outcome.decision == "allowed":
        return Answer(name, "allowed", (), by)
    if not outcome.may_allow:
        return None
    if len(by) < len(outcome.decided_by):
        return Answer(name, "unknown", tuple(sorted(unknown)), by)
    return Answer(name, "conditional", outcome.missing_keys, by)


def _ground(hit: Hit, statement: CompiledStatement, keys: Mapping[Layer, Sequence[str]]) -> Ground:
    policy = keys[hit.layer][hit.policy] if hit.layer in keys else None
    return Ground(hit.layer, policy, statement.origin.index, statement.origin.sid)


def _named_by_trust(question: _Question, principals: Mapping[str, Principal]) -> Iterator[Answer | None]:
    """Sessions of the data's roles that a trust policy names, and services, identity providers and foreign accounts."""
    trust = question.trust[0] if question.trust else None
    if trust is None:
        return
    roles = {(p.account, p.name): p for p in principals.values() if p.kind == "role"}
    for who in dict.fromkeys(_named(trust, question)):
        if who.has_identity and who.account in question.inside:
            role = roles.get((who.account, who.name)) if who.kind == "session" else None
            if role is not None:
                yield _answer(role, question, who)
            continue
        around = rcps(question.accounts.get(question.account or ""))
        layers = Layers(identity=(None,) if who.has_identity else (), resource=(trust,), rcps=around)
        if service_accounts.issuer(who) and question.action == service_accounts.WEB_IDENTITY:
            yield from _in_cluster(question, who, trust, layers, principals)
            continue
        outcome = authorize(question.asked_of(who, question.account, question.known(who)), layers)
        yield _judged(who.arn or who.name, outcome, ["the policies of its account are not in the data"], {})


def _in_cluster(
    question: _Question, who: Caller, trust: CompiledDocument, layers: Layers, principals: Mapping[str, Principal]
) -> Iterator[Answer | None]:
    """The service accounts of an EKS cluster, instead of its identity provider."""
    policies = (document(p.trust, "resource") for p in principals.values() if p.kind == "role")
    named = (one for policy in policies if policy is not None for one in service_accounts.names(policy))
    others = {accounts for cluster, accounts in named if cluster == service_accounts.issuer(who)}
    for subject in service_accounts.subjects(trust, who, others):
        known = question.known(who)
        known = replace(known, keys={**known.keys, **subject.keys})
        request = question.asked_of(who, question.account, known)
        if any(one.applies(request) is not False for one in subject.statements):
            answer = _judged(subject.name, authorize(request, layers), [], {})
            yield _depending(answer, service_accounts.exists(subject.accounts))


def _depending(answer: Answer | None, on: tuple[str, ...]) -> Answer | None:
    if answer is None or not on or answer.kind == "unknown":
        return answer
    return replace(answer, kind="conditional", why=(*answer.why, *on))


def _associated(
    question: _Question, principals: Mapping[str, Principal], associated: Mapping[str, PodIdentity]
) -> Iterator[Answer]:
    """Service accounts to which EKS Pod Identity gives the role."""
    for one in (one for found in associated.values() for one in found.associations):
        if question.resource == (one.target or one.role):
            given = pod_identity.given(one, principals, question.accounts)
            if given is not None:
                yield _given(given)


def _given(found: Given) -> Answer:
    keys = {key for one in found.entries for key in one.outcome.missing_keys}
    by = [hit for hit in found.entries[-1].outcome.decided_by if hit.layer == "resource"]
    grounds = tuple(_ground(hit, hit.statement, {}) for hit in by if hit.statement is not None)
    return Answer(found.source, "unknown" if found.unread else "conditional", (*sorted(keys), *found.premises), grounds)


def _named(document: CompiledDocument, question: _Question) -> Iterator[Caller]:
    """The callers that Allow statements name. `*` stands for everybody; an account's root for all its principals, also of
    an account of the organization whose principals are not known, where everybody is named."""
    partition = question.resource.split(":")[1]
    for statement in document.document.statements:
        if statement.effect != "Allow":
            continue
        found = principal_set(statement.principals or ())
        everybody = (EVERYBODY,) if statement.principals is None or found.everybody else ()  # NotPrincipal: all others
        accounts = found.accounts | (question.accounts.keys() - question.inside if everybody else set())
        roots = (f"arn:{partition}:iam::{account}:root" for account in accounts)
        for text in sorted([*found.services, *found.providers, *found.arns, *roots, *everybody]):
            try:
                who = caller(text, federated=federated(question.action))
            except ValueError:
                continue
            # Of a foreign account any principal may come; its root stands for them, but cannot assume roles itself.
            yield replace(who, kind="role", name="*") if who.kind == "root" else who


def _account(resource: str) -> str | None:
    parts = resource.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[4].isdigit() else None


def _of(policy: Policy) -> CompiledDocument | None:
    return document(policy.document, "identity")
