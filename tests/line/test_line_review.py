"""The review of a landscape in the whole line: from lists, credential reports and policies to status, report and metrics.

The logs are a folder with a record that is stated to be complete, as in test_line_inactivity: reading the trail takes
minutes.
"""

import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
import yaml

from plumbline.cli.run_report import as_json, tables
from plumbline.export.metrics import render
from plumbline.reconcile.figures import figures_of
from plumbline.reconcile.resources import STATUS_BYTES, size_of
from sandbox import organization as org
from tests.line.inputs import with_one_record
from tests.line.passes import NOW, run_pass
from tests.line.test_line_analyzers import aws, create  # noqa: F401
from tests.schemas import schema

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PRODUCTION, DEVELOPMENT = org.PRODUCTION, org.DEVELOPMENT
TODAY = NOW.date()


@pytest.fixture
def inputs(sandbox, tmp_path, impatient):
    return write(tmp_path)


def write(folder, **review):
    inputs, logs = with_one_record(folder)
    spec = {
        "accounts": {"ids": [PRODUCTION, DEVELOPMENT]},
        "memberRole": {"name": "plumbline/plumbline-reader", "externalId": org.EXTERNAL_ID},
        "evidence": {
            "cloudTrailLogs": [{"name": "files", "folder": str(logs), "assumeComplete": ["management"]}],
            "lastAccessed": {},
            "credentialReport": {"development": {"accounts": [DEVELOPMENT]}},
        },
        "analyzers": {"externalAccess": {"scope": "account", "regions": [org.HOME_REGION]}},
        "risk": {},
        "routing": {"defaultOwner": "platform"},
        "review": review,
        "awsRequestsPerSecond": 1000,
    }
    landscape = {"apiVersion": "plumbline.dev/v1alpha1", "kind": "IAMLandscape", "metadata": {"name": "default"}}
    (inputs / "landscape.yaml").write_text(yaml.safe_dump(landscape | {"spec": spec}))
    return inputs


def review(report):
    return report.landscapes["default"].status.review


def counts(report, kind):
    one = review(report).kinds[kind]
    return one.open, one.overdue, one.decided, one.resolved


@contextmanager
def closed(aws, role):  # noqa: F811
    """While the block runs, only the role's own account may assume it, and a new analyzer has seen that."""
    account, name = role.split(":")[4], role.rpartition("/")[2]
    iam = aws(account, "iam")
    before = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    own = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}}
    iam.update_assume_role_policy(
        RoleName=name, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [own]})
    )
    aws(account).delete_analyzer(analyzerName="external")  # those of the sandbox look once only
    create(aws, account, "external", "ACCOUNT")
    try:
        yield
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(before))


def test_everything_that_no_baseline_is_about_is_reviewed(inputs, aws, sandbox, tmp_path):  # noqa: F811
    for account in (PRODUCTION, DEVELOPMENT):
        create(aws, account, "external", "ACCOUNT")
    first = run_pass(inputs, tmp_path / "state")
    found = review(first)
    status = first.landscapes["default"].status
    external = status.analyzers.external_access
    inactive = len(status.inactivity.candidates) + status.inactivity.candidates_truncated
    assert found.kinds["ExternalAccess"].open == sum(one.public + one.cross_account for one in external.accounts) > 0
    assert found.kinds["Inactive"].open == inactive > 0
    assert found.kinds["Escalation"].open == status.risk.escalating > 0
    assert found.open == found.new == sum(one.open for one in found.kinds.values())
    assert found.overdue == found.decided == found.resolved == 0
    assert all(one.owner for one in found.findings)
    assert size_of(found) < STATUS_BYTES // 4 + 2048
    said = as_json(first, inputs, tmp_path)
    schema("run").validate(said)
    assert said["landscapes"]["default"]["review"]["week"] == (TODAY - timedelta(days=TODAY.weekday())).isoformat()
    assert list(tables(first, tmp_path))
    series = 'plumbline_landscape_findings{kind="Inactive",landscape="default",state="open"} %s.0'
    assert series % inactive in render(figures_of(first))
    assert run_pass(inputs, tmp_path / "state").written == 0

    # A list and the reports that cannot be read end nothing, five weeks later.
    later = NOW + timedelta(days=35)
    sandbox.fault("deny", service="accessanalyzer", operation="ListFindings", account=PRODUCTION)
    sandbox.fault("deny", service="iam", operation="GetCredentialReport")
    blind = run_pass(inputs, tmp_path / "state", later)
    for kind, before in found.kinds.items():
        assert counts(blind, kind)[3] == 0
        assert review(blind).kinds[kind].overdue == before.open
    assert not review(blind).kinds["ExternalAccess"].complete
    assert not review(blind).kinds["Inactive"].complete

    # What people have decided in Git counts, and what has ended is told.
    sandbox.control("DELETE", "faults")
    decision = {
        "kind": "Escalation",
        "resource": "arn:aws:iam::*",
        "decision": "Planned",
        "by": "jane",
        "reason": "soon",
    }
    write(tmp_path, decisions=[decision | {"until": "2026-12-31"}])
    open_role = next(one.role_arn for one in external.roles if one.role_arn.split(":")[4] == PRODUCTION)
    with closed(aws, open_role):
        decided = run_pass(inputs, tmp_path / "state", later)
    number, overdue, planned, _ = counts(decided, "Escalation")
    assert (overdue, planned) == (0, number)
    assert number >= found.kinds["Escalation"].open  # its own account may assume the role now
    ended = counts(decided, "ExternalAccess")
    assert ended[0] + ended[3] == found.kinds["ExternalAccess"].open
    assert ended[3] == 1
    assert review(decided).kinds["ExternalAccess"].complete
    assert review(decided).idle_decisions == []
    schema("run").validate(as_json(decided, inputs, tmp_path))
