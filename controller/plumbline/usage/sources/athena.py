"""Athena over the trail's bucket: the table, the usage query with bound parameters, and what digest files prove.

Knows Athena's operations, states and costs; what rows mean and which days are asked for is decided elsewhere.
https://docs.aws.amazon.com/athena/latest/ug/cloudtrail-logs.html
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Final

from plumbline.api.landscape import Athena, CloudTrailLogs
from plumbline.aws.errors import AwsError, Invalid, Transient
from plumbline.aws.limits import patiently
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import Interval, LogCoverage, SourceState, State, overlap
from plumbline.model.snapshot import digest_of
from plumbline.store.ledger import Partition, PartitionKey
from plumbline.usage.digest_days import proven_day
from plumbline.usage.log_coverage import TrailFacts, log_coverage
from plumbline.usage.log_source import LogSource, log_source
from plumbline.usage.sources.days import ALL, Answer, asked_days
from plumbline.usage.sources.polling import Progress, Sleep, over_limit, wait
from plumbline.usage.sources.query import Row, Table, usage_query
from plumbline.usage.sources.sql import checked, literal
from plumbline.usage.sync_report import SyncProblem

GIGABYTE: Final = 10**9
_RESULTS = 1_000
_PATIENCE = 120.0
_THREADS = 8
_CUTOFF = "Bytes scanned limit was exceeded"
# The columns of the usage query, as the CloudTrail SerDe names them.
# https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table-partition-projection.html
_COLUMNS = """
  eventversion string,
  useridentity struct<type:string,principalid:string,arn:string,accountid:string,invokedby:string,accesskeyid:string,
    username:string,sessioncontext:struct<attributes:struct<mfaauthenticated:string,creationdate:string>,
    sessionissuer:struct<type:string,principalid:string,arn:string,accountid:string,username:string>>>,
  eventtime string,
  eventsource string,
  eventname string,
  awsregion string,
  errorcode string,
  errormessage string,
  requestparameters string,
  eventid string,
  resources array<struct<arn:string,accountid:string,type:string>>,
  eventtype string,
  recipientaccountid string,
  eventcategory string
"""


class AthenaLogs:
    """One configured table as a source of days. `accounts`: those to ask for, with their enabled Regions."""

    def __init__(
        self,
        sessions: AwsSessions,
        config: Athena,
        accounts: Mapping[str, Sequence[str] | None],
        sleep: Sleep = time.sleep,
    ) -> None:
        self._sessions, self._config, self._sleep = sessions, config, sleep
        self._regions = {a: tuple(config.regions or regions or ()) for a, regions in accounts.items()}
        self.name = config.name
        self.scopes = tuple(sorted(account for account, regions in self._regions.items() if regions))
        self._made = False

    @cached_property
    def limit(self) -> int:
        """The landscape's limit or the workgroup's, whichever is lower. Raises AwsError."""
        own = int(self._config.max_gigabytes_per_query * GIGABYTE)
        answer = self._call("GetWorkGroup", WorkGroup=self._config.workgroup)
        cutoff = answer["WorkGroup"].get("Configuration", {}).get("BytesScannedCutoffPerQuery")
        return min(own, int(cutoff)) if cutoff else own

    @cached_property
    def logs(self) -> LogSource:
        """The log files behind the table, for their digests. Raises AwsError."""
        s3 = self._config.s3
        config = CloudTrailLogs(name=self.name, s3=s3, trail_arn=self._config.trail_arn, regions=self._config.regions)
        return log_source(config, self._sessions.client("s3", account=s3.account, region=s3.region))

    @property
    def table(self) -> str:
        """The table as it stands in FROM. One that is made bears the digest of its definition: another bucket, another table."""
        database = checked("name", self._config.database)
        if self._config.table:
            return f"{database}.{checked('name', self._config.table)}"
        return f"{database}.{checked('name', self._config.create_table or '')}_{digest_of([self._definition])[:8]}"

    @property
    def _definition(self) -> str:
        """Columns, partitions and place of the table. Partition projection needs no catalogue of partitions, and lets a
        query read only the folders of the accounts, Regions and days that it names.
        https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
        """
        s3 = self._config.s3
        parts = [s3.bucket, *s3.prefix.strip("/").split("/"), "AWSLogs", s3.organization_id or ""]
        place = checked("location", f"s3://{'/'.join(part for part in parts if part)}/")
        return f"""({_COLUMNS}) PARTITIONED BY (account string, region string, day string)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION '{place}'
TBLPROPERTIES ('projection.enabled'='true',
 'projection.account.type'='injected', 'projection.region.type'='injected',
 'projection.day.type'='date', 'projection.day.format'='yyyy/MM/dd', 'projection.day.range'='2013/11/01,NOW',
 'projection.day.interval'='1', 'projection.day.interval.unit'='DAYS',
 'storage.location.template'='{place}${{account}}/CloudTrail/${{region}}/${{day}}')"""

    def ask(self, first: date, last: date, scopes: Sequence[str]) -> Answer:
        """One query over these accounts. Raises AwsError, also while rows are fetched."""
        if self._config.create_table and not self._made:
            self._run(f"CREATE EXTERNAL TABLE IF NOT EXISTS {self.table} {self._definition}", [])
            self._made = True
        # The events of a day's last hour may lie in the next day's folder.
        after = last + timedelta(days=1)
        regions = sorted({region for account in scopes for region in self._regions[account]})
        values = [
            *(literal("account", account) for account in scopes),
            *(literal("region", region) for region in regions),
            *(literal("day", f"{day:%Y/%m/%d}") for day in (first, after)),
            *(literal("time", f"{day}T00:00:00Z") for day in (first, after)),
        ]
        table = Table(
            name=self.table,
            where=f"account IN ({_places(scopes)}) AND region IN ({_places(regions)}) AND day BETWEEN ? AND ?"
            " AND eventTime >= ? AND eventTime < ?",
            request="requestParameters",
            shape="array_join(array_sort(map_keys(TRY(CAST(json_parse(requestParameters) AS map(varchar, json))))), ',')",
            resources="json_format(CAST(transform(resources, r -> r.arn) AS JSON))",
        )
        execution, scanned = self._run(usage_query(table), values)
        return Answer(self._rows(execution), scanned)

    def proven(self, days: Sequence[date], scopes: Sequence[str]) -> Mapping[PartitionKey, tuple[Interval, ...]]:
        """What the digests in the day folders prove. Without a trail nothing is: then digests prove nothing."""
        if self._config.trail_arn is None:
            return {}
        places = [(a, r, day) for a in scopes for r in self._regions[a] for day in days]
        logs = self.logs
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="digests") as pool:
            found = list(pool.map(lambda place: proven_day(logs, *place), places))
        return {
            PartitionKey(self.name, a, r, d.isoformat()): spans for (a, r, d), spans in zip(places, found, strict=True)
        }

    def _run(self, statement: str, values: list[str]) -> tuple[str, int]:
        """(id of a finished query, bytes scanned)."""
        parameters: dict[str, Any] = {"QueryString": statement, "WorkGroup": self._config.workgroup}
        if values:
            parameters["ExecutionParameters"] = values
        if self._config.output_location:
            parameters["ResultConfiguration"] = {"OutputLocation": self._config.output_location}
        limit = self.limit
        started = patiently(lambda: self._call("StartQueryExecution", **parameters), total=_PATIENCE, sleep=self._sleep)
        execution = started["QueryExecutionId"]
        return execution, wait(
            lambda: self._look(execution, limit),
            lambda: self._call("StopQueryExecution", QueryExecutionId=execution),
            limit,
            self._sleep,
        )

    def _look(self, execution: str, limit: int) -> Progress:
        """https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecutionStatus.html"""
        answer = self._call("GetQueryExecution", QueryExecutionId=execution)["QueryExecution"]
        state, why = answer["Status"]["State"], answer["Status"].get("StateChangeReason") or "no further message"
        scanned = int(answer.get("Statistics", {}).get("DataScannedInBytes") or 0)
        if state in ("QUEUED", "RUNNING"):
            return Progress(scanned)
        if state == "SUCCEEDED":
            return Progress(scanned, ended=True)
        if _CUTOFF in why:
            return Progress(scanned, True, over_limit(max(scanned, limit), limit))
        reason, remedy = "QueryFailed", "It is tried again in the next pass"
        if state == "CANCELLED":
            reason, remedy = "QueryCancelled", f"Find out who cancels queries of workgroup {self._config.workgroup}"
        elif "TABLE_NOT_FOUND" in why or "COLUMN_NOT_FOUND" in why or "CONSTRAINT_VIOLATION" in why:
            reason, remedy = "TableUnfit", "name a table as docs/resources.md says, or set createTable instead of table"
        return Progress(scanned, True, Transient(f"the query ended as {state}: {why}", reason=reason, remedy=remedy))

    def _rows(self, execution: str) -> Iterator[Row]:
        """All rows, page by page. The first line of the first page is the header."""
        token: dict[str, str] = {}
        names: list[str] = []
        while True:
            page = self._call("GetQueryResults", QueryExecutionId=execution, MaxResults=_RESULTS, **token)
            for line in page["ResultSet"]["Rows"]:
                cells = [cell.get("VarCharValue", "") for cell in line["Data"]]
                if names:
                    values = dict(zip(names, cells, strict=True))
                    yield Row._make(values.get(name, "") for name in Row._fields)
                elif set(cells) == set(Row._fields):
                    names = cells
                else:
                    raise Invalid("the results have no header of the usage query", reason="ResultsUnreadable")
            following = page.get("NextToken")
            if not following or following == token.get("NextToken"):
                return
            token = {"NextToken": following}

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        account, region = self._config.account, self._config.region
        try:
            return self._sessions.call("athena", operation, account=account, region=region, **parameters)
        except AwsError as error:
            if error.code == "InvalidRequestException" and not error.remedy:
                error.remedy = "check workgroup, outputLocation and database of the source"
            raise


def _places(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)


def athena_coverage(
    logs: LogSource,
    account: str,
    regions: Sequence[str] | None,
    parts: Iterable[Partition],
    *,
    facts: TrailFacts,
    problems: Sequence[SyncProblem],
    window: Interval,
) -> LogCoverage:
    """What the trail proves of one account, as for its log files: by selectors and digests, of the days asked for."""
    parts = list(parts)
    days = asked_days(parts, account)
    if not days and problems:
        state = SourceState(logs.name, State.UNAVAILABLE, problems[0].reason, problems[0].message, problems[0].remedy)
        return LogCoverage(account, logs.name, None if regions is None else tuple(sorted(regions)), state=state)
    own = [part for part in parts if part.key.account == account and part.key.region != ALL]
    asked = [replace(part, covered=overlap(part.covered, days)) for part in own]
    return log_coverage(logs, account, regions, asked, facts=facts, problems=problems, window=window)
