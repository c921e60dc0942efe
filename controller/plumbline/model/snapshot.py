"""Live IAM as one frozen picture of a landscape.

Knows the shape of what the inventory collects. Must not know how it was collected, nor judge it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Final, Literal

from plumbline.model.pod_identity import PodIdentity

# What a source may not tell of a principal; see Principal.unknown.
LAST_USED: Final = "lastUsed"
ROLE_TEMPLATE: Final = "roleTemplate"
TAGS: Final = "tags"

PolicyKind = Literal["inline", "customer", "aws"]
PrincipalKind = Literal["role", "user"]


@dataclass(frozen=True, slots=True)
class Policy:
    """An identity-based policy or boundary of a principal.

    `document` is the live text as canonical JSON (sorted keys, no spaces), or None when it could not be read:
    then the access it gives is unknown, never empty and never unlimited.
    `version_created_at` is the creation date of the default version of a managed policy; it proves youth, never age.
    """

    name: str
    kind: PolicyKind
    document: str | None
    arn: str | None = None
    version_id: str | None = None
    version_created_at: datetime | None = None
    attachment_count: int = 1
    boundary_usage_count: int = 0

    @property
    def key(self) -> str:
        """What names the policy on its principal: the ARN of a managed policy, `inline/NAME` otherwise."""
        return self.arn or f"inline/{self.name}"

    @property
    def digest(self) -> str:
        return digest_of([self.key, self.document or "unknown"])


@dataclass(frozen=True, slots=True)
class Principal:
    """A role or user. `policies` of a user include those of its groups, which `groups` names. Times are aware, in UTC.

    `unknown`: what was not told of it: LAST_USED, ROLE_TEMPLATE or TAGS. Then its fields are empty, and that says nothing.
    """

    arn: str
    unique_id: str
    kind: PrincipalKind
    account: str
    name: str
    path: str
    created_at: datetime
    policies: tuple[Policy, ...] = ()
    groups: tuple[str, ...] = ()
    boundary: Policy | None = None
    trust: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    last_used_at: datetime | None = None
    last_used_region: str | None = None
    role_template: str | None = None
    unknown: frozenset[str] = frozenset()

    @property
    def policies_known(self) -> bool:
        return all(p.document is not None for p in self.policies) and (
            self.boundary is None or self.boundary.document is not None
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Users of an account who share policies; there may be none in it. `policies`: its own, by their own names."""

    arn: str
    account: str
    name: str
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class Identities:
    """Roles, users and groups, each by ARN, sorted."""

    principals: Mapping[str, Principal] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Organization:
    """`complete`: every account of it is among the accounts of the landscape."""

    id: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the landscape. `error` says why its inventory could not be collected; then it has no principals.

    `ou_path` is the ids from the root to the account's parent. `scp_levels` and `rcp_levels` are the documents of each
    level, root first, the account's own last; None means that they could not be read. `organization` None: not known, or
    it is in none; `joined_at`: since when it is, each time it comes back anew. `collected_at`: its principals are those of this time. `source`: who told them; where `config` was asked
    and did not answer, `direct_reason` and `direct_message` say why.
    """

    id: str
    name: str = ""
    email: str = ""
    state: str = "ACTIVE"
    ou_path: tuple[str, ...] = ()
    management: bool = False
    regions: tuple[str, ...] | None = None
    scp_levels: tuple[tuple[str, ...], ...] | None = ()
    rcp_levels: tuple[tuple[str, ...], ...] | None = ()
    collected_at: datetime | None = None
    error: str | None = None
    error_reason: str | None = None
    source: Literal["iam", "config"] = "iam"
    direct_reason: str = ""
    direct_message: str = ""
    organization: Organization | None = None
    joined_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All accounts of a landscape at one time; serves all its baselines. `pod_identity`: by account; of one that is not
    there, nobody asked. `groups`: by ARN."""

    landscape: str
    accounts: Mapping[str, Account]
    principals: Mapping[str, Principal]
    organization_error: str | None = None
    pod_identity: Mapping[str, PodIdentity] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Equal for equal live IAM: neither times of collection nor last use enter it."""
        return digest_of(_facts(self))


def _facts(snapshot: Snapshot) -> Iterable[str]:
    for _, account in sorted(snapshot.accounts.items()):
        yield from account_facts(account)
    for _, principal in sorted(snapshot.principals.items()):
        yield from principal_facts(principal)
    for _, group in sorted(snapshot.groups.items()):
        yield repr(group)
    yield repr(snapshot.organization_error is None)
    for _, found in sorted(snapshot.pod_identity.items()):
        yield repr((found.account, found.associations, found.complete))


def accounts_digest(snapshot: Snapshot, accounts: Collection[str]) -> str:
    """As `Snapshot.digest`, of some accounts, their principals and groups."""
    own = [account for name, account in sorted(snapshot.accounts.items()) if name in accounts]
    members = [one for _, one in sorted(snapshot.principals.items()) if one.account in accounts]
    groups = [repr(one) for _, one in sorted(snapshot.groups.items()) if one.account in accounts]
    facts = [*chain.from_iterable(map(account_facts, own)), *chain.from_iterable(map(principal_facts, members))]
    return digest_of([*facts, *groups])


def account_facts(account: Account) -> Iterable[str]:
    """What an account is, without when it was collected."""
    yield repr(
        (account.id, account.name, account.email, account.state, account.ou_path, account.management, account.regions)
    )
    yield repr((account.scp_levels, account.rcp_levels, account.error_reason, account.organization))


def principal_facts(p: Principal) -> Iterable[str]:
    """What a principal is and is granted, without when it was last used."""
    template = "unknown" if ROLE_TEMPLATE in p.unknown else p.role_template
    tags = "unknown" if TAGS in p.unknown else sorted(p.tags.items())
    yield repr((p.arn, p.unique_id, p.kind, p.created_at, p.trust, tags, template))
    yield repr((p.policies, p.groups, p.boundary))


def digest_of(parts: Iterable[str]) -> str:
    """SHA-256 in hex over length-prefixed parts, so that no two lists of parts collide by joining."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()
