"""Which roles the service accounts of EKS Pod Identity associations get: EKS assumes the association's role for them, and
with it the target role where there is one.

Knows associations, and principals with their accounts and policies; must not know other hops.
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plumbline.assess.assuming import Entry, entry, request_of
from plumbline.assess.guardrails import document
from plumbline.assess.known_keys import NO_ORGANIZATION, Keys, Known, organization
from plumbline.assess.service_accounts import exists, node
from plumbline.iam.principals import Caller, Naming, caller
from plumbline.iam.statements import CompiledDocument
from plumbline.model.pod_identity import Association
from plumbline.model.snapshot import Account, Principal

SERVICE = "pods.eks.amazonaws.com"
_EKS = Caller("service", SERVICE)
_ASSUME, _TAG = "sts:assumerole", "sts:tagsession"
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
_TAGS = (
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
)


@dataclass(frozen=True, slots=True)
class Given:
    """The service account `source` gets credentials of `role`. `premises`: what has to be the case beside the conditions of
    policies; never empty, because the state of the cluster is not in the data. `entries`: the last is into the role."""

    source: str
    role: str
    premises: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def conditions(self) -> tuple[str, ...]:
        return tuple(sorted({*self.premises, *(text for one in self.entries for text in one.conditions)}))

    @property
    def unread(self) -> bool:
        return any(one.unread for one in self.entries)


def given(
    association: Association, principals: Mapping[str, Principal], accounts: Mapping[str, Account]
) -> Given | None:
    """None where the trust policies, or the role's own policies, do not let it happen, or a role is not in the data."""
    steps = [_entries(association, None, principals.get(association.role), _of_service(association), accounts)]
    through: tuple[str, ...] = ()
    if association.target and steps[0]:
        role, target = principals[association.role], principals.get(association.target)
        steps.append(_entries(association, role, target, _of_role(association), accounts))
        through = (f"through {association.role}",)
    if not all(steps):
        return None
    name = f"{association.namespace}/{association.service_account}"
    policy = ("session policy of the association",) if association.session_policy else ()
    return Given(
        source=node(association.cluster, name),
        role=association.target or association.role,
        premises=(*exists(name), *policy, *through),
        entries=tuple(one for step in steps for one in step),
    )


def open_to_pods(role: Principal) -> bool:
    """May the trust policy let EKS Pod Identity in, so that associations matter? Also where it could not be read."""
    if role.kind != "role":
        return False
    trust = document(role.trust, "resource")
    return trust is None or any(s.allow and s.naming(_EKS) is not Naming.NONE for s in trust.statements)


def names_pods(role: Principal) -> bool:
    """Does the trust policy name EKS Pod Identity?"""
    trust = document(role.trust, "resource")
    allowing = [s.principals for s in trust.statements if s.allow and not s.principals_negated] if trust else []
    return any(SERVICE in named.services for named in allowing if named is not None)


def _entries(
    association: Association,
    principal: Principal | None,
    role: Principal | None,
    known: Keys,
    accounts: Mapping[str, Account],
) -> Sequence[Entry]:
    """One for each action that is needed; empty where one of them is refused."""
    trust = document(role.trust, "resource") if role is not None and role.kind == "role" else None
    if role is None or trust is None:
        return ()
    who = _EKS if principal is None else caller(principal.arn)
    own = NO_ORGANIZATION if principal is None else organization("principal", accounts.get(principal.account))
    request = Known({**_absent_tags(trust), **_request_tags(association), **known, **own, **who.keys()})
    # Without session tags there is nothing that sts:TagSession would be needed for.
    actions = (_ASSUME, _TAG) if association.session_tags else (_ASSUME,)
    found = [entry(request_of(who, action, role, request, accounts), principal, trust, accounts) for action in actions]
    entries = [one for one in found if one is not None]
    return entries if len(entries) == len(found) else ()


def _of_service(association: Association) -> Keys:
    return {
        "aws:principalservicename": (SERVICE,),
        "aws:sourceaccount": (association.account,),
        "aws:sourcearn": (association.cluster,),
        "sts:externalid": (),
    }


def _of_role(association: Association) -> Keys:
    """The session of the association's role; its tags are transitive, so that they are passed on."""
    return {
        **{f"aws:principaltag/{key}": values for key, values in _tag_values(association) if values},
        "sts:externalid": (association.external_id,) if association.external_id else (),
    }


def _request_tags(association: Association) -> Keys:
    keys = {f"aws:requesttag/{key}": values for key, values in _tag_values(association)}
    return {**keys, "aws:tagkeys": _TAGS if association.session_tags else ()}


def _tag_values(association: Association) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Those that the association fixes; name and id of the pod are left unknown."""
    if not association.session_tags:
        yield from ((key, ()) for key in _TAGS)
        return
    yield "eks-cluster-arn", (association.cluster,)
    yield "eks-cluster-name", (association.cluster_name,)
    yield "kubernetes-namespace", (association.namespace,)
    yield "kubernetes-service-account", (association.service_account,)


def _absent_tags(trust: CompiledDocument) -> Keys:
    """EKS passes no other tags: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html"""
    prefix = "aws:requesttag/"
    named = {clause.key for statement in trust.statements for clause in statement.clauses}
    return {key: () for key in named if key.startswith(prefix) and key.removeprefix(prefix) not in _TAGS}
