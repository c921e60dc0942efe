"""CloudTrail Lake and Athena of the sandbox: real SQL over the one event store, with the states and limits of AWS."""

import uuid

import pytest

from sandbox import organization as org

pytestmark = pytest.mark.slow

DAY = "eventTime >= '2026-06-10 00:00:00' AND eventTime < '2026-06-11 00:00:00'"
COUNT = f"SELECT eventName, count(*) AS n FROM {org.EVENT_DATA_STORE_ID} WHERE {DAY} GROUP BY eventName"
DDL = f"""CREATE EXTERNAL TABLE IF NOT EXISTS default.events (eventname string, eventtime string,
 useridentity struct<type:string,sessioncontext:struct<sessionissuer:struct<arn:string>>>)
PARTITIONED BY (account string, region string, day string) LOCATION 's3://x/'
TBLPROPERTIES ('projection.enabled'='true',
 'storage.location.template'='s3://{org.TRAIL_BUCKET}/AWSLogs/{org.ORGANIZATION_ID}/${{account}}/CloudTrail/${{region}}/${{day}}')"""


def polled(client, query, calls=10):
    for _ in range(calls):
        answer = client.describe_query(QueryId=query)
        if answer["QueryStatus"] not in ("QUEUED", "RUNNING"):
            return answer
    raise AssertionError("the query does not end")


@pytest.fixture
def lake(aws):
    return aws.client("cloudtrail", org.MANAGEMENT)


@pytest.fixture
def athena(aws):
    return aws.client("athena", org.SECURITY)


def run(athena, statement, *parameters):
    more = {"ExecutionParameters": list(parameters)} if parameters else {}
    place = {"OutputLocation": f"s3://{org.RESULTS_BUCKET}/"}
    query = athena.start_query_execution(QueryString=statement, ResultConfiguration=place, **more)["QueryExecutionId"]
    for _ in range(10):
        answer = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
        if answer["Status"]["State"] not in ("QUEUED", "RUNNING"):
            return answer
    raise AssertionError("the query does not end")


def test_a_query_waits_runs_and_ends_with_pages_of_texts(lake, sandbox):
    sandbox.settings(queryPageSize=3)
    query = lake.start_query(QueryStatement=COUNT)["QueryId"]
    states = [lake.describe_query(QueryId=query)["QueryStatus"] for _ in range(3)]
    assert states == ["QUEUED", "RUNNING", "FINISHED"]
    done = lake.describe_query(QueryId=query)["QueryStatistics"]
    assert done["BytesScanned"] == done["EventsScanned"] * 1_500 > 0
    rows, token = [], {}
    while True:
        page = lake.get_query_results(QueryId=query, **token)
        rows += page["QueryResultRows"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert len(rows) == page["QueryStatistics"]["TotalResultsCount"] > 3
    assert 0 < sum(int(row[1]["n"]) for row in rows) <= done["EventsScanned"]


def test_lake_refuses_what_aws_refuses(lake, aws, sandbox, refused):
    with refused("InvalidQueryStatementException"):
        lake.start_query(QueryStatement=f"DELETE FROM {org.EVENT_DATA_STORE_ID}")
    with refused("InvalidQueryStatementException"):
        lake.start_query(QueryStatement=f"SELECT nothing FROM {org.EVENT_DATA_STORE_ID}")
    with refused("EventDataStoreNotFoundException"):
        lake.start_query(QueryStatement=f"SELECT 1 FROM {uuid.uuid4()}")
    with refused("EventDataStoreNotFoundException"):
        aws.client("cloudtrail", org.PRODUCTION).start_query(QueryStatement=COUNT)
    with refused("InvalidParameterException"):
        lake.start_query(QueryStatement=COUNT + " " * 9_999)
    sandbox.settings(lakeStatus="PENDING_DELETION")
    with refused("InactiveEventDataStoreException"):
        lake.start_query(QueryStatement=COUNT)
    sandbox.settings(lakeCustomer=False)
    with refused("UnsupportedOperationException"):
        lake.get_event_data_store(EventDataStore=org.EVENT_DATA_STORE)


def test_ten_queries_run_at_a_time_and_one_can_be_cancelled(lake, refused):
    queries = [lake.start_query(QueryStatement=f"{COUNT} LIMIT {n}")["QueryId"] for n in range(1, 11)]
    with refused("MaxConcurrentQueriesException"):
        lake.start_query(QueryStatement=COUNT)
    assert lake.cancel_query(QueryId=queries[0])["QueryStatus"] == "CANCELLED"
    lake.start_query(QueryStatement=COUNT)
    assert lake.get_query_results(QueryId=queries[0])["QueryStatus"] == "CANCELLED"
    with refused("InactiveQueryException"):
        lake.cancel_query(QueryId=queries[0])


def test_a_query_may_time_out(lake, sandbox):
    sandbox.settings(queryEnds="TIMED_OUT")
    answer = polled(lake, lake.start_query(QueryStatement=COUNT)["QueryId"])
    assert (answer["QueryStatus"], bool(answer["ErrorMessage"])) == ("TIMED_OUT", True)


SELECT = "SELECT count(*) AS n FROM default.events WHERE account IN (?, ?) AND region = ? AND day BETWEEN ? AND ?"
VALUES = (f"'{org.PRODUCTION}'", f"'{org.DEVELOPMENT}'", "'us-east-1'", "'2026/06/10'", "'2026/06/10'")


def test_athena_reads_the_folders_that_a_query_names(athena):
    assert run(athena, DDL)["Status"]["State"] == "SUCCEEDED"
    every = f"{SELECT.replace('region = ?', 'region IN (?)')}"
    done = run(athena, every, *VALUES)
    rows = athena.get_query_results(QueryExecutionId=done["QueryExecutionId"])["ResultSet"]["Rows"]
    header, (count,) = rows[0]["Data"], rows[1]["Data"]
    assert header == [{"VarCharValue": "n"}]
    assert done["Statistics"]["DataScannedInBytes"] == int(count["VarCharValue"]) * 1_500 > 0


def test_athena_fails_as_aws_does(athena, sandbox, refused):
    failed = run(athena, "SELECT 1 FROM default.nothing")
    assert "TABLE_NOT_FOUND" in failed["Status"]["StateChangeReason"]
    run(athena, DDL)
    unbound = run(athena, "SELECT count(*) FROM default.events")
    assert "CONSTRAINT_VIOLATION" in unbound["Status"]["StateChangeReason"]
    few = run(athena, SELECT, *VALUES[:2])
    assert "INVALID_PARAMETER_USAGE" in few["Status"]["StateChangeReason"]
    with refused("InvalidRequestException"):
        run(athena, SELECT, *VALUES[:4], "'2026' OR 1=1")
    with refused("InvalidRequestException"):
        athena.start_query_execution(QueryString="SELECT 1")
    sandbox.settings(athenaCutoffBytes=1_500)
    cut = run(athena, SELECT.replace("region = ?", "region IN (?)"), *VALUES)
    assert (cut["Status"]["State"], "limit was exceeded" in cut["Status"]["StateChangeReason"]) == ("CANCELLED", True)


def test_a_table_elsewhere_is_empty(athena):
    run(athena, DDL.replace("default.events", "default.elsewhere").replace(org.ORGANIZATION_ID, "o-other00001"))
    query = SELECT.replace("default.events", "default.elsewhere").replace("region = ?", "region IN (?)")
    done = run(athena, query, *VALUES)
    rows = athena.get_query_results(QueryExecutionId=done["QueryExecutionId"])["ResultSet"]["Rows"]
    assert rows[1]["Data"] == [{"VarCharValue": "0"}]
