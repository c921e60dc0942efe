"""Whatever fails, it is named with its remedy, the rest goes on, and nothing becomes unused through it."""

import gzip
from datetime import timedelta

import pytest
import yaml

from sandbox import organization as org
from sandbox.demo import SAMPLES
from tests.line.inputs import LOGS
from tests.line.passes import NOW, copied, run_pass, texts, verdicts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LATER = NOW + timedelta(hours=25)  # last-accessed answers are asked anew


def _unused(said):
    return {key for key, (verdict, _) in said.items() if verdict == "unused"}


def _proposed(state):
    """Each proposal's conditions by type."""
    files = {path.name: yaml.safe_load(path.read_text()) for path in state.glob("proposals/*/*.yaml")}
    return {
        name: {c["type"]: (c["status"], c["reason"]) for c in body["status"]["conditions"]}
        for name, body in files.items()
    }


def _conditions(status):
    return {c.type: (c.status, c.reason, c.message) for c in status.conditions}


@pytest.mark.parametrize(
    ("rule", "account", "reason", "words"),
    [
        (
            {"kind": "deny", "service": "iam", "operation": "GetAccountAuthorizationDetails", "account": org.ANALYTICS},
            org.ANALYTICS,
            "AccessDenied",
            "Allow the member role iam:GetAccountAuthorizationDetails",
        ),
        (
            {
                "kind": "throttle",
                "service": "iam",
                "operation": "GetAccountAuthorizationDetails",
                "account": org.ANALYTICS,
            },
            org.ANALYTICS,
            "Throttled",
            "Rate exceeded",
        ),
        (
            {"kind": "error500", "service": "iam", "operation": "ListRoles", "account": org.DEVELOPMENT},
            org.DEVELOPMENT,
            "ServiceError",
            "It is tried again later",
        ),
        (
            {"kind": "empty", "account": org.DEVELOPMENT},
            org.DEVELOPMENT,
            "MalformedAnswer",
            "look at what lies on the way",
        ),
    ],
)
def test_an_account_whose_inventory_fails_keeps_its_proposals_and_stops_no_other(
    first, sandbox, tmp_path, rule, account, reason, words
):
    state = copied(first.state, tmp_path / "state")
    before = verdicts(state)
    sandbox.fault(**rule)
    report = run_pass(SAMPLES, state, NOW + timedelta(minutes=1))
    failing = {a.id: a for a in report.landscapes["default"].status.failing_accounts}
    assert failing[account].reason == reason
    assert words in failing[account].message
    after = verdicts(state)
    assert {k: v for k, v in before.items() if k[0].split(":")[4] != account} == after
    open_before = {path.name for path in first.state.glob("proposals/*/*.yaml")}
    superseded = [
        path.name
        for path in state.glob("proposals/*/*.yaml")
        if any(
            c["type"] == "Superseded" and c["status"] == "True"
            for c in yaml.safe_load(path.read_text())["status"]["conditions"]
        )
    ]
    assert open_before
    assert superseded == []


@pytest.mark.parametrize(
    ("rules", "reason", "words"),
    [
        ([{"kind": "deny", "service": "cloudtrail", "operation": "GetTrail"}], "AccessDenied", "cloudtrail:GetTrail"),
        ([{"kind": "deny", "service": "account", "operation": "ListRegions"}], "RegionsUnknown", "account:ListRegions"),
    ],
)
def test_logs_that_cannot_be_proven_complete_make_nothing_unused(first, sandbox, tmp_path, rules, reason, words):
    state = copied(first.state, tmp_path / "state")
    before = verdicts(state)
    for rule in rules:
        sandbox.fault(**rule)
    report = run_pass(SAMPLES, state, LATER)
    source = next(s for s in report.landscapes["default"].status.sources if s.name == "organization-trail")
    assert source.state != "complete"
    assert source.reason == reason
    assert words in f"{source.message} {source.remedy}"
    after = verdicts(state)
    assert _unused(after) == set()
    assert {k for k, v in before.items() if v[0] == "used"} <= {k for k, v in after.items() if v[0] == "used"}
    status = report.baselines["platform/production"].status
    assert _conditions(status)["EvidenceComplete"][0] == "False"
    assert _conditions(status)["Compliant"][0] != "True"


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ("*", "MalformedAnswer"),
        ("GetAccountAuthorizationDetails", "MalformedAnswer"),
        ("ListRoles", "MalformedAnswer"),
        ("ListRegions", "RegionsUnknown"),
        ("GetTrail", "MalformedAnswer"),
        ("GetTrailStatus", "MalformedAnswer"),
        ("GetEventSelectors", "MalformedAnswer"),
        ("GenerateServiceLastAccessedDetails", "MalformedAnswer"),
        ("GetServiceLastAccessedDetails", "MalformedAnswer"),
    ],
)
def test_an_answer_with_nothing_in_it_makes_nothing_unused_and_removes_nothing(
    account, by_files, sandbox, tmp_path, operation, reason
):
    state = tmp_path / "state"
    sandbox.fault("empty", operation=operation)
    report = run_pass(account.inputs, state)
    status = report.landscapes["default"].status
    assert reason in {one.reason for one in (*status.failing_accounts, *status.sources)}
    assert _unused(verdicts(state)) == set()
    assert _proposed(state) == {}
    assert _unused(verdicts(by_files))
    assert _proposed(by_files)


@pytest.mark.parametrize(
    ("kind", "reason", "words"),
    [("deny", "AccessDenied", "s3:ListBucket"), ("throttle", "Throttled", "tried again later")],
)
def test_logs_that_cannot_be_listed_change_no_verdict_while_those_read_cover_the_lookback(
    first, sandbox, tmp_path, kind, reason, words
):
    state = copied(first.state, tmp_path / "state")
    sandbox.fault(kind, service="s3")
    report = run_pass(SAMPLES, state, NOW + timedelta(minutes=1))
    source = next(s for s in report.landscapes["default"].status.sources if s.name == "organization-trail")
    assert (source.state, source.reason) == ("partial", reason)
    assert words in source.message
    assert _unused(verdicts(state)) == _unused(verdicts(first.state))


def test_logs_that_stopped_arriving_make_nothing_unused(first, sandbox, tmp_path):
    state = copied(first.state, tmp_path / "state")
    report = run_pass(SAMPLES, state, NOW + timedelta(days=2))
    source = next(s for s in report.landscapes["default"].status.sources if s.name == "organization-trail")
    assert (source.state, source.reason) == ("partial", "LogGap")
    assert "2026-06-30" in source.message
    assert _unused(verdicts(state)) == set()


def test_an_organization_that_cannot_be_read_is_named_and_supersedes_nothing(first, sandbox, tmp_path):
    state = copied(first.state, tmp_path / "state")
    proposals = {name: text for name, text in texts(state).items() if name.startswith("proposals/")}
    sandbox.fault("deny", service="organizations", operation="ListAccounts")
    report = run_pass(SAMPLES, state, NOW + timedelta(minutes=1))
    landscape = _conditions(report.landscapes["default"].status)
    assert landscape["Ready"][:2] == ("False", "NoAccounts")
    assert "organizations:ListAccounts" in landscape["AccountsReachable"][2]
    baseline = yaml.safe_load((state / "status/leastprivilegebaselines/platform/production.yaml").read_text())
    conditions = {c["type"]: c for c in baseline["status"]["conditions"]}
    assert conditions["Stalled"]["reason"] == "LandscapeNotReady"
    assert conditions["Compliant"]["status"] == "Unknown"
    assert {n: t for n, t in texts(state).items() if n.startswith("proposals/")} == proposals


def test_guardrails_that_cannot_be_read_leave_an_upper_bound(first, sandbox, tmp_path):
    state = copied(first.state, tmp_path / "state")
    sandbox.fault("deny", service="organizations", operation="DescribePolicy")
    report = run_pass(SAMPLES, state, NOW + timedelta(minutes=1))
    assert "organizations:DescribePolicy" in _conditions(report.landscapes["default"].status)["AccountsReachable"][2]
    before, after = verdicts(first.state), verdicts(state)
    used = {k for k, v in before.items() if v[0] == "used"}
    assert used <= {k for k, v in after.items() if v[0] == "used"}
    counts = first.report.baselines["platform/production"].status.counts
    now = report.baselines["platform/production"].status.counts
    assert now.masked < counts.masked
    assert now.masked + now.unused + now.undetermined >= counts.masked + counts.unused


def test_last_accessed_data_that_is_refused_makes_nothing_unused_in_its_account(first, sandbox, tmp_path):
    state = copied(first.state, tmp_path / "state")
    sandbox.fault("deny", service="iam", operation="GenerateServiceLastAccessedDetails", account=org.DEVELOPMENT)
    run_pass(SAMPLES, state, LATER)
    after = verdicts(state)
    development = {k: v for k, v in after.items() if k[0].split(":")[4] == org.DEVELOPMENT}
    assert development
    assert _unused(development) == set()
    assert _unused(after)


# Files


def _a_log(account, number=100):
    return sorted((account.logs / LOGS).rglob("CloudTrail/**/*.json.gz"))[number]


def _replace(path, content):
    path.unlink()  # the original is linked into other tests
    path.write_bytes(content)


DAMAGES = {
    "truncated": lambda path: _replace(path, path.read_bytes()[:200]),
    "malformed": lambda path: _replace(path, gzip.compress(b'{"Records": [{"eventName": ')),
    "no gzip": lambda path: _replace(path, b"nothing of the kind"),
    "deleted": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_damaged_log_file_is_named_and_makes_nothing_unused(account, sandbox, tmp_path, damage):
    whole = run_pass(account.inputs, tmp_path / "whole")
    assert _unused(verdicts(tmp_path / "whole"))
    damaged = _a_log(account)
    DAMAGES[damage](damaged)
    report = run_pass(account.inputs, tmp_path / "state")
    source = report.landscapes["default"].status.sources[0]
    assert source.state == "partial"
    if damage == "deleted":
        assert source.reason == "LogGap"
    else:
        assert damaged.name in source.message
    after = verdicts(tmp_path / "state")
    assert _unused(after) == set()
    assert whole.landscapes["default"].status.sources[0].state == "complete"


def test_a_day_without_digests_is_a_gap(account, sandbox, tmp_path):
    day = next(p for p in sorted((account.logs / LOGS).rglob("CloudTrail-Digest/us-east-1/2026/06/15")) if p.is_dir())
    for path in list(day.iterdir()):
        path.unlink()
    report = run_pass(account.inputs, tmp_path / "state")
    source = report.landscapes["default"].status.sources[0]
    assert (source.state, source.reason) == ("partial", "LogGap")
    assert "2026-06-1" in source.message
    assert _unused(verdicts(tmp_path / "state")) == set()


def test_a_trail_whose_changes_nobody_would_see_proves_nothing_of_the_past(account, sandbox, tmp_path):
    path = account.inputs / "landscape.yaml"
    landscape = yaml.safe_load(path.read_text())
    landscape["spec"]["accounts"] = {"ids": [org.DEVELOPMENT]}
    path.write_text(yaml.safe_dump(landscape))
    report = run_pass(account.inputs, tmp_path / "state")
    source = report.landscapes["default"].status.sources[0]
    assert (source.state, source.reason) == ("partial", "TrailUnwatched")
    assert f"add account {org.MANAGEMENT}, which owns it, to the landscape" in source.remedy
    assert _unused(verdicts(tmp_path / "state")) == set()


@pytest.mark.parametrize(
    ("source", "reason", "words"),
    [
        ({"folder": "/nonexistent/logs"}, "Unreadable", "/nonexistent/logs"),
        ({"trailArn": None}, "TrailUnknown", "trailArn"),
        (
            {"trailArn": f"arn:aws:cloudtrail:us-east-1:{org.MANAGEMENT}:trail/no-such-trail"},
            "NotFound",
            "no-such-trail",
        ),
    ],
)
def test_a_source_that_proves_nothing_makes_nothing_unused(account, sandbox, tmp_path, source, reason, words):
    account.landscape(**source)
    report = run_pass(account.inputs, tmp_path / "state")
    found = report.landscapes["default"].status.sources[0]
    assert found.state != "complete"
    assert found.reason == reason
    assert words in f"{found.message} {found.remedy}"
    assert _unused(verdicts(tmp_path / "state")) == set()


# Resources


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b["spec"].update(tresholds={}), ("spec.tresholds", "thresholds")),
        (
            lambda b: b["spec"]["targets"].update(arns=["arn:aws:iam::1:role/x"]),
            ("spec.targets.arns[0]", "arn:aws:iam::1:role/x"),
        ),
        (lambda b: b["spec"].update(environment="staging"), ("staging", "set lookback")),
        (lambda b: b["spec"].pop("targets"), ("spec.targets", "required")),
    ],
)
def test_a_baseline_that_cannot_be_read_is_named_and_stops_no_other(account, sandbox, tmp_path, change, words):
    wrong = yaml.safe_load((account.inputs / "baseline.yaml").read_text())
    wrong["metadata"]["name"] = "wrong"
    change(wrong)
    (account.inputs / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    (account.inputs / "broken.yaml").write_text("kind: [")
    report = run_pass(account.inputs, tmp_path / "state")
    by_file = {i.where: " ".join(i.messages) for i in report.invalid}
    assert set(by_file) == {"wrong.yaml", "broken.yaml"}
    assert all(word in by_file["wrong.yaml"] for word in words)
    status = yaml.safe_load((tmp_path / "state/status/leastprivilegebaselines/platform/wrong.yaml").read_text())
    assert {c["type"]: c["status"] for c in status["status"]["conditions"]} == {"Ready": "False", "Stalled": "True"}
    assert report.baselines["platform/development"].status.roles > 0
    assert report.written > 0
    assert run_pass(account.inputs, tmp_path / "state").written == 0


def test_a_baseline_without_its_landscape_is_stalled(account, sandbox, tmp_path):
    run_pass(account.inputs, tmp_path / "state")
    proposals = {n: t for n, t in texts(tmp_path / "state").items() if n.startswith("proposals/")}
    assert proposals
    (account.inputs / "landscape.yaml").unlink()
    report = run_pass(account.inputs, tmp_path / "state")
    assert "create it" in report.baselines["platform/development"].reason
    assert {n: t for n, t in texts(tmp_path / "state").items() if n.startswith("proposals/")} == proposals
    assert run_pass(account.inputs, tmp_path / "state").written == 0


def test_allowed_targets_that_are_withdrawn_supersede_the_proposals(account, sandbox, tmp_path):
    run_pass(account.inputs, tmp_path / "state")
    landscape = yaml.safe_load((account.inputs / "landscape.yaml").read_text())
    landscape["spec"]["allowedTargets"] = []
    (account.inputs / "landscape.yaml").write_text(yaml.safe_dump(landscape))
    report = run_pass(account.inputs, tmp_path / "state")
    assert report.baselines["platform/development"].status.roles == 0
    for path in (tmp_path / "state").glob("proposals/*/*.yaml"):
        conditions = {c["type"]: c["status"] for c in yaml.safe_load(path.read_text())["status"]["conditions"]}
        assert conditions["Superseded"] == "True"


@pytest.mark.parametrize(
    ("kind", "reason", "remedy"),
    [("skew", "ClockSkew", "NTP or chrony"), ("expire", "SessionExpired", "Renew the operator's own AWS credentials")],
)
def test_a_wrong_clock_or_an_ended_session_takes_nothing_back_and_removes_nothing(
    account, sandbox, tmp_path, kind, reason, remedy
):
    state = tmp_path / "state"
    run_pass(account.inputs, state)
    before, proposed = verdicts(state), _proposed(state)
    assert {conditions["Validated"] for conditions in proposed.values()} == {("True", "Proven")}
    sandbox.fault(kind)
    report = run_pass(account.inputs, state, NOW + timedelta(minutes=1))
    failing = report.landscapes["default"].status.failing_accounts
    assert {(one.id, one.reason) for one in failing} == {(org.DEVELOPMENT, reason), (org.MANAGEMENT, reason)}
    assert all(remedy in one.message for one in failing)
    # What was proposed is kept, and is no longer said to be proven.
    held = _proposed(state)
    assert held.keys() == proposed.keys()
    assert {conditions["Validated"] for conditions in held.values()} == {("Unknown", "EvidenceIncomplete")}
    assert not any(conditions.get("Superseded", ("False",))[0] == "True" for conditions in held.values())
    sandbox.heal()
    run_pass(account.inputs, state, NOW + timedelta(minutes=2))
    assert (verdicts(state), _proposed(state)) == (before, proposed)
    # Without evidence of before a session that ends midway leaves nothing unused either.
    sandbox.fault(kind, service="iam", operation="GetServiceLastAccessedDetails", after=1)
    run_pass(account.inputs, tmp_path / "other")
    assert _unused(verdicts(tmp_path / "other")) == set()


def test_a_lost_store_accepts_nothing_until_somebody_says_so(account, sandbox, tmp_path):
    state = tmp_path / "state"
    run_pass(account.inputs, state)
    for path in state.glob("plumbline.db*"):
        path.unlink()
    report = run_pass(account.inputs, state, NOW + timedelta(minutes=1))
    found = _conditions(report.baselines["platform/development"].status)
    assert found["AcceptedAccessUnknown"][:2] == ("True", "StoreLost")
    assert "spec.grantDrift.acceptedAt" in found["AcceptedAccessUnknown"][2]
    baseline = yaml.safe_load((account.inputs / "baseline.yaml").read_text())
    baseline["spec"]["grantDrift"] = {"acceptedAt": "2026-06-30T06:02:00Z"}
    (account.inputs / "baseline.yaml").write_text(yaml.safe_dump(baseline))
    report = run_pass(account.inputs, state, NOW + timedelta(minutes=3))
    assert "AcceptedAccessUnknown" not in _conditions(report.baselines["platform/development"].status)
