"""Inactive users, keys, passwords and roles of the sandbox, from its credential reports to the status of the landscape.

The logs are a folder with a single record that is stated to be complete, so that only the other sources show use: reading
the trail of these accounts takes minutes.
"""

import pytest
import yaml

from plumbline.cli.run_report import as_json, problems, tables, warnings
from plumbline.export.metrics import render
from plumbline.reconcile.figures import figures_of
from sandbox import organization as org
from sandbox.estate import USERS
from tests.line.inputs import with_one_record
from tests.line.passes import NOW, run_pass
from tests.schemas import schema

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PRODUCTION, DEVELOPMENT, ANALYTICS = org.PRODUCTION, org.DEVELOPMENT, org.ANALYTICS


@pytest.fixture
def inputs(sandbox, tmp_path, impatient):
    return write(tmp_path)


def write(folder, *, complete=("management",), **report):
    inputs, logs = with_one_record(folder)
    spec = {
        "accounts": {"ids": [PRODUCTION, DEVELOPMENT, ANALYTICS]},
        "memberRole": {"name": "plumbline/plumbline-reader", "externalId": org.EXTERNAL_ID},
        "evidence": {
            "cloudTrailLogs": [{"name": "files", "folder": str(logs), "assumeComplete": list(complete)}],
            "lastAccessed": {},
            "credentialReport": {"development": {"accounts": [DEVELOPMENT]}} | report,
        },
        "awsRequestsPerSecond": 1000,
    }
    landscape = {"apiVersion": "plumbline.dev/v1alpha1", "kind": "IAMLandscape", "metadata": {"name": "default"}}
    (inputs / "landscape.yaml").write_text(yaml.safe_dump(landscape | {"spec": spec}))
    return inputs


def said(report):
    """(kind, account, name, key) -> (activity, reason, action)."""
    return {
        (one.kind, one.principal.split(":")[4], one.principal.rpartition("/")[2], one.key): (
            one.activity.value,
            one.reason,
            one.action,
        )
        for one in report.landscapes["default"].judgements
    }


def user(account, name):
    return next(u for u in USERS if (u.account, u.name) == (account, name))


def about(found, account, name):
    """What is said of a user and its credentials: by kind, keys by their id."""
    return {key or kind: value for (kind, owner, of, key), value in found.items() if (owner, of) == (account, name)}


def test_each_is_what_it_was_planted_for(inputs, sandbox, tmp_path):
    report = run_pass(inputs, tmp_path / "state")
    found = said(report)
    export, visitor = user(PRODUCTION, "report-export"), user(PRODUCTION, "visitor")
    assert about(found, PRODUCTION, "report-export") == {
        "user": ("inactive", "silent", "DeleteUser"),
        export.access_key: ("inactive", "unused", "DeactivateAccessKey"),
        export.former_key: ("inactive", "keyNotActive", None),
    }
    assert about(found, PRODUCTION, "visitor") == {
        "user": ("inactive", "silent", "DeleteUser"),
        "password": ("inactive", "neverUsed", "DeleteLoginProfile"),
        visitor.access_key: ("inactive", "neverUsed", "DeactivateAccessKey"),
    }
    trainee = about(found, DEVELOPMENT, "trainee")
    assert set(trainee.values()) == {("undetermined", "youngerThanLookback", None)}
    assert about(found, ANALYTICS, "data-import") == {
        "user": ("undetermined", "reportExpired", None),
        user(ANALYTICS, "data-import").access_key: ("inactive", "unused", "DeactivateAccessKey"),
    }
    for name, account in (("alice", PRODUCTION), ("bob", DEVELOPMENT), ("ci-legacy", PRODUCTION)):
        assert {activity for activity, _, _ in about(found, account, name).values()} == {"active"}
    assert found["role", PRODUCTION, "legacy-batch", ""] == ("active", "observed", None)
    # Amazon EC2 may have assumed it.
    assert found["role", DEVELOPMENT, "hackathon", ""] == ("undetermined", "assumptionUnseen", None)
    # It is assumed in this very pass.
    assert found["role", PRODUCTION, org.MEMBER_ROLE_NAME, ""] == ("active", "observed", None)

    done = report.landscapes["default"]
    listed = {(c.action, c.arn.rpartition("/")[2], c.since) for c in done.status.inactivity.candidates}
    assert ("DeactivateAccessKey", "report-export", "2025-12-12") in listed
    assert {action for action, name, _ in listed if name == "data-import"} == {"DeactivateAccessKey"}
    schema("run").validate(as_json(report, inputs, tmp_path))
    assert list(tables(report, tmp_path))
    assert any("credential-report is partial" in text for text in warnings(report))
    text = render(figures_of(report))
    assert 'plumbline_landscape_activity{activity="inactive",kind="password",landscape="default"} 1.0' in text
    complete = 'plumbline_evidence_complete{account="%s",landscape="default",source="credential-report"} %s'
    assert complete % (PRODUCTION, "1.0") in text
    assert complete % (ANALYTICS, "0.0") in text
    assert run_pass(inputs, tmp_path / "state").written == 0


def test_the_lookbacks_of_the_landscape_decide(inputs, tmp_path):
    write(tmp_path, accessKeyLookback="10d", development={"accounts": [DEVELOPMENT], "lookback": "10d"})
    found = said(run_pass(inputs, tmp_path / "state"))
    assert about(found, DEVELOPMENT, "trainee")["user"] == ("inactive", "silent", "DeleteUser")
    write(tmp_path, accessKeyLookback="365d", lookback="365d")
    found = said(run_pass(inputs, tmp_path / "other"))
    assert about(found, PRODUCTION, "report-export")["user"][0] == "active"
    assert about(found, PRODUCTION, "visitor")["password"] == ("undetermined", "youngerThanLookback", None)


@pytest.mark.parametrize(
    ("fault", "fails", "reason"),
    [
        ({"kind": "deny", "operation": "GetCredentialReport"}, {}, "reportDenied"),
        ({"kind": "error500", "operation": "GetCredentialReport"}, {}, "reportFailed"),
        ({}, {PRODUCTION: "ReportInProgress"}, "reportInProgress"),
        ({}, {PRODUCTION: "ReportExpired"}, "reportExpired"),
        ({}, {PRODUCTION: "ReportNotPresent"}, "reportNotPresent"),
    ],
)
def test_without_a_report_no_user_and_no_password_is_a_candidate(inputs, sandbox, tmp_path, fault, fails, reason):
    if fault:
        sandbox.fault(**fault, service="iam", account=PRODUCTION)
    sandbox.settings(credentialReportFails=fails)
    report = run_pass(inputs, tmp_path / "state")
    found = said(report)
    for name in ("report-export", "visitor"):
        assert about(found, PRODUCTION, name)["user"] == ("undetermined", reason, None)
        assert "password" not in about(found, PRODUCTION, name)
    source = next(s for s in report.landscapes["default"].status.sources if s.name == "credential-report")
    assert source.state == "partial"
    assert {c.action for c in report.landscapes["default"].status.inactivity.candidates} <= {
        "DeactivateAccessKey",
        "DeleteRole",
    }


def test_keys_that_cannot_be_listed_are_no_candidates(inputs, sandbox, tmp_path):
    sandbox.fault("deny", service="iam", operation="GetAccessKeyLastUsed")
    report = run_pass(inputs, tmp_path / "state")
    found = said(report)
    keys = {key: value for key, value in found.items() if key[0] == "accessKey"}
    assert {value[0] for key, value in keys.items() if key[2] in ("report-export", "visitor")} == {
        "undetermined",
        "inactive",
    }
    assert {action for _, _, action in keys.values()} == {None}
    assert about(found, PRODUCTION, "visitor")["user"] == ("undetermined", "keysNotListed", None)


def test_a_report_that_is_nowhere_is_a_problem_and_no_clean_landscape(inputs, sandbox, tmp_path):
    sandbox.fault("deny", service="iam", operation="GetCredentialReport")
    report = run_pass(inputs, tmp_path / "state")
    assert any("credential-report is unavailable" in text for text in problems(report, inputs))
    conditions = {c.type: c.status for c in report.landscapes["default"].status.conditions}
    assert conditions["EvidenceComplete"] == "False"


def test_logs_that_prove_nothing_make_nobody_inactive_by_silence(inputs, tmp_path):
    write(tmp_path, complete=())
    found = said(run_pass(inputs, tmp_path / "state", NOW))
    assert "inactive" not in {value[0] for key, value in found.items() if key[0] in ("user", "role")}
