"""Policy generation against the sandbox's Access Analyzer: results, quotas, faults, and a store that is lost."""

from datetime import UTC, datetime, timedelta

import pytest

from plumbline.api.sources import PolicyGeneration
from plumbline.aws.generation import Source, list_jobs, read_job, start_job
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import State
from plumbline.model.snapshot import Principal
from plumbline.usage.sources.policy_generation import Wanted, advance
from sandbox import organization as org
from sandbox.behaviour import ROLES

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
PRODUCTION, DEVELOPMENT = org.PRODUCTION, org.DEVELOPMENT
START, LIST, GET = "StartPolicyGeneration", "ListPolicyGenerations", "GetGeneratedPolicy"


@pytest.fixture
def sessions(sandbox, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    return AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=10_000)


def wanted(*names, account=PRODUCTION, days=60):
    made = {(role.account, role.name): role for role in ROLES}
    return [
        Wanted(
            Principal(
                arn=made[account, name].arn,
                unique_id=made[account, name].id,
                kind="role",
                account=account,
                name=name,
                path=made[account, name].path,
                created_at=datetime(2025, 1, 1, tzinfo=UTC),
            ),
            timedelta(days=days),
        )
        for name in names
    ]


def spec(**more):
    return PolicyGeneration(trail_arn=org.TRAIL_ARN, access_role_name="AccessAnalyzerCloudTrailRole", **more)


def step(sessions, engine, wishes, now=NOW, **more):
    return advance(sessions, engine, "all", spec(**more), wishes, now=now)


def finish(sessions, engine, wishes, passes=40, **more):
    for _ in range(passes):
        found = step(sessions, engine, wishes, **more)
        if not found.open:
            return found
    raise AssertionError(found)


def jobs(sessions, wishes):
    return [len(list_jobs(sessions, source(one.principal.account), one.principal.arn)) for one in wishes]


def source(account):
    role = f"arn:aws:iam::{account}:role/AccessAnalyzerCloudTrailRole"
    return Source(org.TRAIL_ARN, role, org.HOME_REGION, account=account)


def actions(found):
    return {arn.rpartition("/")[2]: set(policy.actions) for arn, policy in found.policies.items()}


EXPECTED = {
    "trap-pass-role": {"lambda:CreateFunction", "lambda:GetFunction"},
    "trap-denied-only": {"secretsmanager:GetSecretValue"},
    "trap-production-window": {"states:ListStateMachines", "states:DescribeStateMachine"},
    "trap-data-events-invoking": set(),
}


def test_one_after_the_other_until_all_are_there(sandbox, sessions, engine):
    wishes = wanted(*EXPECTED)
    sandbox.control("DELETE", "calls")
    found = finish(sessions, engine, wishes)
    assert actions(found) == EXPECTED
    assert {state.state for state in found.states.values()} == {State.PARTIAL}
    assert sandbox.calls()[PRODUCTION]["accessanalyzer"][START] == len(EXPECTED)
    window = {(policy.start, policy.end) for policy in found.policies.values()}
    assert window == {(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC))}
    sandbox.control("DELETE", "calls")
    assert step(sessions, engine, wishes) == found
    assert sandbox.calls() == {}


@pytest.mark.parametrize("passes", [1, 2, 4, 9])
def test_a_lost_store_starts_nothing_twice(sessions, new_store, passes):
    wishes, engine = wanted(*EXPECTED), new_store()
    for _ in range(passes):
        step(sessions, engine, wishes)
    found = finish(sessions, new_store(), wishes)
    assert actions(found) == EXPECTED
    assert jobs(sessions, wishes) == [1] * len(wishes)


def test_more_logs_than_one_job_reads_are_read_in_halves(sandbox, sessions, engine, new_store):
    sandbox.settings(policyGenerationLogFiles=16 * 48)
    wishes = wanted("trap-production-window", "trap-pass-role")
    for _ in range(8):
        step(sessions, engine, wishes)
    found = finish(sessions, new_store(), wishes, passes=80)  # the store is lost in between
    assert actions(found) == {one.principal.name: EXPECTED[one.principal.name] for one in wishes}
    assert {state.reason for state in found.states.values()} == {"Incomplete"}  # as AWS calls each of them
    read = {(len(policy.job_ids), policy.end - policy.start) for policy in found.policies.values()}
    assert read == {(4, timedelta(days=60))}
    started = [job for one in wishes for job in list_jobs(sessions, source(PRODUCTION), one.principal.arn)]
    answers = [read_job(sessions, source(PRODUCTION), job.job_id) for job in started]
    windows = {(job.principal, answer.start, answer.end) for job, answer in zip(started, answers, strict=True)}
    assert len(windows) == len(started) == 11
    assert sum(answer.error_code == "SERVICE_QUOTA_EXCEEDED_ERROR" for answer in answers) == 3


def test_failed_jobs_are_said_with_code_and_remedy_and_stop_no_other_account(sandbox, sessions, engine):
    # Only production has the access role; and its log files are too many, even for a day.
    sandbox.settings(policyGenerationLogFiles=1)
    wishes = wanted("orders-api", days=2) + wanted("developer", account=DEVELOPMENT)
    found = finish(sessions, engine, wishes)
    files, role = (found.states[one.principal.arn] for one in wishes)
    assert (files.state, files.reason) == (State.UNAVAILABLE, "LogQuotaExceeded")
    assert "cannot read even a day of the logs of 2026-06-28, 2026-06-29" in files.message
    assert "a trail of management events only" in files.remedy
    assert role.reason == "JobFailed"
    assert "AUTHORIZATION_ERROR: Access Analyzer is not authorized to assume" in role.message
    assert "deploy/aws/access-analyzer-role-policy.json" in role.remedy
    assert found.policies == {}
    sandbox.control("DELETE", "calls")
    step(sessions, engine, wishes, NOW + timedelta(hours=3))
    assert sandbox.calls() == {}  # not again today
    sandbox.settings(policyGenerationLogFiles=100_000, daysPassed=9)
    wishes = wanted("orders-api", days=14)
    state = finish(sessions, engine, wishes, now=NOW + timedelta(days=9)).states[wishes[0].principal.arn]
    assert (state.state, state.reason) == (State.PARTIAL, "LogQuotaExceeded")
    assert "not read: 2026-06-28 to 2026-06-29" in state.message


def test_the_quota_of_the_day_is_waited_for(sandbox, sessions, engine):
    sandbox.settings(policyGenerationDailyQuota=1)
    wishes = wanted("trap-pass-role", "trap-denied-only")
    for _ in range(8):
        found = step(sessions, engine, wishes)
    state = found.states[wishes[0].principal.arn], found.states[wishes[1].principal.arn]
    assert {s.reason for s in state} == {"Incomplete", "QuotaExceeded"}
    refused = next(s for s in state if s.reason == "QuotaExceeded")
    assert f"{START} in account {PRODUCTION} failed with ServiceQuotaExceededException" in refused.message
    assert (refused.state, found.open) == (State.UNAVAILABLE, 0)
    assert refused.remedy
    sandbox.settings(daysPassed=1.1)
    found = finish(sessions, engine, wishes, now=NOW + timedelta(days=1))
    assert set(actions(found)) == {"trap-pass-role", "trap-denied-only"}


def test_a_job_of_somebody_else_is_waited_for(sandbox, sessions, engine):
    sandbox.settings(policyGenerationPolls=3)
    end = datetime(2026, 6, 30, tzinfo=UTC)
    (foreign,) = wanted("orders-api")
    start_job(
        sessions, source(PRODUCTION), foreign.principal.arn, start=end - timedelta(days=1), end=end, token="x" * 9
    )
    wishes = wanted("trap-pass-role")
    first = step(sessions, engine, wishes)
    assert (first.states[wishes[0].principal.arn].reason, first.open) == ("QuotaExceeded", 1)
    found = finish(sessions, engine, wishes)
    assert actions(found) == {"trap-pass-role": EXPECTED["trap-pass-role"]}
    assert jobs(sessions, wishes) == [1]


@pytest.mark.parametrize("operation", [START, LIST, GET])
@pytest.mark.parametrize(
    ("kind", "reason", "remedy"),
    [
        ("throttle", "Throttled", "lower awsRequestsPerSecond"),
        ("deny", "AccessDenied", "Allow the member role access-analyzer:"),
        ("error500", "ServiceError", "tried again later"),
        ("truncate", "MalformedAnswer", "tried again later"),
    ],
)
def test_a_fault_is_said_stops_no_other_account_and_starts_nothing_twice(
    sandbox, sessions, engine, operation, kind, reason, remedy
):
    wishes = wanted("trap-pass-role", "trap-denied-only")
    other = wanted("developer", account=DEVELOPMENT)
    if operation == GET:
        step(sessions, engine, wishes)
    sandbox.fault(kind, service="accessanalyzer", operation=operation, account=PRODUCTION)
    found = step(sessions, engine, wishes + other)
    states = [found.states[one.principal.arn] for one in wishes]
    if (kind, operation) in {("truncate", START), ("truncate", GET)}:
        # What was answered about one role alone holds up no other: its turn comes, unless AWS still runs the first.
        assert states.pop(0).reason == ("QuotaExceeded" if operation == START else "InProgress")
    for state in states:
        assert (state.state, state.reason) == (State.UNAVAILABLE, reason)
        assert f"access-analyzer:{operation} in account {PRODUCTION} failed" in state.message
        assert remedy in state.remedy
    assert found.states[other[0].principal.arn].reason == "InProgress"
    sandbox.heal()
    found = finish(sessions, engine, wishes + other)
    assert actions(found) == {one.principal.name: EXPECTED[one.principal.name] for one in wishes}
    assert jobs(sessions, wishes + other) == [1, 1, 1]


def test_now_and_then_a_throttled_or_broken_call_costs_nothing(sandbox, sessions, engine):
    wishes = wanted(*EXPECTED)
    sandbox.fault("throttle", service="accessanalyzer", rate=0.25)
    sandbox.fault("error500", service="accessanalyzer", rate=0.2)
    for _ in range(40):
        found = step(sessions, engine, wishes)
    assert actions(found) == EXPECTED
    assert jobs(sessions, wishes) == [1] * 4


def test_one_region_may_be_asked(sessions, engine):
    wishes = wanted("edge-events")
    found = finish(sessions, engine, wishes, region=org.SECOND_REGION, all_regions=False)
    assert actions(found) == {"edge-events": {"sqs:ListQueues", "events:ListRules"}}
    (job,) = list_jobs(
        sessions, Source(org.TRAIL_ARN, "", org.SECOND_REGION, account=PRODUCTION), wishes[0].principal.arn
    )
    assert job.status == "SUCCEEDED"
    assert jobs(sessions, wishes) == [0]  # in the other Region


def test_a_job_shows_its_window_and_its_failure(sandbox, sessions):
    end = datetime(2026, 6, 30, tzinfo=UTC)
    sandbox.settings(policyGenerationPolls=0)
    (one,) = wanted("orders-api")
    job = start_job(sessions, source(PRODUCTION), one.principal.arn, start=end - timedelta(days=91), end=end, token="t")
    answer = read_job(sessions, source(PRODUCTION), job)
    assert (answer.status, answer.error_code) == ("FAILED", "SERVICE_QUOTA_EXCEEDED_ERROR")
    assert (answer.start, answer.end, answer.policies) == (end - timedelta(days=91), end, ())
    assert "at most 25 GB" in answer.remedy
