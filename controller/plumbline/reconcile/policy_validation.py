"""What a status says of policy validation: how many findings, what is not known, and which policies are worst. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from plumbline.api.policy_validation import PolicyValidationStatus, PolicyWithFindings, UncheckedPolicies
from plumbline.assess.owners import Owners
from plumbline.assess.policy_validation import documents, open_by_type, worst_first
from plumbline.model.coverage import SourceState, State
from plumbline.model.policy_validation import (
    SOURCE,
    TYPES,
    PolicyValidations,
    RegisteredFinding,
    ValidatedPolicy,
)
from plumbline.model.snapshot import Snapshot

RECENT: Final = timedelta(days=7)
_WORST, _CODES, _OWNERS, _REASONS, _TEXT = 20, 10, 5, 10, 500


def policy_validation_status(found: PolicyValidations, today: date, owners: Owners) -> PolicyValidationStatus:
    states = documents(found.policies).values()
    checked = sum(state.state is State.COMPLETE for state in states)
    worst = worst_first(found.policies)
    return PolicyValidationStatus(
        findings=dict(open_by_type(found.register)),
        documents_checked=checked,
        documents_unchecked=len(states) - checked,
        accounts_uncollected=found.days[-1].uncollected if found.days else 0,
        unchecked=why_unchecked(states)[:_REASONS],
        new=sum(is_new(one, today) for one in found.register),
        resolved=sum(is_resolved(one, today) for one in found.register),
        worst=[_worst(one, owners) for one in worst[:_WORST]],
        worst_truncated=max(0, len(worst) - _WORST),
    )


def is_new(one: RegisteredFinding, today: date) -> bool:
    """Whether it was first seen within the last seven days, and is still there."""
    return one.resolved_at is None and today - one.first_seen.date() < RECENT


def is_resolved(one: RegisteredFinding, today: date) -> bool:
    return one.resolved_at is not None and today - one.resolved_at.date() < RECENT


def why_unchecked(states: Iterable[SourceState]) -> list[UncheckedPolicies]:
    """By reason, the most documents first, with what is said of the first of them."""
    found: dict[str, list[SourceState]] = {}
    for state in states:
        if state.state is not State.COMPLETE:
            found.setdefault(state.reason, []).append(state)
    told = [
        UncheckedPolicies(
            reason=reason, documents=len(some), message=some[0].message[:_TEXT], remedy=some[0].remedy[:_TEXT]
        )
        for reason, some in found.items()
    ]
    return sorted(told, key=lambda one: (-one.documents, one.reason))


def _worst(one: ValidatedPolicy, owners: Owners) -> PolicyWithFindings:
    codes = sorted(one.codes, key=lambda code: (TYPES.index(one.codes[code]), code))
    own = map(owners.of, sorted(one.policy.principals))
    # What nobody has yet, or a whole organization, is whoever's its accounts are.
    theirs = (owners.of(one.policy.key, account) for account in one.policy.accounts)
    whose = Counter(filter(None, own if one.policy.principals else theirs))
    return PolicyWithFindings(
        policy=one.policy.key,
        name=one.policy.name,
        attached=one.policy.attached,
        owners=[owner for owner, _ in whose.most_common(_OWNERS)],
        codes=codes[:_CODES],
        codes_truncated=max(0, len(codes) - _CODES),
    )


def validation_states(found: PolicyValidations, snapshot: Snapshot) -> dict[str, SourceState]:
    """Account -> the state of the first of its policies that is not checked, else complete. Without its inventory nothing
    of an account is. One that is suspended has no say."""
    result = {
        account.id: SourceState(SOURCE, State.COMPLETE)
        if account.collected_at is not None
        else SourceState(SOURCE, State.UNAVAILABLE, account.error_reason or "Unreadable", account.error or "")
        for account in snapshot.accounts.values()
        if account.state == "ACTIVE"
    }
    by_account: dict[str, list[ValidatedPolicy]] = {}
    for one in found.policies:
        for account in one.policy.accounts:
            by_account.setdefault(account, []).append(one)
    for account, policies in by_account.items():
        lacking = [one.state for one in policies if not one.checked]
        if lacking and account in result and result[account].state is State.COMPLETE:
            first = lacking[0]
            known = any(one.answer is not None for one in policies)
            state = State.PARTIAL if known else State.UNAVAILABLE
            message = f"{len(lacking):,} of {len(policies):,} policies are not checked: {first.message}"
            result[account] = SourceState(SOURCE, state, first.reason, message, first.remedy)
    return result
