"""A real Trino of three nodes over the organization's events: the same answer as the log files give, and what happens when
Trino refuses, fails, is too slow or goes away."""

import gzip
import json
import re
from datetime import timedelta

import pytest

from plumbline.api.sources import Trino
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import State
from plumbline.reconcile.event_queries import trino_logs
from plumbline.store.ledger import bins
from sandbox import organization as org
from sandbox.trail import GAP
from tests.servers.controlplane.processes import free_port
from tests.servers.trino.events import COLUMNS, load
from tests.servers.trino.relay import Relay
from tests.sources.organization_logs import ACCOUNTS, AFTER, BEFORE, BUCKET, LATER, LOST, collecting, logs, seen, silent

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

SHORT = (AFTER - timedelta(days=1), AFTER)
_KEY = re.compile(r"/(\d{12})/CloudTrail/([a-z0-9-]+)/(\d{4}/\d{2}/\d{2})/")
_POLL = re.compile(rb"GET /v1/statement/executing/(\w+)/")


@pytest.fixture
def sessions(sandbox, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    return AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=10_000, sleep=lambda _: None)


def records(s3):
    """All records of the days in question, each with the folder of its log file."""
    days = [f"{BEFORE + timedelta(days=n):%Y/%m/%d}" for n in range(-1, (AFTER - BEFORE).days + 2)]
    for account, regions in ACCOUNTS.items():
        for region in regions:
            for day in days:
                prefix = f"AWSLogs/{org.ORGANIZATION_ID}/{account}/CloudTrail/{region}/{day}/"
                listed = s3.list_objects_v2(Bucket=org.TRAIL_BUCKET, Prefix=prefix)
                assert not listed["IsTruncated"]
                for item in listed.get("Contents", ()):
                    body = s3.get_object(Bucket=org.TRAIL_BUCKET, Key=item["Key"])["Body"].read()
                    folder = dict(zip(("account", "region", "day"), _KEY.search(item["Key"]).groups(), strict=True))
                    yield from (record | folder for record in json.loads(gzip.decompress(body))["Records"])


@pytest.fixture(scope="session")
def made():
    """What is made once in the server."""
    return {}


@pytest.fixture
def events(trino, sessions, made):
    """The table `events`, and `slow`: the same thousands of times, so that a query over it is still running."""
    if not made:
        made["events"] = load(trino, "events", records(sessions.client("s3", org.SECURITY, org.HOME_REGION)))
        trino.execute("CREATE VIEW slow AS SELECT e.* FROM events e CROSS JOIN UNNEST(sequence(1, 10000))")
    return made["events"]


@pytest.fixture
def secrets(trino, tmp_path, monkeypatch):
    """The folder for secrets, as it would be mounted."""
    monkeypatch.setenv("PLUMBLINE_SECRETS", str(tmp_path))
    files = {"password": trino.password, "token": trino.token("plumbline"), "foreign": trino.token("plumbline") + "x"}
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "ca.crt").write_bytes(trino.ca_file.read_bytes())
    return tmp_path


@pytest.fixture
def ask(trino, sessions, engine, events):
    """Asks as a landscape would; account -> coverage."""

    def ask(window=SHORT, **more):
        config = {
            "url": trino.url, "catalog": "memory", "schema": "default", "table": "events",
            "s3": BUCKET, "trailArn": org.TRAIL_ARN,
        }  # fmt: skip
        source = Trino.model_validate(config | more)
        found = trino_logs(collecting(sessions, engine, window, LATER), source)
        return {coverage.account: coverage for coverage in found}

    return ask


def refused(covered, reason, remedy):
    assert set(silent(covered, 1).values()) == {0}
    for coverage in covered.values():
        assert (coverage.state.state, coverage.state.reason) == (State.UNAVAILABLE, reason)
        assert remedy in coverage.state.remedy
    return coverage.state.message


def relay(trino, seen=lambda _: None):
    return Relay(int(trino.url.rpartition(":")[2]), seen)


def test_trino_gives_the_answer_of_the_log_files(sessions, engine, events, ask):
    by_files = logs(sessions, engine, now=LATER - timedelta(days=1))
    covered = ask(window=(BEFORE, AFTER))
    found = seen(engine)
    assert len(found["logs"]) > 150
    assert found["trino"] == found["logs"]
    assert silent(covered) == silent(by_files)
    assert covered[GAP[0]].state.reason == "LogGap"
    assert covered[GAP[0]].first_gap(GAP[1], BEFORE, AFTER) == by_files[GAP[0]].first_gap(GAP[1], BEFORE, AFTER)
    assert LOST.date() < AFTER.date()
    whole = [account for account in ACCOUNTS if account != GAP[0]]
    assert {covered[account].state.state for account in whole} == {State.COMPLETE}
    counted = bins(engine, "all")
    assert counted.pop("records") == sum(counted.values())


def test_a_day_that_is_known_is_not_asked_for_again(trino, engine, ask):
    posts = []
    way = relay(trino, lambda data: posts.append(data) if data.startswith(b"POST /v1/statement") else None)
    ask(url=way.url)
    before, asked = seen(engine), len(posts)
    assert asked > 0
    ask(url=way.url)
    assert (len(posts), seen(engine)) == (asked, before)
    way.cut()


@pytest.mark.parametrize("proof", ["passwordFile", "tokenFile"])
def test_a_password_or_token_opens_the_way_over_tls(trino, engine, secrets, ask, proof):
    files = {"passwordFile": "password", "tokenFile": "token"}
    covered = ask(url=trino.secure_url, caFile="ca.crt", **{proof: files[proof]})
    assert covered[org.PRODUCTION].state.state is State.COMPLETE
    assert len(seen(engine)["trino"]) > 50


REFUSALS = {
    "wrong token": ({"tokenFile": "foreign", "caFile": "ca.crt"}, "AccessDenied", "check user, passwordFile and tokenFile"),
    "token as password": ({"passwordFile": "token", "caFile": "ca.crt"}, "AccessDenied", "check user, passwordFile"),
    "no proof": ({"caFile": "ca.crt"}, "AccessDenied", "check user, passwordFile"),
    "unknown authority": ({"tokenFile": "token"}, "Unreachable", "caFile"),
    "no such secret": ({"tokenFile": "nothing", "caFile": "ca.crt"}, "SecretUnreadable", "PLUMBLINE_SECRETS"),
    "no such authority": ({"tokenFile": "token", "caFile": "nothing"}, "SecretUnreadable", "PLUMBLINE_SECRETS"),
}  # fmt: skip


@pytest.mark.parametrize("drill", REFUSALS)
def test_who_is_not_let_in_proves_nothing_silent(trino, secrets, ask, drill):
    config, reason, remedy = REFUSALS[drill]
    message = refused(ask(url=trino.secure_url, **config), reason, remedy)
    assert trino.password not in message


def test_a_server_that_is_not_there_is_unreachable(ask):
    refused(ask(url=f"http://127.0.0.1:{free_port()}"), "Unreachable", "check url")


UNFIT = {
    "no table": ({"table": "nothing"}, "TABLE_NOT_FOUND"),
    "no schema": ({"schema": "nothing"}, "SCHEMA_NOT_FOUND"),
    "no catalog": ({"catalog": "nothing"}, "CATALOG_NOT_FOUND"),
    "no partitions": ({"table": "bare"}, "COLUMN_NOT_FOUND"),
    "other types": ({"table": "typed"}, "FUNCTION_NOT_FOUND"),
}


@pytest.mark.parametrize("drill", UNFIT)
def test_a_table_that_does_not_fit_is_named(trino, ask, drill):
    config, error = UNFIT[drill]
    bare = ", ".join(name for name in COLUMNS if name not in ("account", "region", "day"))
    typed = ", ".join("42 AS requestparameters" if name == "requestparameters" else name for name in COLUMNS)
    trino.execute(f"CREATE OR REPLACE VIEW bare AS SELECT {bare} FROM events")
    trino.execute(f"CREATE OR REPLACE VIEW typed AS SELECT {typed} FROM events")
    assert error in refused(ask(**config), "TableUnfit", "docs/resources.md")


def test_a_query_over_the_limit_is_ended_and_not_tried_again(trino, engine, ask):
    posts = []
    way = relay(trino, lambda data: posts.append(data) if data.startswith(b"POST /v1/statement") else None)
    refused(ask(url=way.url, table="slow", maxGigabytesPerQuery=0.000_001), "CostLimit", "raise maxGigabytesPerQuery")
    running = "SELECT count(*) FROM system.runtime.queries WHERE state = 'RUNNING' AND query LIKE '%FROM memory.default.slow%'"
    assert trino.execute(f"{running} AND query NOT LIKE '%system.runtime%'") == [[0]]
    ask(url=way.url, table="slow", maxGigabytesPerQuery=0.000_001)
    assert len(posts) == 1
    way.cut()


def test_a_query_that_takes_too_long_is_ended(monkeypatch, ask):
    monkeypatch.setattr("plumbline.usage.sources.trino.LONGEST", 2.0)
    refused(ask(table="slow"), "QueryTimedOut", "tried again")


def test_a_query_that_somebody_ends_says_so(trino, ask):
    ended = []

    def end(data):
        if not ended and (polled := _POLL.search(data)):
            ended.append(polled[1].decode())
            trino.execute(f"CALL system.runtime.kill_query('{ended[0]}', 'by hand')")

    way = relay(trino, end)
    assert "by hand" in refused(ask(url=way.url, table="slow"), "QueryCancelled", "find out who")
    way.cut()


def test_a_server_that_goes_away_midway_adds_nothing(trino, engine, ask):
    had = ask()
    before = seen(engine)
    way = relay(trino, lambda data: way.cut() if _POLL.search(data) else None)
    covered = ask(window=(BEFORE, AFTER), url=way.url, table="slow")
    assert seen(engine) == before
    assert set(silent(covered).values()) == {0}
    production = covered[org.PRODUCTION].state
    assert (production.state, production.reason) == (State.PARTIAL, "Unreachable")
    assert had[org.PRODUCTION].state.state is State.COMPLETE


def test_a_table_without_a_trail_proves_nothing(engine, ask):
    covered = ask(trailArn=None, s3=None)
    assert len(seen(engine)["trino"]) > 50
    assert {coverage.state.reason for coverage in covered.values()} == {"TrailUnknown"}
    assert set(silent(covered, 1).values()) == {0}
