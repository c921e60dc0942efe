"""Which users, access keys and passwords nobody uses: active, inactive or undetermined, with reason and candidate action.

Knows the words of the credential report and their meaning. Reads nothing and changes nothing. No data never means unused:
what cannot be told keeps the credential, and with it the user.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from plumbline.assess.silent_principals import Seen, last_sign, silence
from plumbline.assess.window import Window
from plumbline.model.coverage import State
from plumbline.model.credentials import (
    SOURCE,
    AccessKey,
    AccountCredentials,
    Moment,
    Password,
    ReportState,
    UserCredentials,
    Word,
)
from plumbline.model.inactivity import Activity, Judgement, Kind
from plumbline.model.snapshot import Principal

# Since when IAM notes uses at all; silence before says nothing.
_KEYS_TRACKED = datetime(2015, 4, 22, tzinfo=UTC)
_PASSWORDS_TRACKED = datetime(2014, 10, 20, tzinfo=UTC)
# The report gives whole seconds.
_SAME = timedelta(seconds=1)

# Access keys of one user that the report has columns for.
_COLUMNS = 2

_REPORT_REASONS = {
    ReportState.IN_PROGRESS: "reportInProgress",
    ReportState.NOT_PRESENT: "reportNotPresent",
    ReportState.EXPIRED: "reportExpired",
    ReportState.DENIED: "reportDenied",
    ReportState.MALFORMED: "reportMalformed",
    ReportState.FAILED: "reportFailed",
}


@dataclass(frozen=True, slots=True)
class Windows:
    """The lookback of a user and its password, and that of access keys."""

    user: Window
    keys: Window


def judge_user(
    principal: Principal, account: AccountCredentials | None, seen: Seen, windows: Windows
) -> tuple[Judgement, ...]:
    """The user first, then its password and keys. `account` None: nobody asked for its credentials."""
    found = account.users.get(principal.arn) if account is not None else None
    other = found is not None and _other_user(principal, found)
    if found is None or other:
        reason, detail = ("otherUser", other) if other else _without(account)
        # What there is of a password or of keys is not known, so only the user is named.
        return (_user(principal, [(Activity.UNDETERMINED, reason, detail)], seen, windows),)
    credentials = [*_passwords(principal, found, windows.user), *_keys(principal, found, windows.keys)]
    parts = [(one.activity, one.reason, one.detail) for one in credentials if one.reason != _DISABLED]
    parts += _beyond(found, account)
    user = _user(principal, parts, seen, windows)
    days = [one.since for one in (user, *credentials) if one.since is not None]
    return (replace(user, since=max(days, default=None)), *credentials)


def is_gone(kind: Kind, principal: Principal, account: AccountCredentials | None) -> bool:
    """Whether a password or key of the user, of which nothing is said, is known to be there no more: what was read is about
    this very user, and tells of its password, or of all its keys."""
    found = account.users.get(principal.arn) if account is not None else None
    if found is None or _other_user(principal, found):
        return False
    if kind == "password":
        return found.password is not None
    return found.keys_state is None or found.keys_state.state is State.COMPLETE


def _user(principal: Principal, parts: Sequence[tuple[Activity, str, str]], seen: Seen, windows: Windows) -> Judgement:
    """By all that belongs to it: one use makes it active, one open question leaves it undetermined."""
    said = silence(principal, seen, windows.user)
    base = Judgement(
        kind="user",
        principal=principal.arn,
        unique_id=principal.unique_id,
        activity=said.activity,
        reason=said.reason,
        since=last_sign(principal, seen).date(),
        sources=said.sources,
        detail=said.detail,
    )
    if said.activity is Activity.ACTIVE:
        return base
    for activity in (Activity.ACTIVE, Activity.UNDETERMINED):
        for part, reason, detail in parts:
            if part is activity:
                return replace(base, activity=part, reason=reason, detail=detail, sources=(SOURCE,))
    if said.activity is Activity.INACTIVE:
        return replace(base, action="DeleteUser", sources=tuple(sorted({*said.sources, SOURCE})))
    return base


def _without(account: AccountCredentials | None) -> tuple[str, str]:
    """Why nothing is known of a user's credentials."""
    if account is None:
        return "reportFailed", "the account's credentials were not collected"
    if account.report is not ReportState.COMPLETE:
        return _REPORT_REASONS[account.report], account.source.message
    return "notInReport", "the credential report has no such user; it is newer than the report"


def _other_user(principal: Principal, found: UserCredentials) -> str:
    """Why what was found is not known to be about this user: a user made anew under a name has the same ARN."""
    if not isinstance(found.created, datetime):
        return "the credential report does not say when its user was created"
    if abs(found.created - principal.created_at) > _SAME:
        return f"the credential report is about a user created on {found.created:%Y-%m-%d}, which is not this one"
    return ""


def _beyond(found: UserCredentials, account: AccountCredentials | None) -> Iterator[tuple[Activity, str, str]]:
    """What a user may hold besides password and access keys, and what of those is not known."""
    if found.password is None:
        yield Activity.UNDETERMINED, *_without(account)
    if found.certificates is False and found.more and found.password is not None and len(found.keys) <= _COLUMNS:
        # It is told of more keys or certificates, and there are no more keys.
        yield Activity.UNDETERMINED, "signingCertificate", "there are more credentials than the report has columns for"
    if found.certificates is not False:
        detail = "a signing certificate is active" if found.certificates else "it is not known whether one is active"
        yield Activity.UNDETERMINED, "signingCertificate", f"{detail}, and nothing tells when it was used"
    if found.keys_state is not None and found.keys_state.state is not State.COMPLETE:
        yield Activity.UNDETERMINED, "keysNotListed", f"{found.keys_state.reason}: {found.keys_state.message}"


# Passwords


def _passwords(principal: Principal, found: UserCredentials, window: Window) -> Iterator[Judgement]:
    password = found.password
    if password is None or password.enabled is False:
        return  # whether there is one at all is said of the user
    yield _password(_Subject("password", principal), password, window)


def _password(subject: _Subject, password: Password, window: Window) -> Judgement:
    if password.enabled is None:
        return subject.open("passwordUnclear", "the credential report does not say whether it is enabled")
    if isinstance(password.last_used, datetime) and password.last_used >= window.start:
        return subject.used(password.last_used, (SOURCE,))
    if password.seen_at < window.end:
        return subject.open("reportOld", _old(password.seen_at))
    since = _set(password.last_changed)
    if since is None:
        return subject.open("passwordUnclear", f"when it was set is not told: {password.last_changed}")
    if isinstance(password.last_used, datetime):
        return subject.idle(max(since, password.last_used), window, "unused", (SOURCE,))
    if password.last_used is not Word.NO_INFORMATION:
        # An enabled password to which the column does not apply is a contradiction, and no silence.
        return subject.open("passwordUnclear", f"its last use is told as {password.last_used}")
    detail = "no_information: never used since IAM tracks sign-ins (2014-10-20)"
    since = max(since, _PASSWORDS_TRACKED)
    return subject.idle(since, window, "neverUsed", (SOURCE,), detail)


# Access keys

# A key that is not active cannot be used, so it says nothing about its user.
_DISABLED = "keyNotActive"


def _keys(principal: Principal, found: UserCredentials, window: Window) -> Iterable[Judgement]:
    return [_key(_Subject("accessKey", principal, key.name), key, window) for key in found.keys]


def _key(subject: _Subject, key: AccessKey, window: Window) -> Judgement:
    """Idle time counts from the later of creation and last use."""
    sources = (key.source,)
    created = _set(key.created)
    if key.active is False and key.seen_at >= window.end:
        known = [at for at in (key.created, key.last_used) if isinstance(at, datetime)]
        return subject.judged(Activity.INACTIVE, _DISABLED, max(known, default=None), sources=sources)
    if isinstance(key.last_used, datetime) and key.last_used >= window.start:
        return subject.used(key.last_used, sources)
    if key.active is None:
        return subject.open("keyUnclear", "it is not told whether it is active")
    if key.seen_at < window.end:
        return subject.open("reportOld", _old(key.seen_at))
    if created is None:
        return subject.open("keyUnclear", f"when it was created is not told: {key.created}")
    if isinstance(key.last_used, datetime):
        since, reason, detail = max(created, key.last_used), "unused", ""
    elif _never_used(key):
        since, reason = max(created, _KEYS_TRACKED), "neverUsed"
        detail = f"{key.last_used}: never used since IAM tracks keys (2015-04-22)"
    else:
        return subject.open("keyUnclear", f"its last use is told as {key.last_used}")
    if key.id is None and since <= window.start:
        return subject.open("keysNotListed", f"idle since {since:%Y-%m-%d} by the report, which does not name the key")
    return subject.idle(since, window, reason, sources, detail)


def _never_used(key: AccessKey) -> bool:
    """The report says so by `N/A`, GetAccessKeyLastUsed by leaving the date out; each other word says nothing.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html
    """
    return key.last_used is (Word.NOT_APPLICABLE if key.source == SOURCE else Word.ABSENT)


# What both share


@dataclass(frozen=True, slots=True)
class _Subject:
    """A password or key of a user, about which something is said."""

    kind: Kind
    principal: Principal
    key: str = ""

    def judged(
        self, activity: Activity, reason: str, since: datetime | None, *, sources: tuple[str, ...], detail: str = ""
    ) -> Judgement:
        return Judgement(
            kind=self.kind,
            principal=self.principal.arn,
            unique_id=self.principal.unique_id,
            key=self.key,
            activity=activity,
            reason=reason,
            since=since.date() if since else None,
            sources=sources,
            detail=detail,
        )

    def used(self, at: datetime, sources: tuple[str, ...]) -> Judgement:
        return self.judged(Activity.ACTIVE, "credentialUsed", at, sources=sources)

    def open(self, reason: str, detail: str) -> Judgement:
        return self.judged(Activity.UNDETERMINED, reason, None, sources=(SOURCE,), detail=detail)

    def idle(
        self, since: datetime, window: Window, reason: str, sources: tuple[str, ...], detail: str = ""
    ) -> Judgement:
        """Inactive since a day before the lookback; younger ones cannot be called so yet."""
        if since > window.start:
            told = f"created or set on {since:%Y-%m-%d}, known from {window.decided_from(since):%Y-%m-%d} on"
            young = self.judged(Activity.UNDETERMINED, "youngerThanLookback", since, sources=sources)
            return replace(young, detail=told)
        found = self.judged(Activity.INACTIVE, reason, since, sources=sources, detail=detail)
        return replace(found, action="DeactivateAccessKey" if self.kind == "accessKey" else "DeleteLoginProfile")


def _set(moment: Moment) -> datetime | None:
    return moment if isinstance(moment, datetime) else None


def _old(seen_at: datetime) -> str:
    return f"generated on {seen_at:%Y-%m-%d}, before the lookback ended"
