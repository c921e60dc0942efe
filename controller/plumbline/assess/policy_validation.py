"""Which live policies are to be validated and in which order, and what has become of findings. Pure.

Knows snapshots and answers; must not know how AWS is asked, nor how anything is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from plumbline.model.coverage import SourceState, State
from plumbline.model.policy_validation import (
    SOURCE,
    TYPES,
    FindingType,
    LivePolicy,
    LivePolicyKind,
    PolicyAnswer,
    RegisteredFinding,
    ValidatedPolicy,
    ValidationDay,
)
from plumbline.model.snapshot import Account, Group, Policy, Principal, Snapshot, digest_of

# The checks of AWS grow, so that a document without findings may have some later.
FRESH: Final = timedelta(days=30)
# Roles whose trust policy AWS writes, and nobody else may change.
_OF_AWS: Final = ("/aws-service-role/", "/aws-reserved/")
# FullAWSAccess and RCPFullAWSAccess, which AWS attaches: the snapshot has their text only.
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
_AWS_GUARDRAILS: Final = frozenset(
    {
        '{"Statement":[{"Action":"*","Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}',
        '{"Statement":{"Action":"*","Effect":"Allow","Resource":"*"},"Version":"2012-10-17"}',
        '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}],"Version":"2012-10-17"}',
    }
)


@dataclass
class _Found:
    name: str
    kind: LivePolicyKind
    document: str | None
    accounts: set[str] = field(default_factory=set)
    principals: set[str] = field(default_factory=set)


def live_policies(snapshot: Snapshot) -> tuple[LivePolicy, ...]:
    """The policies of the customer's own that count in the landscape, by key. AWS managed policies are none."""
    found: dict[str, _Found] = {}
    for principal in snapshot.principals.values():
        for key, name, kind, document in _of_principal(principal):
            one = found.setdefault(key, _Found(name, kind, document))
            one.document = one.document if one.document is not None else document
            one.accounts.add(principal.account)
            one.principals.add(principal.arn)
    for group in snapshot.groups.values():
        for key, name, kind, document in _of_group(group):
            found.setdefault(key, _Found(name, kind, document)).accounts.add(group.account)
    for account in (one for one in snapshot.accounts.values() if one.state == "ACTIVE"):
        for key, name, kind, document in _of_organization(account):
            found.setdefault(key, _Found(name, kind, document)).accounts.add(account.id)
    if snapshot.organization_error is not None:
        # However many there are, and whichever accounts they are on: something was not told.
        unread = {a.id for a in snapshot.accounts.values() if a.scp_levels is None or a.rcp_levels is None}
        found["scp/unknown"] = _Found("SCPs and RCPs that the organization did not tell", "scp", None, unread)
    return tuple(
        LivePolicy(key, one.name, one.kind, one.document, tuple(sorted(one.accounts)), tuple(sorted(one.principals)))
        for key, one in sorted(found.items())
    )


def _of_principal(principal: Principal) -> Iterator[tuple[str, str, LivePolicyKind, str | None]]:
    boundary = [principal.boundary] if principal.boundary is not None else []
    for policy in [*principal.policies, *boundary]:
        if policy.kind == "customer":
            yield policy.key, policy.name, "customer", policy.document
        elif policy.kind == "inline":
            yield _inline_key(principal, policy), policy.name, "inline", policy.document
    if principal.kind == "role" and not principal.path.startswith(_OF_AWS):
        yield f"{principal.arn}/trust", f"trust policy of {principal.name}", "trust", principal.trust


def _of_group(group: Group) -> Iterator[tuple[str, str, LivePolicyKind, str | None]]:
    """Also where nobody is in it: whoever comes has them."""
    for policy in group.policies:
        if policy.kind == "customer":
            yield policy.key, policy.name, "customer", policy.document
        elif policy.kind == "inline":
            key = _group_key(group.account, group.name, policy.name)
            yield key, f"{group.name}/{policy.name}", "inline", policy.document


def _inline_key(principal: Principal, policy: Policy) -> str:
    """An inline policy of a group, GROUP/POLICY, is one policy of all its users. The path of the group is not known."""
    group, of_group, name = policy.name.rpartition("/")
    return _group_key(principal.account, group, name) if of_group else f"{principal.arn}/{policy.key}"


def _group_key(account: str, group: str, policy: str) -> str:
    return f"{account}:group/{group}/inline/{policy}"


def _of_organization(account: Account) -> Iterator[tuple[str, str, LivePolicyKind, str]]:
    targets = (*account.ou_path, account.id)
    kinds: tuple[tuple[LivePolicyKind, tuple[tuple[str, ...], ...] | None], ...] = (
        ("scp", account.scp_levels),
        ("rcp", account.rcp_levels),
    )
    for kind, levels in kinds:
        for at, documents in enumerate(levels or ()):
            target = targets[at] if len(levels or ()) == len(targets) else account.id
            for document in documents:
                if document not in _AWS_GUARDRAILS:
                    yield f"{kind}/{digest_of([document])[:12]}", f"{kind.upper()} of {target}", kind, document


def to_ask(policies: Iterable[LivePolicy], answers: Mapping[str, PolicyAnswer], now: datetime) -> list[LivePolicy]:
    """One policy for each document without a fresh answer, with all accounts that have it: those never asked before the
    old ones, and of each the most attached first."""
    together: dict[str, LivePolicy] = {}
    attached: Counter[str] = Counter()
    for policy in policies:
        if policy.document is None or fresh(answers.get(policy.digest), now):
            continue
        digest = policy.digest
        attached[digest] += policy.attached
        first = together.setdefault(digest, policy)
        together[digest] = replace(first, accounts=tuple(sorted({*first.accounts, *policy.accounts})))
    return [
        policy
        for digest, policy in sorted(
            together.items(), key=lambda one: (one[0] in answers, -attached[one[0]], one[1].key)
        )
    ]


def fresh(answer: PolicyAnswer | None, now: datetime) -> bool:
    return answer is not None and answer.checked_at > now - FRESH


def carried(known: Iterable[ValidatedPolicy], snapshot: Snapshot) -> tuple[ValidatedPolicy, ...]:
    """The policies that are live now, with what is known of their very text. Of a new one nothing is."""
    answers = {one.policy.digest: one for one in known}
    state = SourceState(
        SOURCE, State.UNAVAILABLE, "ChangedSince", "it is newer than the last pass", "the next pass asks"
    )
    return tuple(
        replace(answers[policy.digest], policy=policy) if policy.digest in answers else ValidatedPolicy(policy, state)
        for policy in live_policies(snapshot)
    )


# What has become of findings


@dataclass(frozen=True, slots=True)
class Unseen:
    """Of what nobody knows whether it is gone: policies of these accounts. `told`: where the organization did not tell all,
    the accounts that are known all the same; any other may still be there, and any SCP and RCP."""

    accounts: frozenset[str] = frozenset()
    told: frozenset[str] | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> Unseen:
        accounts, failed = snapshot.accounts.values(), snapshot.organization_error is not None
        return cls(
            # In an account that is suspended or closed nobody can use a policy.
            frozenset(one.id for one in accounts if one.state == "ACTIVE" and one.collected_at is None),
            frozenset(snapshot.accounts) if failed else None,
        )

    def hides(self, finding: RegisteredFinding) -> bool:
        if finding.policy.startswith(("scp/", "rcp/")):
            return self.told is not None
        return finding.account in self.accounts or (self.told is not None and finding.account not in self.told)


def registered(
    known: Iterable[RegisteredFinding], policies: Iterable[ValidatedPolicy], unseen: Unseen, now: datetime
) -> tuple[RegisteredFinding, ...]:
    """All findings that are known, and those found now, by policy and code. One that comes back begins anew. One ends when
    its policy is checked without it, or is gone. A day is as near as `last_seen` gets, so that a second pass on it has
    nothing to write."""
    before = {(one.policy, one.code): one for one in known}
    live = {one.policy.key: one for one in policies}
    after = dict(before)
    for key, policy in live.items():
        account = policy.policy.accounts[0] if policy.policy.principals else ""
        for code, type_ in policy.codes.items():
            old = before.get((key, code))
            if old is None or old.resolved_at is not None:
                after[key, code] = RegisteredFinding(key, code, type_, account, now, now)
            elif old.last_seen.date() != now.date() or old.type != type_:
                after[key, code] = replace(old, last_seen=now, type=type_)
    for (key, code), old in before.items():
        if old.resolved_at is None and _ended(old, live.get(key), unseen):
            after[key, code] = replace(old, resolved_at=now)
    return tuple(after[key] for key in sorted(after))


def _ended(old: RegisteredFinding, policy: ValidatedPolicy | None, unseen: Unseen) -> bool:
    if policy is None:
        return not unseen.hides(old)
    return policy.checked and old.code not in policy.codes


def open_by_type(register: Iterable[RegisteredFinding]) -> dict[FindingType, int]:
    """Those of accounts that could not be collected among them: a failure must not look as if they had ended."""
    found = Counter(one.type for one in register if one.resolved_at is None)
    return {type_: found[type_] for type_ in TYPES}


def documents(policies: Iterable[ValidatedPolicy]) -> dict[str, SourceState]:
    """Digest -> whether the document was checked, and why not."""
    return {one.policy.digest: one.state for one in policies}


def day_of(
    register: Iterable[RegisteredFinding], policies: Iterable[ValidatedPolicy], unseen: Unseen, day: date
) -> ValidationDay:
    states = [one.state for one in documents(policies).values()]
    checked = sum(state is State.COMPLETE for state in states)
    hidden = {one.account for one in register if one.account and one.resolved_at is None and unseen.hides(one)}
    return ValidationDay(day, open_by_type(register), checked, len(states) - checked, len(unseen.accounts | hidden))


def worst_first(policies: Iterable[ValidatedPolicy]) -> list[ValidatedPolicy]:
    """Those with findings: by their gravest type, the most of it first, then the most attached."""
    found = [one for one in policies if one.findings]
    return sorted(found, key=lambda one: (*_gravity(one), -one.policy.attached, one.policy.key))


def _gravity(one: ValidatedPolicy) -> tuple[int, ...]:
    numbers = Counter(one.codes.values())
    return tuple(-numbers[type_] for type_ in TYPES)
