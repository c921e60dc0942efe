"""Who of an inventory can do an action on a resource: allowed, conditional and unknown apart.

Knows principals with their policies, and trust policies; must not know how they were read. The decision is the
engine's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from plumbline.iam.authorize import Hit, Layers, Outcome, authorize, federated
from plumbline.iam.conditions import Context
from plumbline.iam.documents import PolicyError
from plumbline.iam.principals import Caller, caller, principal_set
from plumbline.iam.statements import CompiledDocument, DocumentKind, Documents, Request, compiled
from plumbline.model.snapshot import Policy, Principal

AnswerKind = Literal["allowed", "conditional", "unknown"]
_ASSUMING = ("sts:assumerole", "sts:tagsession", "sts:setsourceidentity")
NO_ORGANIZATION = "no SCPs and RCPs are known, so this is an upper bound"
NO_RESOURCE_POLICY = "resource-based policies are not in the data; one could allow more, or deny"


@dataclass(frozen=True, slots=True)
class Answer:
    """`why`: for `conditional` the keys that decide, for `unknown` what is not known."""

    principal: str
    kind: AnswerKind
    why: tuple[str, ...]
    by: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class WhoCan:
    answers: tuple[Answer, ...]
    assumes: tuple[str, ...]


def who_can(action: str, resource: str, principals: Mapping[str, Principal]) -> WhoCan:
    """Everybody who can or may; those who certainly cannot are left out. Role ARNs stand for their sessions."""
    trusting = principals.get(resource)
    trusted = trusting is not None and action.lower().startswith(_ASSUMING)
    trust: Documents = (_document(trusting.trust, "resource"),) if trusting is not None and trusted else ()
    account = _account(resource)
    answers = [
        answer
        for principal in principals.values()
        if (answer := _answer(principal, action, resource, account or principal.account, trust)) is not None
    ]
    if trust:
        answers += _outside(action, resource, account, trust, principals)
    assumes = (NO_ORGANIZATION,) if trust else (NO_ORGANIZATION, NO_RESOURCE_POLICY)
    return WhoCan(tuple(sorted(answers, key=lambda a: (a.kind, a.principal))), assumes)


def _answer(principal: Principal, action: str, resource: str, account: str, trust: Documents) -> Answer | None:
    try:
        who = caller(principal.arn)
    except ValueError:
        return Answer(principal.arn, "unknown", ("the ARN of the principal cannot be read",), ())
    identity = tuple(_of(p) for p in principal.policies)
    boundary = () if principal.boundary is None else (_of(principal.boundary),)
    # The policy of a resource elsewhere, or of a KMS key, is needed and not in the data.
    needed = account != principal.account or action.lower().startswith("kms:")
    policy: Documents = trust or ((None,) if needed else ())
    layers = Layers(identity=identity, boundary=boundary, resource=policy)
    outcome = authorize(_request(who, action, resource, account), layers)
    why = [f"the document of {p.key} could not be read" for p in _unreadable(principal)]
    if policy == (None,):
        why.append("the policy of the resource is not in the data")
    return _judged(principal.arn, outcome, why)


def _judged(name: str, outcome: Outcome, unknown: Iterable[str]) -> Answer | None:
    if outcome.decision == "allowed":
        return Answer(name, "allowed", (), outcome.decided_by)
    if not outcome.may_allow:
        return None
    if any(hit.statement is None for hit in outcome.decided_by):
        return Answer(name, "unknown", tuple(sorted(unknown)), outcome.decided_by)
    return Answer(name, "conditional", outcome.missing_keys, outcome.decided_by)


def _outside(
    action: str, resource: str, account: str | None, trust: Documents, principals: Mapping[str, Principal]
) -> Iterator[Answer]:
    """Services, identity providers and foreign accounts that the trust policy names."""
    document = trust[0]
    if document is None:
        return
    for who in dict.fromkeys(_named(document, action)):
        name = who.arn or who.name
        if who.account in {p.account for p in principals.values()} or name in principals:
            continue
        layers = Layers(identity=(None,) if who.has_identity else (), resource=(document,))
        outcome = authorize(_request(who, action, resource, account), layers)
        found = _judged(name, outcome, ["the policies of its account are not in the data"])
        if found is not None:
            yield found


def _named(document: CompiledDocument, action: str) -> Iterator[Caller]:
    for statement in document.document.statements:
        if statement.effect != "Allow" or statement.principals is None:
            continue
        found = principal_set(statement.principals)
        texts = [*found.services, *found.providers, *found.arns, *(f"arn:aws:iam::{a}:root" for a in found.accounts)]
        if found.everybody:
            texts.append("*")
        for text in sorted(texts):
            try:
                who = caller(text, federated=federated(action))
            except ValueError:
                continue
            # Of a foreign account any principal may come; its root stands for them, but cannot assume roles itself.
            yield Caller("role", "*", text, who.account, who.partition) if who.kind == "root" else who


def _request(who: Caller, action: str, resource: str, account: str | None) -> Request:
    keys = dict(who.keys())
    if account is not None:
        keys["aws:resourceaccount"] = (account,)
    return Request(who, action.lower(), resource, account, Context(keys, complete=False))


def _account(resource: str) -> str | None:
    parts = resource.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[4].isdigit() else None


def _of(policy: Policy) -> CompiledDocument | None:
    return _document(policy.document, "identity")


def _unreadable(principal: Principal) -> list[Policy]:
    policies = [*principal.policies, *([principal.boundary] if principal.boundary else [])]
    return [p for p in policies if _of(p) is None]


def _document(text: str | None, kind: DocumentKind) -> CompiledDocument | None:
    if text is None:
        return None
    try:
        return compiled(text, kind)
    except PolicyError:
        return None
