"""The whole line with CloudTrail Lake or Athena in place of the log files: the same verdicts, and none when they fail."""

from collections import Counter

import pytest
import yaml

from plumbline.export.metrics import render
from plumbline.reconcile.figures import figures_of
from sandbox import organization as org
from tests.line.inputs import development_baseline, landscape_of
from tests.line.passes import run_pass, verdicts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SOURCES = {
    "cloudTrailLake": {"name": "source", "eventDataStore": org.EVENT_DATA_STORE},
    "athena": {
        "name": "source",
        "createTable": "events",
        "s3": {
            "bucket": org.TRAIL_BUCKET,
            "organizationId": org.ORGANIZATION_ID,
            "account": org.SECURITY,
            "region": org.HOME_REGION,
        },
        "account": org.SECURITY,
        "trailArn": org.TRAIL_ARN,
        "outputLocation": f"s3://{org.RESULTS_BUCKET}/plumbline/",
    },
}


@pytest.fixture
def inputs(account, sandbox):
    sandbox.settings(queryPolls=0)

    def write(field):
        landscape = landscape_of(account.logs, {})
        evidence = landscape["spec"]["evidence"]
        del evidence["cloudTrailLogs"]
        evidence[field] = [SOURCES[field]]
        (account.inputs / "landscape.yaml").write_text(yaml.safe_dump(landscape))
        (account.inputs / "baseline.yaml").write_text(yaml.safe_dump(development_baseline()))
        return account.inputs

    return write


@pytest.mark.parametrize("field", SOURCES)
def test_verdicts_are_those_by_log_files(inputs, by_files, tmp_path, field):
    state = tmp_path / "state"
    report = run_pass(inputs(field), state)
    (source,) = [s for s in report.landscapes["default"].status.sources if s.name == "source"]
    assert (source.state, source.complete_accounts) == ("complete", 2)
    said = verdicts(state)
    assert report.scanned["default", "source"] > 0
    assert 'plumbline_query_scanned_bytes_total{landscape="default",source="source"}' in render(figures_of(report))
    assert Counter(verdict for verdict, _ in said.values())["unused"] > 1_000
    assert said == verdicts(by_files)
    # Nothing is asked for again, and nothing is written.
    assert run_pass(inputs(field), state).written == 0


@pytest.mark.parametrize("ends", ["FAILED", "TIMED_OUT"])
@pytest.mark.parametrize("field", SOURCES)
def test_a_query_that_fails_makes_nothing_unused(inputs, sandbox, tmp_path, field, ends):
    sandbox.settings(queryEnds=ends)
    state = tmp_path / "state"
    report = run_pass(inputs(field), state)
    assert not {key for key, (verdict, _) in verdicts(state).items() if verdict == "unused"}
    assert not list(state.glob("proposals/*/*.yaml"))
    status = report.landscapes["default"].status
    found = {c.type: c for c in status.conditions}
    assert (found["EvidenceComplete"].status, found["EvidenceComplete"].reason) == ("False", "SourcesIncomplete")
    (source,) = [s for s in status.sources if s.name == "source"]
    assert source.remedy


HELD = {
    "skew": ("ClockSkew", "NTP or chrony"),
    "expire": ("SessionExpired", "Renew the operator's own AWS credentials"),
}


@pytest.mark.parametrize("kind", HELD)
@pytest.mark.parametrize(("field", "service"), [("cloudTrailLake", "cloudtrail"), ("athena", "athena")])
def test_a_wrong_clock_or_an_ended_session_removes_nothing(inputs, by_files, sandbox, tmp_path, field, service, kind):
    reason, remedy = HELD[kind]
    sandbox.fault(kind, service=service, operation="GetQueryResults", after=1)
    state = tmp_path / "state"
    status = run_pass(inputs(field), state).landscapes["default"].status
    assert not {key for key, (verdict, _) in verdicts(state).items() if verdict == "unused"}
    assert not list(state.glob("proposals/*/*.yaml"))
    (source,) = [s for s in status.sources if s.name == "source"]
    assert (source.state != "complete", source.reason) == (True, reason)
    assert remedy in source.remedy
    # What was read is kept, what was not is read, and nothing of it is left in the verdicts.
    sandbox.heal()
    run_pass(inputs(field), state)
    assert verdicts(state) == verdicts(by_files)
    assert list(state.glob("proposals/*/*.yaml"))
