"""The words in which roles and what they do are written down.

Knows how a role, its trust and its habits are described. Must not know any particular role, nor moto.
"""

import hashlib
from base64 import b32encode
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.organization import EXTERNAL_ID, OPERATOR_USER, SECURITY, Document

Outcome = Literal["ok", "denied", "throttled"]
Hours = Literal["always", "office", "night"]


def unique_id(prefix: str, *parts: str) -> str:
    digest = b32encode(hashlib.sha256("/".join(parts).encode()).digest()).decode()
    return prefix + digest[:17]


@dataclass(frozen=True)
class Does:
    """One thing that a principal does again and again: an operation, how often, in which hours, with what outcome."""

    operation: str
    per_day: float = 0
    hours: Hours = "always"
    since: int = 93  # days before the as-of day
    until: int = 0
    at: tuple[int, ...] = ()  # single uses, in days before the as-of day; may be older than any log
    outcome: Outcome = "ok"
    via: str = ""  # the service of a forward access session
    region: str = ""
    event: str = ""  # an event name that belongs to no action
    passes: str = ""  # the role handed over in the request
    former: bool = False  # done by the role's deleted predecessor of the same name


@dataclass(frozen=True)
class Role:
    account: str
    name: str
    trust: Document
    managed: tuple[str, ...] = ()  # AWS managed by path and name; customer managed as "customer:Name"
    inline: dict[str, Document] = field(default_factory=dict)
    does: tuple[Does, ...] = ()
    path: str = "/"
    boundary: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    age: int = 600  # days before the as-of day
    attached: dict[str, int] = field(default_factory=dict)  # policies that came later, in days before the as-of day
    recreated: bool = False
    template: str = ""  # the role template that owns it
    traps: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"

    @property
    def id(self) -> str:
        return unique_id("AROA", self.account, self.name)

    @property
    def former_id(self) -> str:
        return unique_id("AROA", self.account, self.name, "former")


@dataclass(frozen=True)
class Group:
    account: str
    name: str
    managed: tuple[str, ...] = ()
    inline: dict[str, Document] = field(default_factory=dict)
    path: str = "/"


@dataclass(frozen=True)
class User:
    account: str
    name: str
    managed: tuple[str, ...] = ()
    inline: dict[str, Document] = field(default_factory=dict)
    does: tuple[Does, ...] = ()
    path: str = "/"
    age: int = 700
    console: bool = False  # has a password
    signs_in: bool = True  # and uses it
    disabled_key: int = 0  # age in days of a second key that was deactivated
    boundary: str = ""
    groups: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:user{self.path}{self.name}"

    @property
    def id(self) -> str:
        return unique_id("AIDA", self.account, self.name)

    @property
    def access_key(self) -> str:
        return unique_id("AKIA", self.account, self.name, "key")[:20]

    @property
    def former_key(self) -> str:
        return unique_id("AKIA", self.account, self.name, "former")[:20]


def allow(*actions: str, on: str | list[str] = "*", **more: Any) -> Document:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def deny(*actions: str, on: str | list[str] = "*", **more: Any) -> Document:
    return {"Effect": "Deny", "Action": list(actions), "Resource": on, **more}


def policy(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def by_service(*services: str) -> Document:
    names = [f"{service}.amazonaws.com" for service in services]
    principal = {"Service": names if len(names) > 1 else names[0]}
    return policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def by_account(*principals: str, **condition: Any) -> Document:
    arns = [p if p.startswith("arn:") else f"arn:aws:iam::{p}:root" for p in principals]
    statement: Document = {"Effect": "Allow", "Principal": {"AWS": arns}, "Action": "sts:AssumeRole"}
    return policy(statement | ({"Condition": condition} if condition else {}))


def by_cluster(account: str, namespace: str, service_account: str) -> Document:
    """Trust of an EKS service account (IRSA)."""
    issuer = "oidc.eks.us-east-1.amazonaws.com/id/5A1D80C7B6F24E1B9C0D"
    claims = {
        f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
        f"{issuer}:aud": "sts.amazonaws.com",
    }
    return policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{issuer}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": claims},
        }
    )


def by_repository(account: str, repository: str) -> Document:
    """Trust of a pipeline on a code hosting service."""
    issuer = "token.actions.githubusercontent.com"
    return policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{issuer}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringLike": {f"{issuer}:sub": f"repo:example/{repository}:*"}},
        }
    )


def by_saml(account: str) -> Document:
    return policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{account}:saml-provider/AWSSSO_plumbline_DO_NOT_DELETE"},
            "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
            "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
        }
    )


def by_operator() -> Document:
    operator = f"arn:aws:iam::{SECURITY}:user/plumbline/{OPERATOR_USER}"
    return by_account(operator, StringEquals={"sts:ExternalId": EXTERNAL_ID})
