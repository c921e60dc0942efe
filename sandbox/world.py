"""The running organization: behaviour, the trail's bucket, settings that tests may turn, and who a key belongs to.

Knows moto's identity store. Must not know HTTP.
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from moto.iam.models import IAMBackend, iam_backends

from sandbox.behaviour import Behaviour
from sandbox.organization import ACCOUNTS
from sandbox.trail import Bucket

if TYPE_CHECKING:
    from sandbox.eventstore import EventStore


@dataclass
class Settings:
    """Limits and speeds of the emulated services; changed by POST /sandbox/settings."""

    policyGenerationPolls: int = 2  # noqa: N815 - the names are the JSON keys of the control endpoint
    recommendationPolls: int = 1  # noqa: N815
    policyGenerationDailyQuota: int = 50  # noqa: N815
    policyGenerationLogFiles: int = 100_000  # noqa: N815 - these two: how much one job reads
    policyGenerationBytes: int = 25_000_000_000  # noqa: N815
    lastAccessedPolls: int = 1  # noqa: N815
    lastAccessedFails: str = ""  # noqa: N815 - the principal whose jobs fail
    credentialReportPolls: int = 1  # noqa: N815 - how often a report is not ready yet
    credentialReportFails: dict[str, str] = field(default_factory=dict)  # noqa: N815 - account: code instead of a report
    analyzerStatus: str = ""  # noqa: N815 - of all analyzers, instead of ACTIVE
    analyzerStatusReason: str = ""  # noqa: N815
    analyzersManagedBy: str = ""  # noqa: N815 - the service that all analyzers belong to
    analyzersScanned: bool = True  # noqa: N815 - whether they have analyzed anything yet
    analyzersMadeDaysAgo: int = 2  # noqa: N815 - before their first look, so that they are through with all principals
    findingsArchived: bool = False  # noqa: N815 - all of unused access
    hubStatus: int = 1  # noqa: N815 - status_id of all findings in Security Hub
    organizationsEmptyPage: bool = False  # noqa: N815 - each list begins with a page that has only a token
    daysPassed: float = 0  # noqa: N815 - since the start, on the organization's own clock
    lakeCustomer: bool = True  # noqa: N815
    lakeStatus: str = "ENABLED"  # noqa: N815 - of the event data store
    lakeMissing: bool = False  # noqa: N815 - the event data store is not there
    lakeSelectors: list[Any] = field(default_factory=list)  # noqa: N815 - instead of the trail's
    lakeRetentionDays: int = 2557  # noqa: N815
    lakeChangedDaysAgo: float = 700  # noqa: N815
    lakeRefusals: int = 0  # noqa: N815 - how often the limit of concurrent queries refuses
    queryPolls: int = 2  # noqa: N815 - how often a query of Lake or Athena is not ready yet
    queryEnds: str = ""  # noqa: N815 - FAILED, CANCELLED or TIMED_OUT instead of success
    queryBytesPerEvent: int = 1_500  # noqa: N815 - scanned and billed
    queryPageSize: int = 1_000  # noqa: N815
    queryLosesPages: bool = False  # noqa: N815 - results end after the first page without saying so
    eksPageSize: int = 100  # noqa: N815
    recommendationFails: str = ""  # noqa: N815 - the ARN of the principal for which nothing can be recommended
    securityHubRefuses: str = ""  # noqa: N815 - findings whose ids end so are refused
    configHoursOld: float = 0  # noqa: N815 - since the aggregator was brought up to date
    configStatus: dict[str, str] = field(default_factory=dict)  # noqa: N815 - account: OUTDATED, FAILED or absent
    configRecorder: dict[str, Any] = field(default_factory=dict)  # noqa: N815 - account: fields of its recorder's item
    configItems: dict[str, Any] = field(default_factory=dict)  # noqa: N815 - ARN: fields of its item
    configLeavesOut: list[str] = field(default_factory=list)  # noqa: N815 - ARNs or types without items
    configFilter: list[str] = field(default_factory=list)  # noqa: N815 - the types that are aggregated; all
    configLosesPages: bool = False  # noqa: N815 - lists of items end after the first page without saying so
    athenaCutoffBytes: int = 0  # noqa: N815 - of the workgroup; 0: none


@dataclass(frozen=True)
class Principal:
    """Who makes a call."""

    account: str
    arn: str  # of the role or user; the account's root where the key belongs to nobody else
    session: str  # what a job belongs to: the access key of the session


@dataclass
class World:
    behaviour: Behaviour
    bucket: Bucket
    settings: Settings = field(default_factory=Settings)
    lock: threading.RLock = field(default_factory=threading.RLock)
    jobs: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """The organization's own clock: it begins with the as-of day, where the logs end, and runs on."""
        seconds = int(time.monotonic() - self.started)
        return self.behaviour.ago(-self.settings.daysPassed) + timedelta(seconds=seconds)

    @cached_property
    def truth(self) -> dict[str, Any]:
        from sandbox.truth import tell  # late: reads catalogues that serving AWS does not need

        return tell(self.behaviour)

    @cached_property
    def events(self) -> "EventStore":
        from sandbox.eventstore import EventStore  # late: takes seconds, which most tests can spare

        return EventStore(self.behaviour, self.bucket)

    def principal(self, access_key: str) -> Principal | None:
        for account, backends in list(iam_backends.items()):
            key = backends["aws"].access_keys.get(access_key)
            if key is None:
                continue
            if key.role_arn:
                return Principal(account, key.role_arn, access_key)
            users = backends["aws"].users
            arn = users[key.user_name].arn if key.user_name in users else f"arn:aws:iam::{account}:root"
            return Principal(account, arn, access_key)
        return None

    def regions(self, account: str) -> tuple[str, ...]:
        return ACCOUNTS[account].regions if account in ACCOUNTS else ("us-east-1",)


def identity_store(account: str) -> IAMBackend:
    return iam_backends[account]["aws"]
