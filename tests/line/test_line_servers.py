"""The whole line with a real Trino in place of the log files, and a real PostgreSQL in place of SQLite: the same verdicts and
the same policies."""

import gzip
import json
import re

import pytest
import yaml

from sandbox import organization as org
from tests.line.inputs import development_baseline, landscape_of
from tests.line.passes import run_pass, texts, verdicts
from tests.servers.trino.events import load

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

_FOLDER = re.compile(r"/(\d{12})/CloudTrail/([a-z0-9-]+)/(\d{4}/\d{2}/\d{2})/")


@pytest.fixture(scope="module")
def table(trino, downloaded):
    """The account's log files as a table."""

    def records():
        for path in sorted(downloaded.rglob("*.json.gz")):
            if found := _FOLDER.search(str(path)):
                folder = dict(zip(("account", "region", "day"), found.groups(), strict=True))
                yield from (record | folder for record in json.loads(gzip.decompress(path.read_bytes()))["Records"])

    assert load(trino, "of_one_account", records()) > 1_000
    return "of_one_account"


@pytest.fixture
def inputs(account, trino, table):
    """A landscape that asks Trino."""
    landscape = landscape_of(account.logs, {})
    evidence = landscape["spec"]["evidence"]
    del evidence["cloudTrailLogs"]
    evidence["trino"] = [
        {
            "name": "source",
            "url": trino.url,
            "catalog": "memory",
            "schema": "default",
            "table": table,
            "s3": {
                "bucket": org.TRAIL_BUCKET,
                "organizationId": org.ORGANIZATION_ID,
                "account": org.SECURITY,
                "region": org.HOME_REGION,
            },
            "trailArn": org.TRAIL_ARN,
        }
    ]
    (account.inputs / "landscape.yaml").write_text(yaml.safe_dump(landscape))
    (account.inputs / "baseline.yaml").write_text(yaml.safe_dump(development_baseline()))
    return account.inputs


def policies(state):
    return {path: text for path, text in texts(state).items() if path.startswith("documents/")}


def test_trino_and_postgresql_give_what_log_files_and_sqlite_give(inputs, postgresql, migrated, by_files, tmp_path):
    state, store = tmp_path / "state", postgresql.url(postgresql.create(migrated))
    report = run_pass(inputs, state, store=store)
    (source,) = [s for s in report.landscapes["default"].status.sources if s.name == "source"]
    assert (source.state, source.complete_accounts) == ("complete", 2)
    assert verdicts(state) == verdicts(by_files)
    assert policies(state) == policies(by_files)
    assert len(policies(state)) >= 4
    # Nothing is asked for again, and nothing is written.
    assert run_pass(inputs, state, store=store).written == 0


def test_a_database_that_lost_everything_drops_no_verdict_that_the_logs_prove(
    account, postgresql, migrated, by_files, tmp_path
):
    """The store on PostgreSQL, with the log files; then an empty one in its place."""
    state = tmp_path / "state"
    run_pass(account.inputs, state, store=postgresql.url(postgresql.create(migrated)))
    assert policies(state) == policies(by_files)
    run_pass(account.inputs, state, store=postgresql.url(postgresql.create(migrated)))
    assert verdicts(state) == verdicts(by_files)
