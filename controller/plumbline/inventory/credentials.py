"""The passwords and access keys of one account's users, read from AWS: its credential report, and keys one by one.

Knows IAM's operations and the states of a report. A report that cannot be read is a state, never an account without users.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from plumbline.aws.errors import NOT_WHOLE, AwsError, Denied, Malformed, Throttled, Transient, whole
from plumbline.aws.session import AwsSessions
from plumbline.inventory.credential_report import CredentialReportError, parse_report
from plumbline.model.coverage import SourceState, State
from plumbline.model.credentials import (
    LAST_USED_SOURCE,
    SOURCE,
    AccessKey,
    AccountCredentials,
    ReportState,
    UserCredentials,
    Word,
)
from plumbline.model.snapshot import Principal, Snapshot

CONCURRENT_ACCOUNTS: Final = 8
DEADLINE: Final = 60.0  # seconds for one report
PATIENCE: Final = 3  # failures of AWS in a row after which the keys of an account are left alone until the next pass
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 5.0
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetCredentialReport.html#API_GetCredentialReport_Errors
_STATES: Final[Mapping[str, ReportState]] = {
    "ReportInProgress": ReportState.IN_PROGRESS,
    "ReportNotPresent": ReportState.NOT_PRESENT,
    "ReportExpired": ReportState.EXPIRED,
}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Need:
    """How good what the report says must be: generated at or after `fresh`, and a key is asked for by itself unless it was
    used at or after `idle`."""

    fresh: datetime
    idle: datetime


def collect_credentials(
    sessions: AwsSessions, snapshot: Snapshot, need: Need, now: datetime, progress: Progress = lambda _: None
) -> dict[str, AccountCredentials]:
    """Account -> its credentials, for all accounts that were collected. Never raises AwsError."""
    users: dict[str, list[Principal]] = {
        account.id: [] for account in snapshot.accounts.values() if account.state == "ACTIVE" and not account.error
    }
    for principal in snapshot.principals.values():
        if principal.kind == "user" and principal.account in users:
            users[principal.account].append(principal)

    def read(item: tuple[str, list[Principal]]) -> AccountCredentials:
        return read_credentials(sessions, item[0], item[1], need, now)

    result = {}
    with ThreadPoolExecutor(CONCURRENT_ACCOUNTS, thread_name_prefix="credentials") as pool:
        for found in pool.map(read, sorted(users.items())):
            result[found.account] = found
            progress(f"credential report: account {found.account} {found.source.reason or found.report}")
    return result


def read_credentials(
    sessions: AwsSessions,
    account: str,
    users: Iterable[Principal],
    need: Need,
    now: datetime,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> AccountCredentials:
    """The credentials of an account. Never raises AwsError."""
    found = _Report(sessions, account, sleep, clock).read()
    keys = _Keys(sessions, account, now)
    known = dict(found.users)
    for user in sorted(users, key=lambda one: one.arn):
        told = known.get(user.arn)
        if told is None and found.report is ReportState.COMPLETE:
            continue  # made after the report: the next one will tell
        if told is None or _must_list(told, found, need):
            known[user.arn] = keys.listed(user, told)
    result = replace(found, users=dict(sorted(known.items())))
    if found.source.state is State.COMPLETE and keys.failed is not None:
        return replace(result, source=_state(keys.failed, State.PARTIAL))
    return result


def _must_list(told: UserCredentials, found: AccountCredentials, need: Need) -> bool:
    """The report names no key, has columns for two, and may be old."""
    if told.more or found.generated_at is None or found.generated_at < need.fresh:
        return True
    return any(
        key.active is not False and not (isinstance(key.last_used, datetime) and key.last_used >= need.idle)
        for key in told.keys
    )


def _state(error: AwsError, state: State) -> SourceState:
    return SourceState(SOURCE, state, error.reason, error.summary, error.remedy)


# The report


@dataclass
class _Report:
    """One account's report: asked for, waited for, read."""

    sessions: AwsSessions
    account: str
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    refused: AwsError | None = None

    def read(self) -> AccountCredentials:
        try:
            answer = self._answer()
            at = answer["GeneratedTime"].astimezone(UTC)
            users = parse_report(answer["Content"].decode("utf-8"), at)
        except AwsError as error:
            return AccountCredentials(self.account, _report_state(error), self._unavailable(error))
        except (CredentialReportError, *NOT_WHOLE) as error:
            message = f"the credential report of account {self.account} cannot be read: {error}"
            source = SourceState(SOURCE, State.UNAVAILABLE, "Malformed", message, "It is read again in the next pass")
            return AccountCredentials(self.account, ReportState.MALFORMED, source)
        return AccountCredentials(self.account, ReportState.COMPLETE, SourceState(SOURCE, State.COMPLETE), at, users)

    def _answer(self) -> dict[str, Any]:
        """The report, which AWS makes at most every four hours. Raises AwsError, also when it is not ready in time. Where
        it may not be asked for, there may be one of somebody else's."""
        deadline, wait = self.clock() + DEADLINE, _FIRST_WAIT
        self._generate()
        while True:
            try:
                return self._call("GetCredentialReport")
            except AwsError as error:
                state = _STATES.get(error.code)
                if state is None or (self.refused and state is not ReportState.IN_PROGRESS):
                    raise
                if self.clock() + wait > deadline:
                    raise
            self.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
            if state is not ReportState.IN_PROGRESS:
                self._generate()

    def _generate(self) -> None:
        try:
            self._call("GenerateCredentialReport")
        except AwsError as error:
            self.refused = error

    def _call(self, operation: str) -> dict[str, Any]:
        return self.sessions.call("iam", operation, account=self.account)

    def _unavailable(self, error: AwsError) -> SourceState:
        if error.code not in _STATES:
            return _state(error, State.UNAVAILABLE)
        message = f"there is no credential report of account {self.account} to read: {error.message.rstrip('.')}"
        remedy = "It is asked for again in the next pass"
        if self.refused is not None:
            message, remedy = f"{message}; a new one is not made: {self.refused.summary}", self.refused.remedy or remedy
        return SourceState(SOURCE, State.UNAVAILABLE, error.code, message, remedy)


def _report_state(error: AwsError) -> ReportState:
    if isinstance(error, Denied):
        return ReportState.DENIED
    return _STATES.get(error.code, ReportState.FAILED)


# Keys


@dataclass
class _Keys:
    """Asks for the keys of users, one after another. Denial, throttling or repeated failure of AWS ends it: the rest would
    fare the same."""

    sessions: AwsSessions
    account: str
    now: datetime
    failed: AwsError | None = None
    stopped: bool = False
    failures: int = 0

    def listed(self, user: Principal, told: UserCredentials | None) -> UserCredentials:
        """The user with the keys that it has now; with those of the report where they cannot be listed."""
        base = told or UserCredentials(
            arn=user.arn, name=user.name, created=user.created_at, password=None, keys=(), more=True
        )
        try:
            if self.stopped and self.failed is not None:
                raise self.failed
            keys = self._read(user.name)
        except AwsError as error:
            self._note(error)
            return replace(base, keys_state=_state(error, State.UNAVAILABLE))
        self.failures = 0
        return replace(base, keys=keys, keys_state=SourceState(SOURCE, State.COMPLETE))

    def _read(self, name: str) -> tuple[AccessKey, ...]:
        """Raises AwsError, also for an answer without what every answer has."""
        return tuple(self._key(raw) for raw in self._raw(name))

    def _raw(self, name: str) -> list[dict[str, Any]]:
        pages = self.sessions.pages("iam", "ListAccessKeys", account=self.account, UserName=name)
        with whole("iam", "ListAccessKeys", self.account):
            found = [raw for page in pages for raw in page["AccessKeyMetadata"]]
            return sorted(found, key=lambda raw: str(raw["AccessKeyId"]))

    def _key(self, raw: dict[str, Any]) -> AccessKey:
        """https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html: no date where there was no use."""
        identifier, created = raw["AccessKeyId"], raw.get("CreateDate")
        answer = self.sessions.call("iam", "GetAccessKeyLastUsed", account=self.account, AccessKeyId=identifier)
        with whole("iam", "GetAccessKeyLastUsed", self.account):
            used = answer["AccessKeyLastUsed"]
            at = used.get("LastUsedDate")
            return AccessKey(
                slot=identifier,
                id=identifier,
                # A key of status Expired cannot be used either; any other status is none that we know.
                active={"Active": True, "Inactive": False, "Expired": False}.get(raw.get("Status", "")),
                created=created.astimezone(UTC) if created else Word.ABSENT,
                last_used=at.astimezone(UTC) if at else Word.ABSENT,
                seen_at=self.now,
                service=_known(used.get("ServiceName")),
                region=_known(used.get("Region")),
                source=LAST_USED_SOURCE,
            )

    def _note(self, error: AwsError) -> None:
        self.failed = self.failed or error
        self.failures += isinstance(error, Transient) and not isinstance(error, Malformed)
        self.stopped = self.stopped or isinstance(error, Denied | Throttled) or self.failures >= PATIENCE


def _known(name: str | None) -> str | None:
    return name if name and name != Word.NOT_APPLICABLE else None
