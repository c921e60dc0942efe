"""Policy generation with Access Analyzer played by a script: started once whatever dies, refreshed when due, and said."""

from datetime import UTC, datetime, timedelta

import pytest
from fake_analyzer import Analyzer, Killed

from plumbline.api.sources import PolicyGeneration
from plumbline.aws.errors import Denied, Invalid, QuotaExceeded, Throttled, Transient
from plumbline.model.coverage import State
from plumbline.store.jobs import GenerationJob, load_jobs, save_job
from plumbline.usage.sources.policy_generation import SOURCE, Wanted, advance, difference, parse_policies

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
DAY = timedelta(days=1)
ACCOUNT, OTHER = "100000000003", "100000000004"
TRAIL = "arn:aws:cloudtrail:us-east-1:100000000001:trail/org-trail"
ALL = [{"cloudTrailArn": TRAIL, "allRegions": True}]


def spec(access_role_name="path/AccessRole", **more):
    return PolicyGeneration(trail_arn=TRAIL, access_role_name=access_role_name, **more)


def wanted(principals, days=30):
    return [Wanted(principal, timedelta(days=days)) for principal in principals]


def step(aws, engine, wishes, now=NOW, **more):
    aws.now = now
    return advance(aws, engine, "all", spec(**more), wishes, now=now)


def finish(aws, engine, wishes, now=NOW, passes=40, **more):
    """Passes until nothing is open."""
    for _ in range(passes):
        found = step(aws, engine, wishes, now, **more)
        if not found.open:
            return found
    raise AssertionError(found)


def test_jobs_run_one_after_the_other_and_each_pass_does_what_it_can(engine, principal):
    roles = [principal("a"), principal("b"), principal("c", account=OTHER)]
    aws, wishes = Analyzer(looks=2, actions={"a": ["s3:GetBucketAcl"]}), wanted(roles)

    first = step(aws, engine, wishes)
    assert sorted(aws.started()) == ["a", "c"]  # each account has its own queue
    assert [(first.states[r.arn].state, first.states[r.arn].reason) for r in roles] == [
        (State.UNAVAILABLE, "InProgress"),
        (State.UNAVAILABLE, "Queued"),
        (State.UNAVAILABLE, "InProgress"),
    ]
    assert (first.open, first.policies) == (3, {})
    asked = len(aws.asked)
    step(aws, engine, wishes)
    assert aws.asked[asked:] == ["GetGeneratedPolicy"] * 2  # nothing is started while one runs

    last = finish(aws, engine, wishes)
    assert sorted(aws.started()[:2]) + aws.started()[2:] == ["a", "c", "b"]
    policy = last.policies[roles[0].arn]
    (job,) = [job["id"] for job in aws.jobs if job["principal"] == roles[0].arn]
    assert (policy.actions, policy.is_complete, policy.job_ids) == (("s3:GetBucketAcl",), False, (job,))
    assert (policy.start, policy.end) == (datetime(2026, 5, 31, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC))
    assert {state.state for state in last.states.values()} == {State.PARTIAL}
    assert {state.reason for state in last.states.values()} == {"Incomplete"}
    asked = len(aws.asked)
    assert step(aws, engine, wishes) == last
    assert len(aws.asked) == asked  # a second pass asks nothing
    assert {job["access_role"] for job in aws.jobs} == {
        f"arn:aws:iam::{ACCOUNT}:role/path/AccessRole",
        f"arn:aws:iam::{OTHER}:role/path/AccessRole",
    }


@pytest.mark.slow
@pytest.mark.parametrize("lost", [False, True], ids=["store kept", "store lost"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_call_nothing_starts_twice(new_store, principal, lost, after):
    roles = [principal("a"), principal("b")]
    undisturbed = Analyzer()
    expected = finish(undisturbed, new_store(), wanted(roles))
    calls = undisturbed.calls
    assert calls == 8  # for each: list, start, and two reads
    for at in range(1, calls + 1):
        aws, engine = Analyzer(), new_store()
        aws.kill_at, aws.kill_after = at, after
        try:
            while step(aws, engine, wanted(roles)).open:
                pass
        except Killed:
            engine = new_store() if lost else engine
        else:
            raise AssertionError(f"call {at} of {calls} did not happen")
        aws.kill_at = None
        found = finish(aws, engine, wanted(roles))
        assert sorted(aws.started()) == ["a", "b"], at
        assert found.states == expected.states, at
        assert {arn: p.actions for arn, p in found.policies.items()} == {
            arn: p.actions for arn, p in expected.policies.items()
        }


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_a_lost_store_repeats_no_job_that_has_ended(new_store, principal, status):
    aws, wishes = Analyzer(), wanted([principal("a")])
    aws.status["a"] = status
    before = finish(aws, new_store(), wishes)
    later = finish(aws, new_store(), wishes)
    assert aws.started() == ["a"]
    assert later == before


def test_a_job_that_others_started_serves_if_its_window_does(engine, principal):
    aws, role = Analyzer(), principal("a")
    request = {
        "policyGenerationDetails": {"principalArn": role.arn},
        "cloudTrailDetails": {"trails": ALL, "startTime": NOW - 31 * DAY, "endTime": NOW, "accessRole": "x"},
    }
    aws.call(
        "access-analyzer", "StartPolicyGeneration", account=ACCOUNT, region="us-east-1", clientToken="t", **request
    )
    found = finish(aws, engine, wanted([role], days=30))
    assert (aws.started(), found.policies[role.arn].job_ids) == (["a"], ("job-0",))
    # Of a longer lookback only the rest is read.
    found = finish(aws, engine, wanted([role], days=60))
    assert found.policies[role.arn].job_ids == ("job-1", "job-0")
    assert (aws.jobs[1]["start"], aws.jobs[1]["end"]) == (
        datetime(2026, 5, 1, tzinfo=UTC),
        datetime(2026, 5, 31, tzinfo=UTC),
    )


def test_a_result_is_renewed_after_a_week_and_serves_until_then(engine, principal):
    aws, role = Analyzer(), principal("a")
    finish(aws, engine, wanted([role]))
    assert step(aws, engine, wanted([role]), NOW + 7 * DAY).open == 0
    assert aws.started() == ["a"]
    renewing = step(aws, engine, wanted([role]), NOW + 8 * DAY)
    assert aws.started() == ["a", "a"]
    state = renewing.states[role.arn]
    assert (state.state, state.reason, renewing.open) == (State.PARTIAL, "InProgress", 1)
    assert "an older result is used meanwhile" in state.message
    assert renewing.policies[role.arn].job_ids == ("job-0",)
    assert finish(aws, engine, wanted([role]), NOW + 8 * DAY).policies[role.arn].job_ids == ("job-1",)


@pytest.mark.parametrize(("asked", "days"), [(30, 30), (90, 90), (400, 90), (0, 1)])
def test_a_window_is_whole_days_and_at_most_ninety(engine, principal, asked, days):
    aws = Analyzer()
    step(aws, engine, wanted([principal("a")], days=asked))
    (job,) = aws.jobs
    assert (job["end"], job["end"] - job["start"]) == (datetime(2026, 6, 30, tzinfo=UTC), days * DAY)


def test_a_longer_lookback_needs_a_new_job_and_a_shorter_one_does_not(engine, principal):
    aws, role = Analyzer(), principal("a")
    for days, jobs, start in ((60, 1, 60), (30, 1, 60), (90, 2, 90), (60, 2, 60)):
        found = finish(aws, engine, wanted([role], days=days))
        policy = found.policies[role.arn]
        assert (len(aws.jobs), policy.end - policy.start) == (jobs, start * DAY)


def test_a_role_that_is_made_again_gets_a_job_of_its_own(new_store, principal):
    aws, engine = Analyzer(), new_store()
    finish(aws, engine, wanted([principal("a")]))
    # Made an hour after the job of its predecessor.
    again = principal("a", "AROAAGAIN", created=NOW + timedelta(hours=1))
    later = NOW + timedelta(hours=2)
    found = step(aws, engine, wanted([again]), later)
    assert (aws.started(), found.policies, found.states[again.arn].reason) == (["a", "a"], {}, "InProgress")
    assert finish(aws, engine, wanted([again]), later).policies[again.arn].job_ids == ("job-1",)
    # The same with a lost store.
    found = finish(aws, new_store(), wanted([again]), later)
    assert (len(aws.jobs), found.policies[again.arn].job_ids) == (2, ("job-1",))


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AUTHORIZATION_ERROR", "Let the access role trust access-analyzer.amazonaws.com"),
        ("RESOURCE_NOT_FOUND_ERROR", "Check that the trail"),
        ("SERVICE_ERROR", "Jobs of a landscape are tried again the next day"),
        ("SOMETHING_NEW", "tried again the next day"),
    ],
)
def test_a_failed_job_is_said_with_its_remedy_and_tried_again_the_next_day(engine, principal, code, remedy):
    aws, role = Analyzer(), principal("a")
    aws.failure["a"] = code
    found = finish(aws, engine, wanted([role]))
    state = found.states[role.arn]
    assert (state.source, state.state, state.reason) == (SOURCE, State.UNAVAILABLE, "JobFailed")
    assert f"failed with {code}: it went wrong" in state.message
    assert remedy in state.remedy
    step(aws, engine, wanted([role]), NOW + timedelta(hours=12))
    assert aws.started() == ["a"]
    aws.failure.clear()
    found = finish(aws, engine, wanted([role]), NOW + DAY)
    assert (aws.started(), found.states[role.arn].state) == (["a", "a"], State.PARTIAL)


@pytest.mark.parametrize("changed", [{"access_role_name": "OtherRole"}, {"region": "eu-west-1"}])
def test_a_failed_job_is_tried_again_at_once_when_the_spec_asks_otherwise(engine, principal, changed):
    aws, roles = Analyzer(looks=0), [principal(name) for name in "ab"]
    aws.failure = dict.fromkeys("ab", "AUTHORIZATION_ERROR")
    finish(aws, engine, wanted(roles))
    aws.failure.clear()
    found = finish(aws, engine, wanted(roles), **changed)
    assert aws.started() == ["a", "b", "a", "b"]
    assert set(found.policies) == {role.arn for role in roles}


def test_a_job_of_somebody_else_that_failed_holds_the_role_until_tomorrow(new_store, principal):
    """With which access role it was started AWS does not tell."""
    aws, role = Analyzer(), principal("a")
    aws.failure["a"] = "AUTHORIZATION_ERROR"
    finish(aws, new_store(), wanted([role]))
    lost = new_store()
    finish(aws, lost, wanted([role]), access_role_name="OtherRole")
    assert aws.started() == ["a"]


def test_a_failure_after_a_success_keeps_the_success(engine, principal):
    aws, role = Analyzer(), principal("a")
    finish(aws, engine, wanted([role]))
    aws.failure["a"] = "SERVICE_ERROR"
    found = finish(aws, engine, wanted([role]), NOW + 9 * DAY)
    assert (found.states[role.arn].state, found.states[role.arn].reason) == (State.PARTIAL, "JobFailed")
    assert found.policies[role.arn].job_ids == ("job-0",)


def test_a_cancelled_job_is_not_started_again_that_day(engine, principal):
    aws, role = Analyzer(), principal("a")
    aws.status["a"] = "CANCELED"
    state = finish(aws, engine, wanted([role])).states[role.arn]
    assert (state.reason, aws.started()) == ("JobCanceled", ["a"])


@pytest.mark.parametrize("text", ["{", "[]", '{"Statement": 3}', '{"Statement": [{"Action": [7]}]}'])
def test_a_result_that_is_no_policy_is_a_failure(engine, principal, text):
    aws, role = Analyzer(), principal("a")
    aws.policy["a"] = text
    found = finish(aws, engine, wanted([role, principal("b")]))
    assert (found.states[role.arn].reason, set(found.policies)) == ("JobFailed", {principal("b").arn})
    assert "MalformedAnswer" in found.states[role.arn].message
    assert aws.started() == ["a", "b"]


@pytest.mark.parametrize("operation", ["StartPolicyGeneration", "ListPolicyGenerations", "GetGeneratedPolicy"])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Throttled, "Throttled"),
        (Denied, "AccessDenied"),
        (Transient, "ServiceError"),
        (QuotaExceeded, "QuotaExceeded"),
    ],
)
def test_a_refused_call_is_said_costs_no_job_and_the_next_pass_goes_on(engine, principal, operation, kind, reason):
    roles = [principal("a"), principal("b"), principal("c", account=OTHER)]
    aws = Analyzer()
    if operation == "GetGeneratedPolicy":
        step(aws, engine, wanted(roles))
    aws.refuses[operation] = kind("no", operation=operation, account=ACCOUNT, code="X", remedy="Do something")
    found = step(aws, engine, wanted(roles))
    assert found.open == 0  # nothing says that it is over in minutes
    for role in roles:
        state = found.states[role.arn]
        assert (state.state, state.reason, state.remedy) == (State.UNAVAILABLE, reason, "Do something")
        assert f"{operation} in account {ACCOUNT} failed with X: no" in state.message
    aws.refuses.clear()
    finish(aws, engine, wanted(roles))
    assert sorted(aws.started()) == ["a", "b", "c"]


def test_all_roles_have_their_turn_also_where_results_grow_old_before(engine, principal):
    names = [chr(ord("a") + number) for number in range(20)]
    aws, wishes = Analyzer(looks=0), wanted([principal(name) for name in names])
    for day in range(30):
        for _ in range(4):
            step(aws, engine, wishes, NOW + day * DAY, daily_jobs=2)
    # Ten days for one each: those that were read first are due again before.
    assert aws.started() == names * 3


def test_what_the_access_role_may_not_read_is_not_tried_for_each_role(engine, principal):
    roles = [principal(name) for name in "abcd"] + [principal("e", account=OTHER)]
    aws, wishes = Analyzer(looks=0), wanted(roles)
    aws.failure = dict.fromkeys("abcd", "AUTHORIZATION_ERROR")
    for _ in range(10):
        found = step(aws, engine, wishes)
    assert sorted(aws.started()) == ["a", "b", "e"]
    assert (found.states[roles[4].arn].reason, found.open) == ("Incomplete", 0)
    state = found.states[roles[3].arn]
    assert (state.state, state.reason) == (State.UNAVAILABLE, "JobFailed")
    assert "2 policy generations failed today in account 100000000003 with AUTHORIZATION_ERROR" in state.message
    assert "Let the access role trust" in state.remedy
    aws.failure = {}
    finish(aws, engine, wishes, NOW + DAY)
    assert sorted(aws.started()) == ["a", "a", "b", "b", "c", "d", "e"]


def test_one_job_without_rights_may_be_of_somebody_else_and_stops_no_other_role(engine, principal):
    aws, wishes = Analyzer(looks=0), wanted([principal("a"), principal("b")])
    aws.failure["a"] = "AUTHORIZATION_ERROR"
    finish(aws, engine, wishes)
    assert aws.started() == ["a", "b"]


def test_a_request_that_aws_calls_wrong_is_a_failure_of_that_role_only(engine, principal):
    aws, roles = Analyzer(), [principal("a"), principal("b")]
    aws.refuses["StartPolicyGeneration"] = Invalid("bad principal", code="ValidationException")
    found = step(aws, engine, wanted(roles))
    assert {state.reason for state in found.states.values()} == {"JobFailed"}
    assert "ValidationException: bad principal" in found.states[roles[0].arn].message


def test_the_daily_budget_is_kept_over_restarts_and_landscapes(engine, principal):
    aws, roles = Analyzer(looks=0), [principal(name) for name in "abc"]
    found = finish_or_stop(aws, engine, wanted(roles), daily_jobs=2)
    assert aws.started() == ["a", "b"]
    state = found.states[roles[2].arn]
    assert (state.state, state.reason) == (State.UNAVAILABLE, "DailyBudgetSpent")
    assert "2 policy generations were started today in account 100000000003, us-east-1" in state.message
    assert "dailyJobs" in state.remedy
    assert found.open == 0  # until tomorrow there is nothing to look at every other minute
    aws.now = NOW
    other = advance(aws, engine, "second", spec(daily_jobs=2), wanted([principal("d")]), now=NOW)
    assert (other.states[principal("d").arn].reason, aws.started()) == ("DailyBudgetSpent", ["a", "b"])
    finish(aws, engine, wanted(roles), NOW + DAY, daily_jobs=2)
    assert aws.started() == ["a", "b", "c"]


def finish_or_stop(aws, engine, wishes, **more):
    for _ in range(10):
        found = step(aws, engine, wishes, **more)
    return found


def test_a_job_that_aws_forgot_is_a_failure_and_started_anew_when_due(engine, principal):
    aws, role = Analyzer(looks=10**6), principal("a")
    step(aws, engine, wanted([role]))
    aws.jobs[0]["status"] = "SUCCEEDED"  # read by nobody for a week
    found = step(aws, engine, wanted([role]), NOW + 8 * DAY)
    # Its window is over too, so the new one starts at once.
    assert (aws.started(), found.states[role.arn].reason) == (["a", "a"], "InProgress")


def test_rows_that_were_never_started_go_when_nobody_wants_them(engine, principal):
    aws, role = Analyzer(), principal("a")
    aws.refuses["StartPolicyGeneration"] = Throttled("later")
    step(aws, engine, wanted([role]))
    assert [job.status for job in load_jobs(engine, "all")] == ["PENDING"]
    aws.refuses.clear()
    step(aws, engine, wanted([principal("b")]))
    assert [(job.principal, job.status) for job in load_jobs(engine, "all")] == [(principal("b").arn, "IN_PROGRESS")]


def test_a_pending_row_is_started_with_its_own_window_and_token(engine, principal):
    """The start may have happened: only the same token finds it again."""
    aws, role = Analyzer(), principal("a")
    aws.refuses["StartPolicyGeneration"] = Transient("lost")
    step(aws, engine, wanted([role]))
    (row,) = load_jobs(engine, "all")
    aws.refuses.clear()
    step(aws, engine, wanted([role]), NOW + 2 * DAY)
    (job,) = aws.jobs
    assert (job["token"], job["start"], job["end"]) == (row.client_token, row.window_start, row.window_end)


def test_jobs_of_another_landscape_are_not_ours(engine, principal):
    role = principal("a")
    save_job(
        engine,
        GenerationJob("second", role.arn, "t", role.unique_id, ACCOUNT, "us-east-1", NOW - 30 * DAY, NOW, "SUCCEEDED"),
    )
    aws = Analyzer()
    assert step(aws, engine, wanted([role])).states[role.arn].reason == "InProgress"


@pytest.mark.parametrize(
    ("texts", "actions", "templates"),
    [
        ([], (), ()),
        (['{"Statement": []}'], (), ()),
        (['{"Statement": {"Action": "s3:GetObject"}}'], ("s3:GetObject",), ()),
        (
            [
                '{"Statement": [{"Action": ["sqs:*", "s3:Get${x}", "ec2:RunInstances"]}]}',
                '{"Statement": [{"Action": []}]}',
            ],
            ("ec2:RunInstances",),
            ("s3", "sqs"),
        ),
    ],
)
def test_generated_policies_name_actions_or_only_services(texts, actions, templates):
    assert parse_policies(texts) == (actions, templates)


def test_the_difference_is_a_figure():
    found = difference(["s3:GetObject", "s3:PutObject", "ec2:RunInstances"], ["S3:getobject", "sqs:SendMessage"])
    assert found == {
        "currentPermissionCount": 3,
        "usedPermissionCount": 2,
        "unusedPermissions": ["ec2:RunInstances", "s3:PutObject"],
        "reductionPercentage": 66.7,
    }
    assert difference([], [])["reductionPercentage"] == 0
