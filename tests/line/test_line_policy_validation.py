"""Policy validation in the whole line: from live policies to a status, metrics and pages, over several days.

The logs are a folder with a record that is stated to be complete, as in test_line_analyzers.
"""

import contextlib
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa
import yaml

from plumbline.cli.run_report import as_json, tables
from plumbline.dashboard import pages
from plumbline.dashboard.passes import picture_of, report_of
from plumbline.export.metrics import render
from plumbline.reconcile.figures import figures_of
from sandbox import organization as org
from tests.dashboard.worlds import Page
from tests.line.passes import NOW, run_pass
from tests.line.test_line_analyzers import aws, status, write  # noqa: F401
from tests.schemas import schema

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PRODUCTION, DEVELOPMENT, SECURITY = org.PRODUCTION, org.DEVELOPMENT, org.SECURITY
DAY = timedelta(days=1)


@pytest.fixture
def inputs(sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    yield wanted(write(tmp_path))
    while MADE:  # which is nothing to the tests that share the sandbox
        remove(*MADE.pop())


def wanted(inputs, *, off=False, **validation):
    path = inputs / "landscape.yaml"
    body = yaml.safe_load(path.read_text())
    body["spec"].pop("analyzers", None)
    body["spec"].pop("policyValidation", None)
    body["spec"] |= {} if off else {"policyValidation": validation}
    path.write_text(yaml.safe_dump(body))
    return inputs


def source(report):
    return next(one for one in status(report).sources if one.name == "policy-validation")


def asked(sandbox):
    return sum(of.get("accessanalyzer", {}).get("ValidatePolicy", 0) for of in sandbox.calls().values())


def document(*actions):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


MADE = []


def attached(iam, *actions, name="checked"):
    """A customer managed policy of the production account that a role has."""
    made = iam.create_policy(PolicyName=name, PolicyDocument=document(*actions))["Policy"]["Arn"]
    role = iam.list_roles(PathPrefix="/")["Roles"][0]["RoleName"]
    iam.attach_role_policy(RoleName=role, PolicyArn=made)
    MADE.append((iam, role, made))
    return made


def remove(iam, role, policy):
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    for version in iam.list_policy_versions(PolicyArn=policy)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=policy, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=policy)


def codes(report, policy):
    found = report.landscapes["default"].evidence.validations
    return {one.code for p in found.policies if p.policy.key == policy for one in p.findings}


def test_warnings_are_found_followed_and_told(inputs, aws, sandbox, tmp_path):  # noqa: F811
    iam = aws(PRODUCTION, "iam")
    made = attached(iam, "s3:Nope", "iam:*")
    sandbox.control("DELETE", "calls")
    report = run_pass(inputs, tmp_path / "state")
    said = status(report).policy_validation
    first = {
        "INVALID_ACTION",
        "PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE",
        "CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE",
    }
    assert codes(report, made) == first
    assert min(said.findings[kind] for kind in ("ERROR", "SECURITY_WARNING", "WARNING")) > 0
    assert said.worst[0].policy == made
    assert said.worst[0].codes[0] == "INVALID_ACTION"
    attached_to = [
        p
        for p in report.landscapes["default"].view.snapshot.principals.values()
        if made in {policy.key for policy in p.policies}
    ]
    assert said.worst[0].owners == [one.tags["owner"] for one in attached_to if one.tags.get("owner")]
    assert (said.documents_unchecked, said.unchecked) == (0, [])
    assert (source(report).state, source(report).complete_accounts) == ("complete", 3)
    # Each document once, and none of AWS's own.
    assert asked(sandbox) == said.documents_checked > 10
    found = report.landscapes["default"].evidence.validations
    assert not [one for one in found.policies if ":iam::aws:" in one.policy.key]
    assert said.new == sum(said.findings.values())
    told(report, inputs, tmp_path / "state", made)

    # Nothing is asked, written or told again.
    sandbox.control("DELETE", "calls")
    assert run_pass(inputs, tmp_path / "state", NOW + DAY / 24).written == 0
    assert asked(sandbox) == 0

    # The next day one is corrected, so that its findings end, and another begins.
    iam.create_policy_version(PolicyArn=made, PolicyDocument=document("s3:Get*", "s3:GetObject"), SetAsDefault=True)
    sandbox.control("DELETE", "calls")
    report = run_pass(inputs, tmp_path / "state", NOW + DAY)
    assert asked(sandbox) == 1
    register = report.landscapes["default"].evidence.validations.register
    assert {one.code for one in register if one.policy == made and one.resolved_at} == first
    begun = [one for one in register if one.policy == made and one.resolved_at is None]
    assert [(one.code, one.first_seen) for one in begun] == [("REDUNDANT_ACTION", NOW + DAY)]
    assert status(report).policy_validation.resolved == 3
    days = report.landscapes["default"].evidence.validations.days
    assert [one.day for one in days] == [NOW.date(), (NOW + DAY).date()]

    # After 30 days everything is asked again.
    sandbox.control("DELETE", "calls")
    report = run_pass(inputs, tmp_path / "state", NOW + 30 * DAY)
    again = asked(sandbox)
    assert again == status(report).policy_validation.documents_checked - 1  # all but the one of the second day


def told(report, inputs, state, made):
    """JSON by its schema, tables, metrics, and the pages."""
    body = as_json(report, inputs, state)
    schema("run").validate(body)
    said = status(report).policy_validation
    assert body["landscapes"]["default"]["policyValidation"]["findings"] == said.findings
    assert any(getattr(table, "title", "") == "\nPolicy validation" for table in tables(report, state))
    text = render(figures_of(report))
    assert f'plumbline_policy_findings{{landscape="default",type="WARNING"}} {said.findings["WARNING"]:.1f}' in text
    assert 'plumbline_policy_documents{landscape="default",state="unchecked"} 0.0' in text
    done = report.landscapes["default"]
    baselines = [one.baseline for one in report.baselines.values()]
    picture = picture_of(done, report_of(done, baselines), baselines, [])
    page = Page(pages.validation(picture, NOW, 1))
    assert made in page.text
    assert any("access-analyzer-reference-policy-checks-error-invalid-action" in link for link in page.links)
    assert "Policy validation" in Page(pages.one_file(picture)).text


def test_what_fails_is_not_clean_and_takes_no_other_down(inputs, aws, sandbox, tmp_path):  # noqa: F811
    sandbox.fault("deny", service="accessanalyzer", operation="ValidatePolicy", account=PRODUCTION)
    report = run_pass(inputs, tmp_path / "state")
    said = status(report).policy_validation
    assert said.documents_checked > 0
    assert said.documents_unchecked > 0
    (why,) = said.unchecked
    assert why.reason == "AccessDenied"
    assert "access-analyzer:ValidatePolicy" in why.remedy
    assert (source(report).state, source(report).complete_accounts) == ("partial", 2)
    # It decides no verdict, so no evidence is missing.
    complete = next(one for one in status(report).conditions if one.type == "EvidenceComplete")
    assert complete.status == "True"

    # Throttled midway: what was answered is kept, and only the rest is asked later.
    sandbox.control("DELETE", "faults")
    sandbox.control("DELETE", "calls")
    sandbox.fault("throttle", service="accessanalyzer", operation="ValidatePolicy", account=PRODUCTION, rate=0.9)
    between = status(run_pass(inputs, tmp_path / "state", NOW + DAY / 24)).policy_validation
    sandbox.control("DELETE", "faults")
    sandbox.control("DELETE", "calls")
    report = run_pass(inputs, tmp_path / "state", NOW + DAY / 12)
    assert between.documents_unchecked > 0
    assert asked(sandbox) == between.documents_unchecked
    assert status(report).policy_validation.documents_unchecked == 0


def test_a_bound_is_spent_pass_by_pass(inputs, sandbox, tmp_path):
    wanted(inputs, callsPerPass=10)
    sandbox.control("DELETE", "calls")
    first = status(run_pass(inputs, tmp_path / "state")).policy_validation
    assert asked(sandbox) == first.documents_checked == 10
    assert [one.reason for one in first.unchecked] == ["BoundReached"]
    second = status(run_pass(inputs, tmp_path / "state", NOW + DAY / 24)).policy_validation
    assert second.documents_checked == 20
    # Less is known than there is, and the day says so.
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'state' / 'plumbline.db'}")
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select checked, unchecked from policy_validation_day")).all()
    engine.dispose()
    assert rows == [(20, second.documents_unchecked)]


def test_where_it_is_switched_off_nothing_is_current_and_history_goes_on_later(inputs, aws, sandbox, tmp_path):  # noqa: F811
    made = attached(aws(PRODUCTION, "iam"), "s3:Nope", name="later")
    before = status(run_pass(inputs, tmp_path / "state")).policy_validation
    wanted(inputs, off=True)
    sandbox.control("DELETE", "calls")
    report = run_pass(inputs, tmp_path / "state", NOW + DAY)
    done = report.landscapes["default"]
    assert asked(sandbox) == 0
    assert (done.status.policy_validation, done.evidence.validations) == (None, None)
    assert "policy-validation" not in {one.name for one in done.status.sources}
    assert "plumbline_policy_findings{" not in render(figures_of(report))
    picture = picture_of(done, report_of(done, []), [], [])
    text = Page(pages.validation(picture, NOW + DAY, 1)).text
    number = sum(before.findings.values())
    assert f"it was last checked on {NOW:%Y-%m-%d}, and then {number} findings were open" in text
    assert made not in text
    assert run_pass(inputs, tmp_path / "state", NOW + DAY + DAY / 24).written == 0
    wanted(inputs)
    register = run_pass(inputs, tmp_path / "state", NOW + 3 * DAY).landscapes["default"].evidence.validations.register
    assert {one.first_seen for one in register if one.policy == made} == {NOW}


def test_scps_are_checked_and_an_account_that_fails_keeps_its_findings(inputs, sandbox, tmp_path):
    path = inputs / "landscape.yaml"
    body = yaml.safe_load(path.read_text())
    body["spec"]["accounts"] = {"organization": {}}
    path.write_text(yaml.safe_dump(body))
    report = run_pass(inputs, tmp_path / "state")
    found = report.landscapes["default"].evidence.validations
    scps = [one for one in found.policies if one.policy.kind == "scp"]
    assert scps
    assert all(one.checked for one in scps)
    before = status(report).policy_validation
    # An account that cannot be read keeps its findings: a failure is no improvement.
    sandbox.fault("deny", service="iam", operation="GetAccountAuthorizationDetails", account=PRODUCTION)
    report = run_pass(inputs, tmp_path / "state", NOW + DAY)
    after = status(report).policy_validation
    assert after.findings == before.findings
    assert after.resolved == 0
    days = report.landscapes["default"].evidence.validations.days
    assert [day.uncollected for day in days] == [1, 2]  # one has no member role at all
    assert source(report).state == "partial"
