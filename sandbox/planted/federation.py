"""Roles for identity providers and service accounts of a cluster, each beside those that they nearly let in."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.organization import HOME_REGION, Document
from sandbox.planted.accounts import APPS, DATA
from sandbox.planted.hops import role
from sandbox.roles import Role, by_account, policy

GITHUB = "token.actions.githubusercontent.com"
ISSUER, OTHER_ISSUER = (f"oidc.eks.us-east-1.amazonaws.com/id/{one}" for one in ("AAAABBBB", "CCCCDDDD"))
SAML = "AWSSSO_planted_DO_NOT_DELETE"
CLUSTER = "shop"
WEB_IDENTITY, WITH_SAML, ASSUME = "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML", "sts:AssumeRole"
BOTH = [ASSUME, "sts:TagSession"]


def _federated(provider: str, *, action: str | list[str] = WEB_IDENTITY, **condition: Any) -> Document:
    kind = "saml-provider" if provider == SAML else "oidc-provider"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{DATA}:{kind}/{provider}"},
        "Action": action,
    }
    return policy(statement | ({"Condition": condition} if condition else {}))


def _subject(name: str, issuer: str = ISSUER, **more: str) -> dict[str, str]:
    return {f"{issuer}:sub": f"system:serviceaccount:{name}"} | {
        f"{issuer}:{key}": value for key, value in more.items()
    }


def _pods(action: str | list[str] = BOTH, service: str = "pods.eks", **condition: Any) -> Document:
    statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": action}
    return policy(statement | ({"Condition": condition} if condition else {}))


def _external_id(service_account: str) -> str:
    """As EKS makes it of an association."""
    return f"{HOME_REGION}/{DATA}/{CLUSTER}/shop/{service_account}"


def _through(external_id: str) -> Document:
    return _with_action(by_account(role(DATA, "pods-through"), StringEquals={"sts:ExternalId": external_id}), BOTH)


def _with_action(trust: Document, action: list[str]) -> Document:
    return policy(*({**statement, "Action": action} for statement in trust["Statement"]))


_MAIN = "repo:example/shop:ref:refs/heads/main"
_AUDIENCE = {f"{GITHUB}:aud": "sts.amazonaws.com"}
ROLES: tuple[Role, ...] = (
    Role(DATA, "github", _federated(GITHUB, StringEquals={f"{GITHUB}:sub": _MAIN} | _AUDIENCE)),
    Role(DATA, "github-wide", _federated(GITHUB, StringLike={f"{GITHUB}:sub": "repo:example/*"})),
    Role(DATA, "github-all", _federated(GITHUB)),
    Role(DATA, "github-wrong-claim", _federated(GITHUB, StringEquals={"accounts.google.com:sub": _MAIN})),
    Role(
        DATA,
        "github-tagged",
        _federated(
            GITHUB,
            action=[WEB_IDENTITY, "sts:TagSession"],
            StringEquals={"aws:RequestTag/example.com:team": "red"},  # a tag, and no claim of example.com
        ),
    ),
    Role(DATA, "github-wrong-action", _federated(GITHUB, action=ASSUME)),
    Role(
        DATA,
        "saml",
        _federated(
            SAML, action=[WITH_SAML, "sts:TagSession"], StringEquals={"SAML:aud": "https://signin.aws.amazon.com/saml"}
        ),
    ),
    Role(DATA, "saml-wrong-action", _federated(SAML, action=WEB_IDENTITY)),
    # By web identity.
    Role(DATA, "checkout", _federated(ISSUER, StringEquals=_subject("shop:checkout", aud="sts.amazonaws.com"))),
    Role(DATA, "all-of-shop", _federated(ISSUER, StringLike=_subject("shop:*"))),
    Role(DATA, "whole-cluster", _federated(ISSUER, StringEquals={f"{ISSUER}:aud": "sts.amazonaws.com"})),
    Role(DATA, "other-cluster", _federated(ISSUER, StringEquals=_subject("shop:checkout", OTHER_ISSUER))),
    Role(DATA, "literal-star", _federated(ISSUER, StringEquals=_subject("shop:*"))),
    # By Pod Identity.
    Role(DATA, "pods", _pods(StringEquals={"aws:RequestTag/kubernetes-namespace": "shop"})),
    Role(DATA, "pods-other-namespace", _pods(StringEquals={"aws:RequestTag/kubernetes-namespace": "bank"})),
    Role(DATA, "pods-untagged", _pods(ASSUME)),
    Role(DATA, "pods-untrusting", _pods(service="ec2")),
    Role(
        DATA,
        "pods-through",
        _pods(),
        inline={
            "assume": policy(
                {
                    "Effect": "Allow",
                    "Action": BOTH,
                    "Resource": [role(APPS, "pods-target"), role(APPS, "pods-wrong-id")],
                }
            )
        },
    ),
    # Its session tags go with the session: the next role has to let them in.
    Role(
        DATA,
        "pods-on",
        _pods(),
        inline={
            "assume": policy(
                {"Effect": "Allow", "Action": BOTH, "Resource": [role(APPS, "pods-next"), role(APPS, "pods-stop")]}
            )
        },
    ),
    Role(APPS, "pods-next", _with_action(by_account(role(DATA, "pods-on")), BOTH)),
    Role(APPS, "pods-stop", by_account(role(DATA, "pods-on"))),
    Role(APPS, "pods-target", _through(_external_id("right"))),
    Role(APPS, "pods-wrong-id", _through(_external_id("another"))),
)


@dataclass(frozen=True)
class Association:
    """Of a service account of the cluster, in the namespace `shop`."""

    service_account: str
    role: str
    more: dict[str, str] = field(default_factory=dict)


ASSOCIATIONS: tuple[Association, ...] = (
    Association("pods", role(DATA, "pods")),
    Association("bank", role(DATA, "pods-other-namespace")),
    Association("tags", role(DATA, "pods-untagged")),
    Association("on", role(DATA, "pods-on")),
    Association("trust", role(DATA, "pods-untrusting")),
    Association("right", role(DATA, "pods-through"), {"targetRoleArn": role(APPS, "pods-target")}),
    Association("wrong", role(DATA, "pods-through"), {"targetRoleArn": role(APPS, "pods-wrong-id")}),
)
