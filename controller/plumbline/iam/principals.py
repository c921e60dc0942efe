"""Who makes a request, and whether a Principal element names them, and how directly.

Knows ARNs of principals; not statements. Forms:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Literal

from plumbline.iam.documents import Principals

CallerKind = Literal[
    "user", "role", "session", "federatedUser", "root", "service", "provider", "anonymous", "canonicalUser", "gone"
]
_ACCOUNT = re.compile(r"\d{12}")
_ARN = re.compile(r"arn:([\w-]+):(iam|sts)::(\d{12}):(.+)", re.DOTALL)
_SERVICE = re.compile(r"[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+")
_UNIQUE_ID = re.compile(r"[A-Z0-9]{16,128}")
_SERVICE_LINKED_NAME = "AWSServiceRoleFor"
_SERVICE_LINKED_PATH = "aws-service-role/"


class Naming(IntEnum):
    """How directly a Principal element names a caller; a more direct one says more."""

    NONE = 0
    ACCOUNT = 1  # delegates to the account: identity-based policies must allow too
    ROLE = 2  # the role, whose sessions stay inside boundary and session policies
    CALLER = 3  # the caller itself, or everybody


@dataclass(frozen=True, slots=True)
class Caller:
    """`arn`: None for services, providers that are no ARN, and anonymous callers. `account`: None where there is none.

    `name`: of the user or role, without its path; of the service or provider; the id of a canonical user, or of a
    principal that is gone.
    """

    kind: CallerKind
    name: str
    arn: str | None = None
    account: str | None = None
    partition: str = "aws"

    @property
    def has_identity(self) -> bool:
        """Has identity-based policies, and is under the SCPs of its account."""
        return self.account is not None and self.kind != "provider"

    @property
    def service_linked(self) -> bool:
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html"""
        if self.kind == "role":
            return f":role/{_SERVICE_LINKED_PATH}" in (self.arn or "")
        return self.kind == "session" and self.name.startswith(_SERVICE_LINKED_NAME)

    @property
    def role_arn(self) -> str | None:
        """The role of a role or session; a session does not tell the role's path."""
        if self.kind == "role":
            return self.arn
        return f"arn:{self.partition}:iam::{self.account}:role/{self.name}" if self.kind == "session" else None

    def keys(self) -> Mapping[str, tuple[str, ...]]:
        """Condition keys that follow from the caller; `()` for those that a request of it never has.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        """
        return _keys(self)


@lru_cache(maxsize=4096)
def _keys(caller: Caller) -> Mapping[str, tuple[str, ...]]:
    types = {"user": "User", "role": "AssumedRole", "session": "AssumedRole", "root": "Account"}
    kind = {**types, "federatedUser": "FederatedUser", "anonymous": "Anonymous"}.get(caller.kind)
    arn = caller.role_arn or caller.arn
    account = "anonymous" if caller.kind == "anonymous" else caller.account if caller.has_identity else None
    signed = caller.kind not in ("anonymous", "provider")
    return {
        "aws:principalarn": (arn,) if arn and caller.has_identity else (),
        "aws:principalaccount": (account,) if account else (),
        "aws:principaltype": (kind,) if kind else (),
        "aws:username": (caller.name,) if caller.kind == "user" else (),
        "aws:principalisawsservice": (str(caller.kind == "service").lower(),) if signed else (),
    }


@lru_cache(maxsize=65536)
def caller(text: str, *, federated: bool = False) -> Caller:
    """The caller that an ARN, account id, service name or `*` stands for. `federated`: a name that could be a service
    is an identity provider, because the request is AssumeRoleWithWebIdentity or AssumeRoleWithSAML.

    Raises ValueError with what is expected.
    """
    if text == "*":
        return Caller("anonymous", "*")
    if _ACCOUNT.fullmatch(text):
        return Caller("root", "root", f"arn:aws:iam::{text}:root", text)
    found = _ARN.fullmatch(text)
    if found:
        made = _of_arn(text, found[1], found[2], found[3], found[4])
        if made is not None:
            return made
    elif _SERVICE.fullmatch(text):
        return Caller("provider" if federated else "service", text)
    raise ValueError(
        f"{text!r} is no principal; use the ARN of a user, role, assumed-role session or federated user, an account "
        "id or its root, a service such as ec2.amazonaws.com, or *"
    )


def _of_arn(arn: str, partition: str, service: str, account: str, rest: str) -> Caller | None:
    kind, _, path = rest.partition("/")
    name = path.rpartition("/")[2]
    if service == "iam":
        if rest == "root":
            return Caller("root", "root", arn, account, partition)
        if kind in ("oidc-provider", "saml-provider") and path:
            return Caller("provider", arn, None, account, partition)
        if kind in ("user", "role") and name:
            return Caller("user" if kind == "user" else "role", name, arn, account, partition)
        return None
    if kind == "assumed-role" and path.count("/") == 1 and all(path.split("/")):
        return Caller("session", path.partition("/")[0], arn, account, partition)
    if kind == "federated-user" and path:
        return Caller("federatedUser", path, arn, account, partition)
    return None


@dataclass(frozen=True, slots=True)
class PrincipalSet:
    """The principals of one Principal element, by form."""

    everybody: bool = False
    accounts: frozenset[str] = frozenset()
    arns: frozenset[str] = frozenset()
    roles: frozenset[tuple[str, str, str]] = frozenset()  # partition, account and name
    services: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    canonical: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()

    def naming(self, who: Caller) -> Naming | None:
        """How these principals name the caller; None when a canonical user id may or may not be its account."""
        if self.everybody:
            return Naming.CALLER
        if who.kind == "service":
            return Naming.CALLER if who.name in self.services else Naming.NONE
        if who.kind == "provider":
            return Naming.CALLER if who.name in self.providers else Naming.NONE
        if who.kind in ("canonicalUser", "gone"):
            return Naming.CALLER if who.name in self.canonical | self.gone else Naming.NONE
        if who.kind == "anonymous":
            return Naming.NONE
        if who.arn in self.arns:
            return Naming.ROLE if who.kind == "role" else Naming.CALLER
        if who.kind == "session" and (who.partition, who.account, who.name) in self.roles:
            return Naming.ROLE
        if who.account in self.accounts:
            return Naming.ACCOUNT
        return None if self.canonical else Naming.NONE


@lru_cache(maxsize=16384)
def principal_set(principals: Principals) -> PrincipalSet:
    """A parsed Principal element, ready to be asked. Unique ids stand for principals that are gone, and name nobody."""
    everybody = False
    accounts, arns, services, providers = set[str](), set[str](), set[str](), set[str]()
    canonical, gone = set[str](), set[str]()
    roles = set[tuple[str, str, str]]()
    for kind, values in principals:
        for value in values:
            if kind == "*" or (kind == "AWS" and value == "*"):
                everybody = True
            elif kind == "Service":
                services.add(value)
            elif kind == "Federated":
                providers.add(value)
            elif kind == "CanonicalUser":
                canonical.add(value)
            elif _ACCOUNT.fullmatch(value):
                accounts.add(value)
            elif _UNIQUE_ID.fullmatch(value):
                gone.add(value)
            else:
                found = _ARN.fullmatch(value)
                if found and found[2] == "iam" and found[4] == "root":
                    accounts.add(found[3])
                else:
                    arns.add(value)
                    if found and found[2] == "iam" and found[4].startswith("role/"):
                        roles.add((found[1], found[3], value.rpartition("/")[2]))
    return PrincipalSet(
        everybody,
        frozenset(accounts),
        frozenset(arns),
        frozenset(roles),
        frozenset(services),
        frozenset(providers),
        frozenset(canonical),
        frozenset(gone),
    )
