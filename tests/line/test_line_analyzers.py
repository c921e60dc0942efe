"""Analyzers in the whole line: what is missing, what is there, and what it found, from the API to a status.

The logs are a folder with a record that is stated to be complete, as in test_line_inactivity: reading the trail takes
minutes.
"""

import json

import pytest
import yaml

from plumbline.cli.run_report import as_json, tables
from plumbline.export.metrics import render
from plumbline.model.assessment import Verdict
from plumbline.reconcile.figures import figures_of
from plumbline.usage.sources import recommendations, recommended_policies
from sandbox import organization as org
from tests.line.inputs import with_one_record
from tests.line.passes import run_pass
from tests.schemas import schema

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PRODUCTION, DEVELOPMENT, SECURITY = org.PRODUCTION, org.DEVELOPMENT, org.SECURITY
TYPES = {"UnusedIAMRole", "UnusedIAMUserAccessKey", "UnusedIAMUserPassword", "UnusedPermission"}


@pytest.fixture
def inputs(sandbox, tmp_path, impatient):
    return write(tmp_path)


def write(folder, **analyzers):
    inputs, logs = with_one_record(folder)
    asked = analyzers or {
        "account": SECURITY,
        "externalAccess": {"regions": [org.HOME_REGION]},
        "unusedAccess": {"scope": "account", "development": {"accounts": [DEVELOPMENT]}},
    }
    spec = {
        "accounts": {"ids": [SECURITY, PRODUCTION, DEVELOPMENT]},
        "memberRole": {"name": "plumbline/plumbline-reader", "externalId": org.EXTERNAL_ID},
        "evidence": {
            "cloudTrailLogs": [{"name": "files", "folder": str(logs), "assumeComplete": ["management"]}],
            "lastAccessed": {},
        },
        "analyzers": asked,
        "allowedTargets": [{"namespaces": ["platform"], "accounts": ["*"]}],
        "awsRequestsPerSecond": 1000,
    }
    landscape = {"apiVersion": "plumbline.dev/v1alpha1", "kind": "IAMLandscape", "metadata": {"name": "default"}}
    (inputs / "landscape.yaml").write_text(yaml.safe_dump(landscape | {"spec": spec}))
    baseline = {
        "apiVersion": "plumbline.dev/v1alpha1",
        "kind": "LeastPrivilegeBaseline",
        "metadata": {"name": "production", "namespace": "platform"},
        "spec": {"targets": {"accounts": [PRODUCTION]}, "thresholds": {"unusedActions": 0}, "mode": "Propose"},
    }
    (inputs / "baseline.yaml").write_text(yaml.safe_dump(baseline))
    return inputs


def status(report):
    return report.landscapes["default"].status


def condition(report, kind="AnalyzersInPlace"):
    return next(c for c in status(report).conditions if c.type == kind)


def create(aws, account, name, kind, age=None):
    more = {"configuration": {"unusedAccess": {"unusedAccessAge": age}}} if age else {}
    return aws(account).create_analyzer(analyzerName=name, type=kind, **more)["arn"]


@pytest.fixture
def aws(sandbox):
    """Account -> a client of its administrator, who is allowed what Plumbline is not."""
    import botocore.session

    session, made = botocore.session.get_session(), []

    def client(account, service="accessanalyzer"):
        role = f"arn:aws:iam::{account}:role/plumbline/{org.MEMBER_ROLE_NAME}"
        sts = session.create_client("sts", org.HOME_REGION)
        keys = sts.assume_role(RoleArn=role, RoleSessionName="admin", ExternalId=org.EXTERNAL_ID)["Credentials"]
        found = session.create_client(
            service,
            org.HOME_REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        made.extend((sts, found))
        return found

    yield client
    for one in made:
        one.close()


def all_of(aws):
    create(aws, SECURITY, "external", "ORGANIZATION")
    for account, age in ((SECURITY, 90), (PRODUCTION, 90), (DEVELOPMENT, 30)):
        create(aws, account, "unused", "ACCOUNT_UNUSED_ACCESS", age)


def test_nothing_is_there_and_commands_say_how_to_make_it(inputs, aws, tmp_path):
    report = run_pass(inputs, tmp_path / "state")
    said = status(report).analyzers
    assert said.states == {"missing": 4}
    assert (condition(report).status, condition(report).reason) == ("False", "AnalyzersMissing")
    ages = {one.account: one.unused_access_age for one in said.required if one.kind == "unusedAccess"}
    assert ages == {SECURITY: 90, PRODUCTION: 90, DEVELOPMENT: 30}
    for one in said.required:
        assert one.command.startswith(
            "aws accessanalyzer create-analyzer --region us-east-1 --analyzer-name plumbline-"
        )
        assert one.findings is None
        if one.price is not None:
            known = report.landscapes["default"].view.snapshot.principals.values()
            number = sum(principal.account == one.account for principal in known)
            assert (one.price.principals, one.price.monthly_usd) == (number, f"{number * 0.2:.2f}")
            assert "evidence.lastAccessed" in one.price.free_alternative
    # Findings decide nothing, so nothing is missing from the evidence.
    assert condition(report, "EvidenceComplete").status == "True"
    source = next(s for s in status(report).sources if s.name == "unused-access")
    assert (source.state, source.reason) == ("unavailable", "NoAnalyzer")
    # Without findings the verdicts are those that there would be without analyzers.
    verdicts = {
        a.principal.arn: a.bits(Verdict.UNUSED) for a in report.baselines["platform/production"].result.assessments
    }
    all_of(aws)
    after = run_pass(inputs, tmp_path / "other")
    for assessment in after.baselines["platform/production"].result.assessments:
        assert assessment.bits(Verdict.UNUSED) & ~verdicts[assessment.principal.arn] == 0


def test_all_is_there_and_is_read(inputs, aws, sandbox, tmp_path):
    all_of(aws)
    create(aws, SECURITY, "third", "ORGANIZATION_UNUSED_ACCESS", 365)
    report = run_pass(inputs, tmp_path / "state")
    said = status(report).analyzers
    assert said.states == {"present": 4}
    assert condition(report).status == "True"
    assert all(one.findings is not None and one.arn and one.last_resource_analyzed for one in said.required)
    assert set(said.unused_access) == TYPES
    assert [arn.rpartition("/")[2] for arn in said.others] == ["third"]
    source = next(s for s in status(report).sources if s.name == "unused-access")
    assert (source.state, source.accounts) == ("complete", 1)
    external = said.external_access
    assert {one.account for one in external.accounts} <= set(org.ACCOUNTS)
    # What the trust policies say and what findings say is the same, and linked.
    ours = [role for role in external.roles if role.role_arn.split(":")[4] in (SECURITY, PRODUCTION, DEVELOPMENT)]
    assert ours
    assert all(role.finding_ids and role.seen for role in ours)
    tags = {arn: one.tags for arn, one in report.landscapes["default"].view.snapshot.principals.items()}
    assert {role.role_arn: role.owner for role in ours} == {
        role.role_arn: tags[role.role_arn].get("owner", tags[role.role_arn].get("team", "")) for role in ours
    }
    assert any(role.owner for role in ours)
    assert external.only_plumbline == 0
    schema("run").validate(as_json(report, inputs, tmp_path))
    assert list(tables(report, tmp_path))
    text = render(figures_of(report))
    assert 'plumbline_landscape_analyzers{kind="unusedAccess",landscape="default",state="present"} 3.0' in text
    assert 'plumbline_unused_access_findings{landscape="default",type="UnusedIAMRole"}' in text
    assert f'plumbline_external_access_findings{{access="crossAccount",account="{PRODUCTION}"' in text
    # Details that have not changed are not asked for again, and nothing new is written.
    sandbox.control("DELETE", "calls")
    assert run_pass(inputs, tmp_path / "state").written == 0
    assert not any("GetFindingV2" in key for key in json.dumps(sandbox.calls()).split('"'))


def test_findings_and_verdicts_agree_where_both_could_see(inputs, aws, tmp_path):
    """They derive from the same events; each difference is one of coverage."""
    all_of(aws)
    report = run_pass(inputs, tmp_path / "state")
    result = report.baselines["platform/production"].result
    compared = agreed = 0
    for assessment in result.assessments:
        told = assessment.agreement
        if told is None:
            continue
        compared += 1
        agreed += told.agreed
        assert told.only_plumbline == 0, assessment.principal.arn
        # The analyzer knows no event that last-accessed information does not know.
        assert told.used == 0, assessment.principal.arn
    assert compared > 5
    assert agreed > 100
    sources = {s for a in result.assessments for f in a.findings if f.verdict is Verdict.UNUSED for s in f.sources}
    assert "unused-access" in sources
    listed = [role for role in report.baselines["platform/production"].status.roles_reported if role.unused_access]
    assert listed
    assert all(role.unused_access.analyzer for role in listed)
    proposed = [p.proposal.status.unused_access for p in report.baselines["platform/production"].proposed]
    assert any(said is not None and said.agreed for said in proposed)


@pytest.mark.parametrize(
    ("fault", "states", "findings"),
    [
        ({"kind": "deny", "operation": "ListAnalyzers"}, {"unknown"}, False),
        ({"kind": "error500", "operation": "ListAnalyzers"}, {"unknown"}, False),
        ({"kind": "throttle", "operation": "ListAnalyzers"}, {"unknown"}, False),
        ({"kind": "deny", "operation": "GetAnalyzer"}, {"unknown"}, True),
        ({"kind": "truncate", "operation": "ListAnalyzers"}, {"unknown"}, False),
        ({"kind": "deny", "operation": "ListFindingsV2"}, {"present"}, False),
        ({"kind": "truncate", "operation": "ListFindingsV2"}, {"present"}, False),
        ({"kind": "deny", "operation": "GetFindingV2"}, {"present"}, True),
    ],
)
def test_what_fails_in_one_account_is_unknown_there_alone(inputs, aws, sandbox, tmp_path, fault, states, findings):
    all_of(aws)
    sandbox.fault(**fault, service="accessanalyzer", account=PRODUCTION)
    report = run_pass(inputs, tmp_path / "state")
    rows = {one.account: one for one in status(report).analyzers.required if one.kind == "unusedAccess"}
    assert rows[PRODUCTION].state in states
    assert not rows[PRODUCTION].command
    assert {rows[account].state for account in (SECURITY, DEVELOPMENT)} == {"present"}
    assert (rows[PRODUCTION].findings is not None) == findings
    assert all(rows[account].findings is not None for account in (SECURITY, DEVELOPMENT))
    if not findings and states == {"present"}:
        assert status(report).analyzers.unused_access == {}
    if states == {"unknown"}:
        assert (condition(report).status, condition(report).reason) == ("Unknown", "AnalyzersUnknown")
    result = report.baselines["platform/production"].result
    known = [a for a in result.assessments if a.agreement is not None]
    # Roles without any finding need no details.
    assert not any(a.agreement.findings for a in known)
    source = next(s for s in status(report).sources if s.name == "unused-access")
    assert source.state == "unavailable"


@pytest.mark.parametrize(
    ("settings", "state", "words"),
    [
        (
            {"analyzerStatus": "DISABLED", "analyzerStatusReason": "AWS_SERVICE_ACCESS_DISABLED"},
            "disabled",
            "enable-aws",
        ),
        ({"analyzerStatus": "CREATING"}, "creating", "CREATING"),
        ({"analyzerStatus": "FAILED", "analyzerStatusReason": "ORGANIZATION_DELETED"}, "failed", "scope account"),
        ({"analyzersManagedBy": "securityhubv2.amazonaws.com"}, "present", ""),
    ],
)
def test_the_states_of_aws(inputs, aws, sandbox, tmp_path, settings, state, words):
    all_of(aws)
    sandbox.settings(**settings)
    report = run_pass(inputs, tmp_path / "state")
    for one in status(report).analyzers.required:
        assert (one.state, words in one.message) == (state, True)
        if one.managed_by and one.price is not None:
            assert one.price.monthly_usd == "0.00"


def test_an_analyzer_that_has_analyzed_nothing_says_nothing(inputs, aws, sandbox, tmp_path):
    all_of(aws)
    sandbox.settings(analyzersScanned=False)
    report = run_pass(inputs, tmp_path / "state")
    source = next(s for s in status(report).sources if s.name == "unused-access")
    assert (source.state, source.reason) == ("unavailable", "NotYetAnalyzed")
    assert all(a.agreement is None for a in report.baselines["platform/production"].result.assessments)


def test_a_young_analyzer_speaks_only_for_those_that_it_has_findings_about(inputs, aws, sandbox, tmp_path):
    all_of(aws)
    sandbox.settings(analyzersMadeDaysAgo=0)
    report = run_pass(inputs, tmp_path / "state")
    source = next(s for s in status(report).sources if s.name == "unused-access")
    assert (source.state, source.reason) == ("partial", "PartlyAnalyzed")
    told = [a.agreement for a in report.baselines["platform/production"].result.assessments if a.agreement is not None]
    assert told
    assert all(one.findings for one in told)


def test_archived_findings_are_no_disagreement(inputs, aws, sandbox, tmp_path):
    all_of(aws)
    sandbox.settings(findingsArchived=True)
    report = run_pass(inputs, tmp_path / "state")
    told = [a.agreement for a in report.baselines["platform/production"].result.assessments if a.agreement is not None]
    assert sum(one.not_compared for one in told) > 100
    assert {(one.agreed, one.disagreements, one.findings) for one in told} == {(0, 0, ())}
    assert set(status(report).analyzers.unused_access.values()) == {0}


def test_findings_that_are_closed_in_security_hub_recommend_nothing(inputs, aws, sandbox, tmp_path):
    only_security_hub(aws, inputs, PRODUCTION, unusedAccess={"scope": "account", "securityHubRecommendations": {}})
    sandbox.settings(hubStatus=4)
    report = run_pass(inputs, tmp_path / "state")
    source = next(s for s in status(report).sources if s.name == "recommended-policies")
    assert (source.state, source.reason) == ("partial", "FindingsSetAside")
    assert {one.recommendation for one in proposals(report).values()} == {""}
    assert "RecommendedPolicyV2" not in json.dumps(sandbox.calls())


def test_proposals_are_compared_with_what_aws_recommends(inputs, aws, sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(recommendations, "WAITS", (0.0, 0.0))
    write(tmp_path, unusedAccess={"scope": "account", "recommendations": True})
    all_of(aws)
    sandbox.fault("deny", service="accessanalyzer", operation="GenerateFindingRecommendation")
    report = run_pass(inputs, tmp_path / "state")
    denied = [p.proposal.status for p in report.baselines["platform/production"].proposed]
    assert denied
    assert {status.recommendation for status in denied} == {""}
    source = next(s for s in status(report).sources if s.name == "unused-access")
    assert source.state == "complete"
    sandbox.control("DELETE", "faults")
    report = run_pass(inputs, tmp_path / "state")
    said = [p.proposal.status for p in report.baselines["platform/production"].proposed]
    # Nothing is recommended about a role that is unused as a whole.
    found = {one.recommendation for one in said if one.unused_access and one.unused_access.findings} - {""}
    assert found
    assert found <= {"same", "removesMore", "removesLess", "differs", "undecided"}
    # Nothing else has changed by it.
    assert [one.plan_digest for one in said] == [one.plan_digest for one in denied]
    sandbox.control("DELETE", "calls")
    assert run_pass(inputs, tmp_path / "state").written == 0
    assert "FindingRecommendation" not in json.dumps(sandbox.calls())


def test_commands_for_the_organization_run_as_they_stand(sandbox, aws, tmp_path, monkeypatch):
    """What is said to be missing is created by its command, and then nothing is missing."""
    import shlex

    inputs = write(tmp_path, account=SECURITY, unusedAccess={"development": {"accounts": [DEVELOPMENT]}})
    landscape = yaml.safe_load((inputs / "landscape.yaml").read_text())
    landscape["spec"]["accounts"] = {"organization": {}}
    (inputs / "landscape.yaml").write_text(yaml.safe_dump(landscape))
    first = status(run_pass(inputs, tmp_path / "state")).analyzers
    assert first.states == {"missing": 2}
    assert {one.unused_access_age: one.excluded_accounts for one in first.required} == {30: 5, 90: 1}
    for one in first.required:
        words = shlex.split(one.command)
        options = dict(zip(words[3::2], words[4::2], strict=True))
        aws(SECURITY).create_analyzer(
            analyzerName=options["--analyzer-name"],
            type=options["--type"],
            configuration=json.loads(options["--configuration"]),
        )
    then = run_pass(inputs, tmp_path / "state")
    assert status(then).analyzers.states == {"present": 2}
    assert condition(then).status == "True"


def test_findings_in_security_hub_are_linked_with_those_of_the_analyzers(inputs, aws, sandbox, tmp_path):
    all_of(aws)
    path = inputs / "landscape.yaml"
    body = yaml.safe_load(path.read_text())
    body["spec"]["securityHub"] = {"region": org.HOME_REGION}
    path.write_text(yaml.safe_dump(body))
    hub = aws(PRODUCTION, "securityhub")
    hub.enable_security_hub()
    report = run_pass(inputs, tmp_path / "state")
    assert condition(report, "FindingsExported").status == "True"
    listed = aws(PRODUCTION).list_findings_v2(
        analyzerArn=f"arn:aws:access-analyzer:us-east-1:{PRODUCTION}:analyzer/unused",
        filter={"status": {"eq": ["ACTIVE"]}},
    )["findings"]
    unused = {one["resource"]: one["id"] for one in listed if one["findingType"] == "UnusedPermission"}
    linked = 0
    for one in hub.get_findings()["Findings"]:
        role = one["Resources"][0]["Id"]
        links = {link["Id"] for link in one["FindingProviderFields"].get("RelatedFindings", ())}
        if role in unused:
            linked += 1
            assert f"arn:aws:access-analyzer:us-east-1:{PRODUCTION}:analyzer/unused/{role}/UnusedPermissions" in links
            assert unused[role] in one["ProductFields"]["plumbline/accessAnalyzerFindings"]
        assert all(f"/{role}" in link for link in links)
    assert linked > 3
    # Neither the same facts nor an analyzer that cannot be read at the moment are news.
    sandbox.control("DELETE", "calls")
    assert run_pass(inputs, tmp_path / "state").written == 0
    sandbox.fault("deny", service="accessanalyzer", operation="ListFindingsV2", account=PRODUCTION)
    run_pass(inputs, tmp_path / "state")
    assert "securityhub" not in sandbox.calls()[PRODUCTION]


def only_security_hub(aws, inputs, *accounts, region=org.HOME_REGION, **unused):
    """Customers of nothing else: no analyzer of their own, and Security Hub enabled in `accounts`."""
    write(inputs.parent, **unused)
    for account in accounts:
        aws(account, "securityhub").enable_security_hub_v2()


def proposals(report):
    return {p.proposal.spec.role_arn: p.proposal.status for p in report.baselines["platform/production"].proposed}


def test_proposals_are_compared_with_what_security_hub_recommends(inputs, aws, sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(recommended_policies, "WAITS", (0.0, 0.0))
    asked = {"scope": "account", "development": {"accounts": [DEVELOPMENT]}}
    only_security_hub(aws, inputs, SECURITY, PRODUCTION, unusedAccess=asked)
    without = proposals(run_pass(inputs, tmp_path / "other"))
    write(tmp_path, unusedAccess=asked | {"securityHubRecommendations": {}})

    sandbox.fault("deny", service="securityhub", operation="GetFindingsV2", account=PRODUCTION)
    report = run_pass(inputs, tmp_path / "state")
    source = next(s for s in status(report).sources if s.name == "recommended-policies")
    assert (source.state, source.reason) == ("unavailable", "AccessDenied")
    assert "securityhub:GetFindings" in source.remedy
    assert f"Enable Security Hub in {org.HOME_REGION} of account {PRODUCTION}" in source.remedy
    # It decides nothing, so nothing is missing.
    assert condition(report, "EvidenceComplete").status == "True"
    assert {one.recommendation for one in proposals(report).values()} == {""}

    sandbox.control("DELETE", "faults")
    report = run_pass(inputs, tmp_path / "state")
    said = proposals(report)
    source = next(s for s in status(report).sources if s.name == "recommended-policies")
    assert (source.state, source.reason) == ("complete", "")
    found = {one.recommendation for one in said.values() if one.unused_access and one.unused_access.findings} - {""}
    assert found
    assert found <= {"same", "removesMore", "removesLess", "differs", "undecided"}
    # Nothing else has changed by it.
    assert {role: one.plan_digest for role, one in said.items()} == {
        role: one.plan_digest for role, one in without.items()
    }
    schema("run").validate(as_json(report, inputs, tmp_path))
    # What is known is neither asked for nor written again.
    sandbox.control("DELETE", "calls")
    assert run_pass(inputs, tmp_path / "state").written == 0
    assert "securityhub" not in json.dumps(sandbox.calls())


def test_a_recommendation_that_failed_is_told_and_not_asked_for_again(inputs, aws, sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(recommendations, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(recommended_policies, "WAITS", (0.0, 0.0))
    asked = {"scope": "account", "recommendations": True, "securityHubRecommendations": {}}
    only_security_hub(aws, inputs, SECURITY, PRODUCTION, unusedAccess=asked)
    result = run_pass(inputs, tmp_path / "other").baselines["platform/production"].result
    role = next(a.principal.arn for a in result.assessments if a.agreement and a.agreement.recommended)
    sandbox.settings(recommendationFails=role)
    report = run_pass(inputs, tmp_path / "state")
    source = next(s for s in status(report).sources if s.name == "recommended-policies")
    assert (source.state, source.reason) == ("partial", "RecommendationFailed")
    assert f"for {role}: UNSUPPORTED: Its policies" in source.message
    assert "after a day" in source.remedy
    sandbox.control("DELETE", "calls")
    assert run_pass(inputs, tmp_path / "state").written == 0
    calls = json.dumps(sandbox.calls())
    assert "FindingRecommendation" not in calls
    assert "securityhub" not in calls


def test_access_analyzer_and_security_hub_recommend_the_same(inputs, aws, sandbox, tmp_path, monkeypatch):
    """They derive from the same findings; the administrator of Security Hub is asked for all accounts."""
    monkeypatch.setattr(recommendations, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(recommended_policies, "WAITS", (0.0, 0.0))
    only_security_hub(aws, inputs, SECURITY, PRODUCTION, unusedAccess={"scope": "account", "recommendations": True})
    known = {role: one.recommendation for role, one in proposals(run_pass(inputs, tmp_path / "a")).items()}
    assert set(known.values()) - {""}
    create(aws, SECURITY, "organization", "ORGANIZATION_UNUSED_ACCESS", 90)
    unused = {"securityHubRecommendations": {}, "development": {"accounts": [SECURITY]}}
    write(tmp_path, account=SECURITY, unusedAccess=unused)
    sandbox.control("DELETE", "calls")
    report = run_pass(inputs, tmp_path / "b")
    assert {role: one.recommendation for role, one in proposals(report).items()} == known
    calls = sandbox.calls()
    assert "GenerateRecommendedPolicyV2" in json.dumps(calls[SECURITY])
    assert "securityhub" not in json.dumps(calls[PRODUCTION])
    assert "FindingRecommendation" not in json.dumps(calls)
