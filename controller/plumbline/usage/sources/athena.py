"""Athena over the trail's bucket: the table, and the usage query with bound parameters.

Knows Athena's operations, states and costs; what rows mean and which days are asked for is decided elsewhere.
https://docs.aws.amazon.com/athena/latest/ug/cloudtrail-logs.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from functools import cached_property
from typing import Any

from plumbline.api.sources import Athena
from plumbline.aws.errors import AwsError, Invalid, Transient, whole
from plumbline.aws.limits import patiently
from plumbline.aws.session import AwsSessions
from plumbline.model.snapshot import digest_of
from plumbline.store.ledger import PartitionKey
from plumbline.usage.digest_days import DayProof
from plumbline.usage.sources.days import Answer
from plumbline.usage.sources.polling import Jobs, Progress, Sleep, over_limit, run, wait
from plumbline.usage.sources.query import Row, usage_query
from plumbline.usage.sources.sql import checked, literal
from plumbline.usage.sources.trail_table import GIGABYTE, TrailTable

_RESULTS = 1_000
_PATIENCE = 120.0
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
        jobs: Jobs | None = None,
    ) -> None:
        self._sessions, self._config, self._sleep, self._jobs = sessions, config, sleep, jobs
        self.trail = TrailTable(sessions, config, accounts)
        self.name, self.scopes = config.name, self.trail.scopes
        self._made = False

    @cached_property
    def limit(self) -> int:
        """The landscape's limit or the workgroup's, whichever is lower. Raises AwsError."""
        own = int(self._config.max_gigabytes_per_query * GIGABYTE)
        answer = self._call("GetWorkGroup", WorkGroup=self._config.workgroup)
        with self._whole("GetWorkGroup"):
            cutoff = answer["WorkGroup"].get("Configuration", {}).get("BytesScannedCutoffPerQuery")
            return min(own, int(cutoff)) if cutoff else own

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
        table, values = self.trail.days(self.table, first, last, scopes)
        execution, scanned = self._run(usage_query(table), [literal(kind, value) for kind, value in values])
        return Answer(self._rows(execution), scanned)

    def proven(self, days: Sequence[date], scopes: Sequence[str]) -> Mapping[PartitionKey, DayProof]:
        """What the digests in the day folders prove."""
        return self.trail.proven(days, scopes)

    def _run(self, statement: str, values: list[str]) -> tuple[str, int]:
        """(id of a finished query, bytes scanned)."""
        parameters: dict[str, Any] = {"QueryString": statement, "WorkGroup": self._config.workgroup}
        if values:
            parameters["ExecutionParameters"] = values
        if self._config.output_location:
            parameters["ResultConfiguration"] = {"OutputLocation": self._config.output_location}
        limit, jobs = self.limit, self._jobs

        def start() -> str:
            call = patiently(
                lambda: self._call("StartQueryExecution", **parameters), total=_PATIENCE, sleep=self._sleep
            )
            with self._whole("StartQueryExecution"):
                return str(call["QueryExecutionId"])

        def follow(execution: str) -> int:
            return wait(
                lambda: self._look(execution, limit),
                lambda: self._call("StopQueryExecution", QueryExecutionId=execution),
                limit,
                self._sleep,
                jobs.forget if jobs is not None else lambda: None,
            )

        return run(jobs, digest_of([statement, *values]), start, follow)

    def _look(self, execution: str, limit: int) -> Progress:
        """https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecutionStatus.html"""
        answer = self._call("GetQueryExecution", QueryExecutionId=execution)
        with self._whole("GetQueryExecution"):
            told = answer["QueryExecution"]
            state, why = told["Status"]["State"], told["Status"].get("StateChangeReason") or "no further message"
            scanned = int(told.get("Statistics", {}).get("DataScannedInBytes") or 0)
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
            with self._whole("GetQueryResults"):
                lines = [[cell.get("VarCharValue", "") for cell in line["Data"]] for line in page["ResultSet"]["Rows"]]
            for cells in lines:
                if len(cells) == len(names):
                    values = dict(zip(names, cells, strict=True))
                    yield Row._make(values.get(name, "") for name in Row._fields)
                elif names:
                    raise _incomplete(f"a line has {len(cells)} cells instead of {len(names)}")
                elif set(cells) == set(Row._fields):
                    names = cells
                else:
                    raise Invalid("the results have no header of the usage query", reason="ResultsUnreadable")
            following = page.get("NextToken")
            if not following:
                break
            if following == token.get("NextToken"):
                raise _incomplete("it says that there is more, but not where")
            token = {"NextToken": following}
        if not names:
            raise _incomplete("it has not even a header")

    def _whole(self, operation: str) -> AbstractContextManager[None]:
        return whole("athena", operation, self._config.account)

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        account, region = self._config.account, self._config.region
        try:
            return self._sessions.call("athena", operation, account=account, region=region, **parameters)
        except AwsError as error:
            if error.code == "InvalidRequestException" and not error.remedy:
                error.remedy = "check workgroup, outputLocation and database of the source"
            raise


def _incomplete(why: str) -> Invalid:
    text = f"the answer with the results is not whole: {why}"
    return Invalid(text, reason="ResultsIncomplete", remedy="It is tried again in the next pass")
