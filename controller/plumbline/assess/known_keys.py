"""What is known of the condition keys of a request beyond what follows from the caller: tags, organizations, and which
claims tokens have.

Knows principals and accounts; must not know policies, but whether the trust policy of a role lets its sessions be tagged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal

from plumbline.assess.guardrails import document
from plumbline.iam.granted import grants
from plumbline.iam.principals import Caller
from plumbline.model.snapshot import Account, Principal

Keys = Mapping[str, tuple[str, ...]]
PRINCIPAL_TAG = "aws:principaltag/"
RESOURCE_TAGS = ("aws:resourcetag/", "iam:resourcetag/")
# Services and tokens are in none.
NO_ORGANIZATION: Keys = {"aws:principalorgid": (), "aws:principalorgpaths": ()}
_TAG_SESSION = "sts:tagsession"
_OIDC, _SAML = ":oidc-provider/", ":saml-provider/"


def resource_tags(tags: Mapping[str, str]) -> Keys:
    """Beside these a resource has none."""
    return {f"{prefix}{key.lower()}": (value,) for key, value in sorted(tags.items()) for prefix in RESOURCE_TAGS}


def principal_tags(principal: Principal) -> Keys | None:
    """None where whoever assumes the role may give the session others.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
    """
    if principal.kind == "role" and _tags_sessions(principal.trust):
        return None
    return {f"{PRINCIPAL_TAG}{key.lower()}": (value,) for key, value in sorted(principal.tags.items())}


@lru_cache(maxsize=65536)
def _tags_sessions(trust: str | None) -> bool:
    found = document(trust, "resource")
    return found is None or any(s.allow and grants(s.origin, _TAG_SESSION) for s in found.statements)


def organization(of: Literal["principal", "resource", "source"], account: Account | None) -> Keys:
    """Which organization an account is in, and where in it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    if account is None or account.organization is None:
        return {}
    found = {f"aws:{of}orgid": (account.organization.id,)}
    if account.ou_path and all(account.ou_path):
        found[f"aws:{of}orgpaths"] = ("/".join((account.organization.id, *account.ou_path, "")),)
    return found


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
    """A token has no claims of another provider than its own; nor a tag that the role does not have.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    """
    own = "saml" if _SAML in provider.name else provider.name.rpartition(_OIDC)[2].lower()

    def absent(key: str) -> bool:
        issuer = key.rpartition(":")[0]
        return (issuer != own and ("." in issuer or issuer == "saml")) or key.startswith(RESOURCE_TAGS)

    return absent


def not_inside(accounts: Mapping[str, Account], known: frozenset[str]) -> Callable[[str, str], bool]:
    """What callers outside of the data do not have: an account whose principals are known, or an organization all of
    whose accounts are."""
    whole = {a.organization.id for a in accounts.values() if a.organization is not None and a.organization.complete}

    def impossible(key: str, value: str) -> bool:
        if key == "aws:principalaccount":
            return value in known
        if key == "aws:principalarn":
            return (value.split(":", 5) + [""] * 5)[4] in known
        return key in ("aws:principalorgid", "aws:principalorgpaths") and value.partition("/")[0] in whole

    return impossible
