"""What is known of the condition keys of a request beyond what follows from the caller: tags, organizations, and which
claims tokens have.

Knows principals and accounts; must not know policies, but whether the trust policy of a role lets its sessions be tagged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from plumbline.assess.guardrails import document
from plumbline.iam.granted import grants
from plumbline.iam.principals import Caller, caller
from plumbline.model.snapshot import TAGS, Account, Principal

Keys = Mapping[str, tuple[str, ...]]
PRINCIPAL_TAG = "aws:principaltag/"
EVERYBODY = "*"
RESOURCE_TAGS = ("aws:resourcetag/", "iam:resourcetag/")
# Services and tokens are in none.
NO_ORGANIZATION: Keys = {"aws:principalorgid": (), "aws:principalorgpaths": ()}
_TAG_SESSION = "sts:tagsession"
_OIDC, _SAML = ":oidc-provider/", ":saml-provider/"


def tags_of(principal: Principal) -> Mapping[str, str] | None:
    """Beside these it has none; None where its tags were not told."""
    return None if TAGS in principal.unknown else principal.tags


def resource_tags(tags: Mapping[str, str] | None) -> Keys:
    if tags is None:
        return {}
    return {f"{prefix}{key.lower()}": (value,) for key, value in sorted(tags.items()) for prefix in RESOURCE_TAGS}


def principal_tags(principal: Principal) -> Keys | None:
    """None where they were not told, or whoever assumes the role may give the session others.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
    """
    tags = tags_of(principal)
    if tags is None or (principal.kind == "role" and takes_tags(principal.trust)):
        return None
    return {f"{PRINCIPAL_TAG}{key.lower()}": (value,) for key, value in sorted(tags.items())}


@lru_cache(maxsize=65536)
def takes_tags(trust: str | None) -> bool:
    """May sessions of the role have tags?"""
    found = document(trust, "resource")
    return found is None or any(s.allow and grants(s.origin, _TAG_SESSION) for s in found.statements)


def organization(of: Literal["principal", "resource", "source"], account: Account | None) -> Keys:
    """Which organization an account is in, and where in it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    if account is None or account.organization is None:
        return {}
    return _organization(of, account.organization.id, account.ou_path)


@lru_cache(maxsize=4096)
def _organization(of: str, identifier: str, path: tuple[str, ...]) -> Keys:
    known = bool(path) and all(path)
    paths = {f"aws:{of}orgpaths": ("/".join((identifier, *path, "")),)} if known else {}
    return {f"aws:{of}orgid": (identifier,), **paths}


def no_tag(*, principal: bool, resource: bool) -> Callable[[str], bool]:
    """Tags that are not given are absent: those of the principal, of the resource, or both."""
    return _NO_TAG[principal, resource]


def _beginning(*prefixes: str) -> Callable[[str], bool]:
    return lambda key: key.startswith(prefixes)


_NO_TAG: Mapping[tuple[bool, bool], Callable[[str], bool]] = {
    (principal, resource): _beginning(*((PRINCIPAL_TAG,) if principal else ()), *(RESOURCE_TAGS if resource else ()))
    for principal in (True, False)
    for resource in (True, False)
}


def no_claim(provider: Caller) -> Callable[[str], bool]:
    """A token has no claims of another provider than its own. A key of a service is no claim, whatever it goes on with.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    """
    own = "saml" if _SAML in provider.name else provider.name.rpartition(_OIDC)[2].lower().rstrip("/")

    def absent(key: str) -> bool:
        prefix, issuer = key.partition(":")[0], key.rpartition(":")[0].rstrip("/")
        return issuer != own and ("." in prefix or prefix == "saml")

    return absent


def not_inside(accounts: Mapping[str, Account], known: frozenset[str]) -> Callable[[str, str], bool]:
    """What callers outside of the data do not have: an account whose principals are known, or an organization all of
    whose accounts are."""
    whole = whole_organizations(accounts)

    def impossible(key: str, value: str) -> bool:
        if key == "aws:principalaccount":
            return value in known
        if key == "aws:principalarn":
            return (value.split(":", 5) + [""] * 5)[4] in known
        return key in ("aws:principalorgid", "aws:principalorgpaths") and value.partition("/")[0] in whole

    return impossible


def not_owned(accounts: Mapping[str, Account]) -> Callable[[str, str], bool]:
    """What resources of accounts of which no organization is known do not have: one all of whose accounts are known."""
    whole = whole_organizations(accounts)

    def impossible(key: str, value: str) -> bool:
        return key in ("aws:resourceorgid", "aws:resourceorgpaths") and value.partition("/")[0] in whole

    return impossible


def whole_organizations(accounts: Mapping[str, Account]) -> frozenset[str]:
    """Those of which the data have every account."""
    every = (account.organization for account in accounts.values() if account.organization is not None)
    return frozenset(one.id for one in every if one.complete)


def collected(peopled: Iterable[str], accounts: Mapping[str, Account]) -> frozenset[str]:
    """The accounts whose principals are known. `peopled`: those of which any are in the data. In one that is closed or
    suspended nobody can do anything."""
    told = {one.id for one in accounts.values() if one.collected_at is not None or one.state != "ACTIVE"}
    return frozenset(told.union(peopled))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a request by who makes it. `absent`: keys that it does not have beside `keys`. `impossible`: what
    one that is unknown is not."""

    keys: Keys
    absent: Callable[[str], bool] = _NO_TAG[False, False]
    impossible: Callable[[str, str], bool] | None = None


def known_of(
    who: Caller,
    principal: Principal | None,
    accounts: Mapping[str, Account],
    outside: Callable[[str, str], bool] | None = None,
) -> Known:
    """Of a request to assume a role. `principal`: of `who`, where it is in the data. `outside`: of `not_inside`."""
    if who.kind == "provider":
        return Known({**who.keys(), **NO_ORGANIZATION}, no_claim(who))
    if principal is not None:
        tags = principal_tags(principal)
        own = organization("principal", accounts.get(principal.account))
        # A session does not tell the path of its role, so that the role is asked.
        keys = {**caller(principal.arn).keys(), **own, **(tags or {})}
        return Known(keys, no_tag(principal=tags is not None, resource=False))
    if who.has_identity or who.kind == "anonymous":
        own = organization("principal", accounts.get(who.account or ""))
        return Known({**_of_foreign(who), **own}, impossible=None if own else outside)
    return Known({**who.keys(), **NO_ORGANIZATION})


def _of_foreign(who: Caller) -> Keys:
    """Nothing of everybody, of an account's principals only the account, and of a session not the path of its role."""
    if who.kind == "anonymous":
        return {}
    keys = who.keys()
    if who.name == EVERYBODY:
        return {key: keys[key] for key in ("aws:principalaccount", "aws:principalisawsservice")}
    return {key: keys[key] for key in keys if key != "aws:principalarn" or who.kind != "session"}
