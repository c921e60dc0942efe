"""Which analyzers a landscape asks for, account by account and Region by Region. Pure.

Two lookbacks in one organization make two analyzers of unused access, and each excludes the accounts of the other. The
account that owns them cannot be excluded, so that both look at it:
https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-create-unused.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from plumbline.api.analyzers import Analyzers, ExternalAccess, UnusedAccess
from plumbline.api.common import parse_duration
from plumbline.model.analyzers import TYPES, Kind
from plumbline.model.snapshot import Account

REGIONS_UNKNOWN = "RegionsUnknown"
ORGANIZATION_NOT_READ = "OrganizationNotRead"
# AnalysisRuleCriteria: "The list cannot include more than 2,000 account IDs."
MAX_EXCLUDED = 2000
TOO_MANY_EXCLUSIONS = "TooManyExclusions"


@dataclass(frozen=True, slots=True)
class Required:
    """One analyzer that has to exist. `age` in days and `excluded` are of unused access; `covers`: accounts that it has to
    look at. `unclear`: why it is not known what has to exist here."""

    kind: Kind
    type: str
    account: str
    region: str
    age: int | None = None
    excluded: frozenset[str] = frozenset()
    covers: frozenset[str] = frozenset()
    unclear: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The accounts of a landscape, those of its organization that it leaves out, and whether the organization was read."""

    accounts: Mapping[str, Account]
    left_out: frozenset[str] = frozenset()
    organization_read: bool = True

    @property
    def active(self) -> list[Account]:
        return [account for account in self.accounts.values() if account.state == "ACTIVE"]


def required_analyzers(spec: Analyzers, seen: Seen) -> tuple[Required, ...]:
    """All analyzers that have to exist, sorted."""
    found: list[Required] = []
    if spec.external_access is not None:
        found += _external(spec.external_access, spec.account or "", seen)
    if spec.unused_access is not None:
        found += _unused(spec.unused_access, spec.account or "", seen)
    return tuple(sorted(found, key=lambda one: (one.kind, one.account, one.region, one.age or 0)))


def _external(spec: ExternalAccess, owner: str, seen: Seen) -> Iterator[Required]:
    active = {account.id for account in seen.active}
    places = [owner] if spec.scope == "organization" else sorted(active)
    for account in places:
        covers = frozenset(active if spec.scope == "organization" else {account})
        known = seen.accounts.get(account)
        regions: Iterable[str] | None = spec.regions or (known.regions if known else None)
        kind = TYPES["externalAccess", spec.scope]
        if regions is None:
            yield Required("externalAccess", kind, account, "", covers=covers, unclear=REGIONS_UNKNOWN)
        for region in dict.fromkeys(regions or ()):
            yield Required("externalAccess", kind, account, region, covers=covers)


def _unused(spec: UnusedAccess, owner: str, seen: Seen) -> Iterator[Required]:
    own, short = (parse_duration(text).days for text in (spec.lookback, spec.development.lookback))
    days = {a.id: short if spec.development.includes(a.id, a.ou_path) else own for a in seen.active}
    kind = TYPES["unusedAccess", spec.scope]
    if spec.scope == "account":
        for account, age in sorted(days.items()):
            yield Required("unusedAccess", kind, account, spec.region, age, covers=frozenset({account}))
        return
    divided = bool(spec.development.accounts or spec.development.organizational_units) and short != own
    unclear = ORGANIZATION_NOT_READ if divided and not seen.organization_read else ""
    ages = {own, short} if unclear else set(days.values())
    for age in sorted(ages):
        covers = {account for account, one in days.items() if one == age}
        # What the landscape leaves out is no development account.
        others = {*days, *(seen.left_out if age == short else ())} - covers - {owner} if len(ages) > 1 else set()
        why = unclear or (TOO_MANY_EXCLUSIONS if len(others) > MAX_EXCLUDED else "")
        yield Required("unusedAccess", kind, owner, spec.region, age, frozenset(others), frozenset(covers), why)


def principals_looked_at(one: Required, accounts: Collection[str]) -> frozenset[str]:
    """The accounts whose principals the analyzer looks at, of those that are known: its owner is never excluded."""
    if one.type.startswith("ORGANIZATION"):
        return frozenset(accounts) - one.excluded
    return frozenset({one.account})
