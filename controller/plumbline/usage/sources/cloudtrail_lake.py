"""CloudTrail Lake: the usage query over an event data store, and what the store can have seen.

Knows Lake's operations, states and limits; what rows mean and which days are asked for is decided elsewhere.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-lake.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from plumbline.api.sources import CloudTrailLake
from plumbline.aws.errors import AwsError, Invalid, NotFound, Transient, whole
from plumbline.aws.limits import patiently
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import Interval, LogCoverage, SourceState, State
from plumbline.model.snapshot import digest_of
from plumbline.store.ledger import Partition, PartitionKey
from plumbline.usage.digest_days import DayProof
from plumbline.usage.log_coverage import TrailFacts, log_coverage
from plumbline.usage.log_source import LogSource
from plumbline.usage.objects import Folder
from plumbline.usage.selectors import selection_of
from plumbline.usage.sources.days import ALL, Answer, asked_days
from plumbline.usage.sources.polling import Jobs, Progress, Sleep, run, wait
from plumbline.usage.sources.query import Row, Table, usage_query
from plumbline.usage.sources.sql import checked, literal
from plumbline.usage.sync_report import SyncProblem
from plumbline.usage.trails import Trail

GIGABYTE: Final = 10**9
_RESULTS = 1_000
# Ten queries may run or wait at a time, those of people included.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html
_PATIENCE = 300.0
_NO_CUSTOMER = frozenset({"UnsupportedOperationException", "OperationNotPermittedException"})
_MISSING = frozenset({"EventDataStoreNotFoundException", "EventDataStoreARNInvalidException"})
_INACTIVE = frozenset({"InactiveEventDataStoreException"})
_FAILURES: Mapping[str, tuple[str, str]] = {
    "FAILED": ("QueryFailed", "It is tried again in the next pass"),
    "CANCELLED": (
        "QueryCancelled",
        "Find out who cancels queries of the event data store; it is tried again in the next pass",
    ),
    "TIMED_OUT": ("QueryTimedOut", "It is tried again in the next pass"),
}


@dataclass(frozen=True, slots=True)
class EventDataStore:
    """The store as it is now. `trail`: what it records, in the words of a trail; `owner`: its account; `kept`: how long."""

    trail: Trail
    owner: str
    status: str
    kept: timedelta


class Lake:
    """One configured event data store as a source of days."""

    scopes = (ALL,)

    def __init__(
        self, sessions: AwsSessions, config: CloudTrailLake, sleep: Sleep = time.sleep, jobs: Jobs | None = None
    ) -> None:
        self._sessions, self._sleep, self._jobs = sessions, sleep, jobs
        _, _, _, self._region, self._owner, store = config.event_data_store.split(":", 5)
        self._arn, self._id = config.event_data_store, store.rpartition("/")[2]
        self._account = config.account or self._owner
        self.name = config.name
        self.limit = int(config.max_gigabytes_per_query * GIGABYTE)

    def describe(self) -> EventDataStore:
        """https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventDataStore.html. Raises AwsError."""
        answer = self._call("GetEventDataStore", EventDataStore=self._arn)
        with self._whole("GetEventDataStore"):
            return self._described(answer)

    def _described(self, answer: Mapping[str, Any]) -> EventDataStore:
        selectors = {"AdvancedEventSelectors": answer.get("AdvancedEventSelectors") or []}
        changed = [answer[name] for name in ("CreatedTimestamp", "UpdatedTimestamp") if name in answer]
        trail = Trail(
            arn=self._arn,
            name=answer.get("Name") or self._id,
            home_region=self._region,
            multi_region=bool(answer.get("MultiRegionEnabled")),
            organization=bool(answer.get("OrganizationEnabled")),
            validation=True,
            logging=answer["Status"] == "ENABLED",
            # Starting and stopping ingestion, and a change of selectors, count as updates.
            started_at=max(changed).astimezone(UTC) if changed else None,
            selection=selection_of(selectors),
            digest=digest_of([json.dumps(answer, sort_keys=True, default=str)]),
            kind="event data store",
        )
        kept = timedelta(days=int(answer["RetentionPeriod"]))
        return EventDataStore(trail, self._owner, str(answer["Status"]), kept)

    def ask(self, first: date, last: date, scopes: Sequence[str]) -> Answer:
        """One query over all accounts and Regions of the store. Raises AwsError, also while rows are fetched."""
        del scopes  # the store's accounts; what belongs to no role of ours is kept and asked of nobody
        end = last + timedelta(days=1)
        table = Table(
            name=checked("eventDataStore", self._id),
            where=f"eventTime >= {literal('time', f'{first} 00:00:00')} AND eventTime < {literal('time', f'{end} 00:00:00')}",
            request="json_format(CAST(requestParameters AS JSON))",
            shape="array_join(array_sort(map_keys(requestParameters)), ',')",
            resources="json_format(CAST(transform(resources, r -> r.arn) AS JSON))",
        )
        statement, jobs = usage_query(table), self._jobs

        def start() -> str:
            call = patiently(
                lambda: self._call("StartQuery", QueryStatement=statement), total=_PATIENCE, sleep=self._sleep
            )
            with self._whole("StartQuery"):
                return str(call["QueryId"])

        def follow(query: str) -> int:
            return wait(
                lambda: self._look(query),
                lambda: self._call("CancelQuery", QueryId=query),
                self.limit,
                self._sleep,
                jobs.forget if jobs is not None else lambda: None,
            )

        query, scanned = run(jobs, digest_of([statement]), start, follow)
        return Answer(self._rows(query), scanned)

    def proven(self, days: Sequence[date], scopes: Sequence[str]) -> Mapping[PartitionKey, DayProof]:
        """Nothing: Lake has no digest files. What it ingested, it shows."""
        del days, scopes
        return {}

    def _look(self, query: str) -> Progress:
        """https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeQuery.html"""
        answer = self._call("DescribeQuery", QueryId=query)
        with self._whole("DescribeQuery"):
            status = answer["QueryStatus"]
            scanned = int(answer.get("QueryStatistics", {}).get("BytesScanned") or 0)
        if status in ("QUEUED", "RUNNING"):
            return Progress(scanned)
        if status == "FINISHED":
            return Progress(scanned, ended=True)
        reason, remedy = _FAILURES.get(status, _FAILURES["FAILED"])
        message = f"the query ended as {status}: {answer.get('ErrorMessage') or 'no further message'}"
        return Progress(scanned, True, Transient(message, reason=reason, remedy=remedy, account=self._account))

    def _rows(self, query: str) -> Iterator[Row]:
        """All rows, page by page; fewer than the query says it has are an error."""
        token: dict[str, str] = {}
        given, total = 0, 0
        while True:
            page = self._call("GetQueryResults", QueryId=query, MaxQueryResults=_RESULTS, **token)
            with self._whole("GetQueryResults"):
                if page["QueryStatus"] != "FINISHED":
                    raise Transient(f"the results are gone: {page['QueryStatus']}", reason="ResultsIncomplete")
                total = int(page["QueryStatistics"]["TotalResultsCount"])
                rows = [
                    dict(item for cell in cells for item in cell.items()) for cells in page.get("QueryResultRows", ())
                ]
            given += len(rows)
            yield from (Row._make(values.get(name, "") for name in Row._fields) for values in rows)
            following = page.get("NextToken")
            if not following or following == token.get("NextToken"):
                break
            token = {"NextToken": following}
        if given < total:
            raise Invalid(
                f"the query gave {given:,} rows of {total:,}",
                reason="ResultsIncomplete",
                remedy="It is tried again in the next pass",
            )

    def _whole(self, operation: str) -> AbstractContextManager[None]:
        return whole("cloudtrail", operation, self._account)

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation != "GetEventDataStore" and self._account != self._owner:
            parameters["EventDataStoreOwnerAccountId"] = self._owner
        try:
            return self._sessions.call(
                "cloudtrail", operation, account=self._account, region=self._region, **parameters
            )
        except AwsError as error:
            raise _explained(error) from error


def _explained(error: AwsError) -> AwsError:
    """The error with what it means for Lake, and what to do."""
    if error.code in _NO_CUSTOMER:
        kind: type[AwsError] = Invalid
        reason = "NotALakeCustomer"
        remedy = "CloudTrail Lake takes no new customers; use athena or cloudTrailLogs instead of cloudTrailLake"
    elif error.code in _MISSING:
        kind, reason = NotFound, "EventDataStoreNotFound"
        remedy = "correct eventDataStore, or set account to its owner or the delegated administrator of CloudTrail"
    elif error.code in _INACTIVE:
        kind, reason = Invalid, "EventDataStoreInactive"
        remedy = "restore the event data store, or name another"
    else:
        return error
    names = {"service": error.service, "operation": error.operation, "account": error.account, "code": error.code}
    return kind(error.message, reason=reason, remedy=remedy, **names)


def lake_coverage(
    name: str,
    account: str,
    regions: Sequence[str] | None,
    parts: Iterable[Partition],
    *,
    store: EventDataStore,
    facts: TrailFacts,
    problems: Sequence[SyncProblem],
    window: Interval,
    joined: datetime | None = None,
) -> LogCoverage:
    """What the store proves of one account: the days asked for, since it records as it does now.

    An organization's store covers an account once an event of it was seen; that an account belongs to the organization of
    the store is not known otherwise. It records nothing of the time before the account `joined`, where that is known.
    """
    parts = list(parts)
    own = [part for part in parts if part.key.account == account and part.key.region != ALL]
    days = asked_days(parts, ALL)
    why = _nothing_proven(account, days, own, store, problems)
    if why is not None:
        state = SourceState(name, State.UNAVAILABLE, *why)
        return LogCoverage(account, name, None if regions is None else tuple(sorted(regions)), state=state)
    if account != store.owner and joined is not None:
        facts = replace(facts, seen_changed=max(joined, facts.seen_changed or joined))
    trail = store.trail
    recorded = [region for region in regions or () if trail.multi_region or region == trail.home_region]
    asked = [Partition(PartitionKey(name, account, region, ""), "", covered=days) for region in recorded]
    damaged = [replace(part, covered=()) for part in own if part.problems]
    source = LogSource(name, Folder(Path()), (), trail.arn)
    return log_coverage(source, account, regions, [*asked, *damaged], facts=facts, problems=problems, window=window)


def _nothing_proven(
    account: str,
    days: Sequence[Interval],
    own: Sequence[Partition],
    store: EventDataStore,
    problems: Sequence[SyncProblem],
) -> tuple[str, str, str] | None:
    """(reason, message, remedy) when silence in the store says nothing about the account."""
    if store.status != "ENABLED":
        message = f"the event data store is {store.status}: it takes in no events"
        return "EventDataStoreInactive", message, "start its ingestion, restore it, or name another"
    if account != store.owner and not store.trail.organization:
        message = f"the event data store records account {store.owner} only"
        return "NotInStore", message, "name an event data store of the organization"
    if not days and problems:
        return problems[0].reason, problems[0].message, problems[0].remedy
    if account != store.owner and not any(part.records for part in own):
        message = "the event data store shows no event of the account, so nothing proves that it records it"
        return "NotInStore", message, "check that the account belongs to the organization of the store"
    return None
