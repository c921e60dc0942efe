"""The whole line on the sandbox organization, compared with its truth file, and left alone by a second pass."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa
import yaml

from plumbline.store.schema import generation_job
from sandbox import organization as org
from sandbox.demo import SAMPLES, agrees, compare, drift
from tests.line.passes import NOW, copied, run_pass, texts, verdicts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_every_verdict_is_as_the_truth_says(first, sandbox):
    score = compare(sandbox.truth, first.state)
    assert score.wrong == ()
    assert score.right == score.compared > 100_000
    assert score.recall >= 0.99
    assert score.said_unused > 10_000


def test_every_trap_is_answered_as_the_truth_says(first, sandbox):
    said = verdicts(first.state)
    answers = {
        (trap, row["role"], row["action"]): (
            row["verdict"],
            said.get((row["role"], row["action"]), ("undetermined",))[0],
        )
        for trap, rows in sandbox.truth["traps"].items()
        for row in rows
    }
    assert {key: pair for key, pair in answers.items() if not agrees(*pair)} == {}
    assert len({trap for trap, _, _ in answers}) >= 11


def test_an_account_that_fails_is_named_and_stops_no_other(first):
    status = first.report.landscapes["default"].status
    assert [(a.id, a.reason) for a in status.failing_accounts] == [(org.LEGACY, "AccessDenied")]
    assert "sts:AssumeRole" in status.failing_accounts[0].message
    assert "trust policy" in status.failing_accounts[0].message
    assert status.accounts_reachable == status.accounts - 1
    legacy = first.report.baselines["platform/legacy"].status
    assert legacy.roles == 0
    found = {c.type: c.status for c in legacy.conditions}
    assert (found["Ready"], found["Compliant"], found["EvidenceComplete"]) == ("True", "Unknown", "False")


def test_a_throttled_account_leaves_its_roles_undetermined(first):
    payments = {k: v for k, v in verdicts(first.state).items() if k[0].split(":")[4] == org.PAYMENTS}
    assert (
        {"used", "undetermined"} <= {verdict for verdict, _ in payments.values()} <= {"used", "undetermined", "masked"}
    )
    assert any(reason == "lastAccessedUnavailable" for _, reason in payments.values())
    source = next(s for s in first.report.landscapes["default"].status.sources if s.name == "last-accessed")
    assert (source.state, source.reason) == ("partial", "Throttled")
    assert org.PAYMENTS in source.message


def test_the_bins_add_up_to_the_records_that_were_read(first):
    events = dict(first.report.landscapes["default"].status.events)
    assert events.pop("records") == sum(events.values()) > 150_000


def test_proposals_are_complete_and_proven(first):
    found = [yaml.safe_load(path.read_text()) for path in sorted(first.state.glob("proposals/*/*.yaml"))]
    assert len(found) >= 15
    said = verdicts(first.state)
    for proposal in found:
        status, arn = proposal["status"], proposal["spec"]["roleArn"]
        assert status["proof"]["contained"] is True
        assert status["unused"]
        assert all(row["since"] and row["sources"] for row in status["unused"])
        for row in status["unused"]:
            assert {said[arn, action][0] for action in row["actions"]} == {"unused"}
        for change in status["changes"]:
            if change["documentDigest"]:
                document = json.loads((first.state / "documents" / f"{change['documentDigest']}.json").read_text())
                assert document["Statement"]


def test_roles_that_must_not_be_edited_are_named_with_the_reason(first):
    assessed = first.report.baselines["platform/production"].result.assessments
    reasons = {a.principal.path.split("/")[1]: a.not_editable for a in assessed if a.not_editable}
    assert reasons["aws-reserved"].startswith("reservedRole: ")
    assert reasons["aws-service-role"].startswith("serviceLinkedRole: ")
    proposed = {yaml.safe_load(p.read_text())["spec"]["roleArn"] for p in first.state.glob("proposals/*/*.yaml")}
    assert not proposed & {a.principal.arn for a in assessed if a.not_editable}


def test_a_second_pass_writes_nothing_and_reads_no_log_again(first, sandbox, tmp_path):
    state = copied(first.state, tmp_path / "state")
    run_pass(SAMPLES, state)  # the pending policy generation is still started or running
    before = texts(state)
    sandbox.control("DELETE", "calls")
    report = run_pass(SAMPLES, state, NOW + timedelta(minutes=10))
    assert report.written == 0
    assert texts(state) == before
    calls = sandbox.calls()
    assert "GetObject" not in calls[org.SECURITY]["s3"]
    asked = {a: c["iam"].get("GenerateServiceLastAccessedDetails", 0) for a, c in calls.items() if "iam" in c}
    # Only the throttled account is asked again.
    assert {account for account, count in asked.items() if count} <= {org.PAYMENTS}
    assert "StartPolicyGeneration" not in calls[org.PRODUCTION].get("accessanalyzer", {})


def test_policy_generation_gives_a_figure_and_never_a_verdict(first, sandbox, tmp_path):
    state = copied(first.state, tmp_path / "state")
    # The sandbox forgets its jobs between two tests.
    with sa.create_engine(f"sqlite:///{state / 'plumbline.db'}").begin() as connection:
        connection.execute(generation_job.delete())
    role = f"arn:aws:iam::{org.PRODUCTION}:role/deploy-orders"
    for minute in range(1, 8):
        report = run_pass(SAMPLES, state, NOW + timedelta(minutes=minute))
        if report.landscapes["default"].evidence.generation_open == 0:
            break
    status = report.baselines["platform/production"].status
    figure = next(r.policy_generation for r in status.roles_reported if r.role_arn == role)
    assert figure.startswith("current ")
    assert "current minus generated" in figure
    before, after = verdicts(first.state), verdicts(state)
    changed = {k for k in before if before[k][0] != after[k][0]}
    # A generated policy only ever adds use.
    assert {after[k][0] for k in changed} <= {"used"}


def test_seeing_grant_drift_does_not_accept_it(first, sandbox, tmp_path):
    state = copied(first.state, tmp_path / "state")
    try:
        drift(sandbox)
        for minute in (1, 2, 3):
            report = run_pass(SAMPLES, state, NOW + timedelta(minutes=minute))
            status = report.baselines["platform/production"].status
            assert status.counts.grant_drift == 1
            role = next(r for r in status.roles_reported if r.role_arn.endswith("/mail-sender"))
            assert role.grant_drift == ["Allow secretsmanager:* on *"]
            assert "grantDrift" in role.over
            added = {v for k, v in verdicts(state).items() if k == (role.role_arn, "secretsmanager:DeleteSecret")}
            # What was granted a minute ago cannot be called unused.
            assert added == {("undetermined", "grantYoungerThanLookback")}
    finally:
        sandbox.reset()
        drift(sandbox, take_back=True)
    report = run_pass(SAMPLES, state, NOW + timedelta(minutes=4))
    assert report.baselines["platform/production"].status.counts.grant_drift == 0
