"""Policy generation over more logs than one job reads: halves within the budget, their union, restarts, and broken answers."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from fake_analyzer import OVER_QUOTA, Analyzer, Killed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.api.sources import PolicyGeneration
from plumbline.model.coverage import State
from plumbline.store.jobs import GenerationJob, load_jobs, save_job
from plumbline.usage.sources.generation_windows import DAY
from plumbline.usage.sources.policy_generation import Wanted, advance

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
TODAY = datetime(2026, 6, 30, tzinfo=UTC)
ACCOUNT = "100000000003"
TRAIL = "arn:aws:cloudtrail:us-east-1:100000000001:trail/org-trail"
ALL = [{"cloudTrailArn": TRAIL, "allRegions": True}]


def step(aws, engine, roles, now=NOW, days=32, **more):
    aws.now = now
    spec = PolicyGeneration(trail_arn=TRAIL, access_role_name="AccessRole", **more)
    return advance(aws, engine, "all", spec, [Wanted(role, timedelta(days=days)) for role in roles], now=now)


def finish(aws, engine, roles, now=NOW, passes=200, **more):
    for _ in range(passes):
        found = step(aws, engine, roles, now, **more)
        if not {"InProgress", "Queued"} & {state.reason for state in found.states.values()}:
            return found
    raise AssertionError(found)


def windows(aws, name="a", succeeded=None):
    """From the first to the last day before the end, as they were started."""
    return [
        ((TODAY - job["start"]) // DAY, (TODAY - job["end"]) // DAY)
        for job in aws.jobs
        if job["principal"].endswith(f"/{name}") and (succeeded is None or (job["status"] == "SUCCEEDED") == succeeded)
    ]


def by_day(_, start, end):
    """An action for each day of the window."""
    return [f"s3:Action{100 + n}" for n in range((TODAY - end) // DAY, (TODAY - start) // DAY)]


def divided(quota=10, files=lambda day: 1, **more):
    aws = Analyzer(looks=0, **more)
    aws.quota, aws.files, aws.seen, aws.complete = quota, files, by_day, True
    return aws


def test_halves_are_read_until_they_fit_and_their_union_is_the_answer(engine, principal):
    aws, role = divided(), principal("a")
    found = finish(aws, engine, [role])
    assert windows(aws, succeeded=True) == [(8, 0), (16, 8), (24, 16), (32, 24)]
    assert windows(aws, succeeded=False) == [(32, 0), (16, 0), (32, 16)]
    policy = found.policies[role.arn]
    assert set(policy.actions) == {f"s3:Action{100 + n}" for n in range(32)}
    assert (policy.end - policy.start, policy.is_complete, len(policy.job_ids)) == (32 * DAY, True, 4)
    assert found.states[role.arn].state is State.COMPLETE
    asked = len(aws.asked)
    assert step(aws, engine, [role]) == found
    assert len(aws.asked) == asked


def test_what_is_read_counts_at_once_and_the_rest_is_named(engine, principal):
    aws, role = divided(), principal("a")
    for _ in range(4):
        found = step(aws, engine, [role])
    policy, state = found.policies[role.arn], found.states[role.arn]
    assert (windows(aws, succeeded=True), policy.is_complete) == ([(8, 0)], False)
    assert (state.state, state.reason, found.open) == (State.PARTIAL, "InProgress", 1)
    assert "not read: 2026-05-29 to 2026-06-21; windows that wait: 1" in state.message


def test_other_roles_of_the_account_need_not_fail_to_know(engine, principal):
    aws, roles = divided(), [principal("a"), principal("b"), principal("c", account="100000000004")]
    found = finish(aws, engine, roles)
    assert sorted(windows(aws, "a", False) + windows(aws, "b", False)) == [(16, 0), (32, 0), (32, 16)]
    for name in "ab":
        assert sorted(windows(aws, name, succeeded=True)) == [(8, 0), (16, 8), (24, 16), (32, 24)]
    assert len(windows(aws, "c", succeeded=False)) == 3  # another account has other logs
    assert {state.state for state in found.states.values()} == {State.COMPLETE}


def test_a_role_whose_turn_comes_on_a_later_day_need_not_fail_either(engine, principal):
    aws, roles = divided(), [principal(name) for name in "abc"]
    for day in range(4):
        found = finish(aws, engine, roles, NOW + day * DAY, daily_jobs=4)
    assert [sum(job["started"] == NOW + day * DAY for job in aws.jobs) for day in range(4)] == [4, 4, 4, 3]
    failed = [window for name in "abc" for window in windows(aws, name, succeeded=False)]
    assert sorted(failed) == [(16, 0), (32, 0), (32, 16)]
    assert {state.state for state in found.states.values()} == {State.COMPLETE}


@pytest.mark.parametrize(("quota", "parts"), [(32, 1), (16, 2), (10, 4)])
def test_what_it_costs(engine, principal, quota, parts):
    """The formula of docs/performance.md: two reads of each job are assumed."""
    aws, roles = divided(quota), [principal(name) for name in "abc"]
    aws.looks = 1
    finish(aws, engine, roles)
    jobs = len(roles) * parts + parts - 1
    assert (len(aws.jobs), len(aws.asked)) == (jobs, jobs * (2 + 2))


def test_a_row_that_does_not_tell_its_logs_divides_nothing(engine, principal):
    """Such as a store has that did not know them yet: what failed may have been another trail."""
    aws, roles = divided(quota=99), [principal("a"), principal("b")]
    save_job(engine, row(roles[0], None, status="FAILED", error_code=OVER_QUOTA))
    finish(aws, engine, roles)
    assert (windows(aws, "a"), windows(aws, "b")) == ([(32, 0)], [(32, 0)])


def test_a_job_whose_row_does_not_tell_its_logs_is_asked(engine, principal):
    aws, role = divided(), principal("a")
    others(aws, role, 32, 0, "one", [{"cloudTrailArn": TRAIL.replace("org", "other"), "allRegions": True}])
    save_job(engine, row(role, None, status="IN_PROGRESS", job_id="job-0"))
    step(aws, engine, [role])
    (read,) = [job for job in load_jobs(engine, "all") if job.job_id == "job-0"]
    assert read.scope == TRAIL.replace("org", "other")
    assert windows(aws) == [(32, 0)] * 2  # it was about another trail


def row(role, scope, **more):
    return GenerationJob(
        "all", role.arn, "before", role.unique_id, ACCOUNT, "us-east-1", TODAY - 32 * DAY, TODAY, scope=scope, **more
    )


def test_the_budget_of_a_day_is_shared(engine, principal):
    aws, roles = divided(quota=1, files=lambda day: 1 + (day == TODAY - DAY)), [principal("a"), principal("b")]
    found = finish(aws, engine, roles, days=8, daily_jobs=6)
    assert sorted(aws.started()) == ["a"] * 3 + ["b"] * 3
    assert {state.reason for state in found.states.values()} == {"DailyBudgetSpent"}


@pytest.mark.parametrize(("region", "daily_jobs", "started"), [("us-east-1", 3, 3), ("af-south-1", 40, 5)])
def test_what_does_not_fit_into_a_day_goes_on_with_the_same_windows(engine, principal, region, daily_jobs, started):
    aws, role = divided(), principal("a")
    for day in range(4):
        before = len(aws.jobs)
        found = finish(aws, engine, [role], NOW + day * DAY, daily_jobs=daily_jobs, region=region)
        assert len(aws.jobs) - before <= started
        if day == 0:
            assert (len(aws.jobs), found.states[role.arn].reason) == (started, "DailyBudgetSpent")
            assert f"AWS allows {5 if region == 'af-south-1' else 50} a day" in found.states[role.arn].remedy
    assert len(aws.jobs) == 7
    assert (found.states[role.arn].state, found.policies[role.arn].is_complete) == (State.COMPLETE, True)


def test_one_day_with_too_many_logs_is_named_and_all_others_are_read(engine, principal):
    large = TODAY - 5 * DAY
    aws, role = divided(files=lambda day: 99 if day == large else 0), principal("a")
    found = finish(aws, engine, [role])
    policy, state = found.policies[role.arn], found.states[role.arn]
    assert set(policy.actions) == {f"s3:Action{100 + n}" for n in range(32)} - {"s3:Action104"}
    assert policy.is_complete is False
    assert (state.state, state.reason, found.open) == (State.PARTIAL, "LogQuotaExceeded", 0)
    assert "not read: 2026-06-25" in state.message
    assert "management events only" in state.remedy
    started = len(aws.jobs)
    finish(aws, engine, [role], NOW + 3 * DAY)
    assert len(aws.jobs) == started  # not again
    finish(aws, engine, [role], NOW + 8 * DAY)
    # Only what is new, and what of a window that begins before the lookback still lies in it.
    assert windows(aws)[started:] == [(0, -8), (24, 16)]


def test_if_no_day_fits_that_is_said_and_not_tried_for_each_role(engine, principal):
    aws, roles = divided(quota=0), [principal("a"), principal("b")]
    found = finish(aws, engine, roles, days=2)
    assert sorted(aws.started()) == ["a", "a", "b"]  # whoever fails, it is known of both
    for role in roles:
        state = found.states[role.arn]
        assert (state.state, state.reason) == (State.UNAVAILABLE, "LogQuotaExceeded")
        assert "2026-06-28, 2026-06-29" in state.message
    assert found.policies == {}


def test_renewal_reads_only_what_is_new_or_has_grown_old(engine, principal):
    aws, role = divided(), principal("a")
    finish(aws, engine, [role])
    started = len(aws.jobs)
    found = finish(aws, engine, [role], NOW + 8 * DAY)
    # The oldest window ends where the lookback begins.
    assert windows(aws)[started:] == [(0, -8)]
    assert found.states[role.arn].state is State.COMPLETE
    assert set(found.policies[role.arn].actions) == {f"s3:Action{100 + n}" for n in range(-8, 24)}


def test_a_window_that_failed_for_another_reason_is_tried_again_after_the_others(engine, principal):
    aws, role = divided(), principal("a")
    for _ in range(3):
        step(aws, engine, [role])
    aws.failure["a"] = "SERVICE_ERROR"  # (8, 0), which is running
    found = finish(aws, engine, [role])
    assert (found.states[role.arn].reason, found.open, windows(aws)[-1]) == ("JobFailed", 0, (8, 0))
    aws.failure.clear()
    found = finish(aws, engine, [role], NOW + DAY)
    assert windows(aws)[-1] == (8, 0)
    assert len({job["token"] for job in aws.jobs}) == len(aws.jobs)
    assert found.states[role.arn].state is State.COMPLETE


def others(aws, role, start, end, token, trails=ALL):
    """A job that somebody else starts."""
    aws.call(
        "access-analyzer",
        "StartPolicyGeneration",
        account=ACCOUNT,
        region="us-east-1",
        clientToken=token,
        policyGenerationDetails={"principalArn": role.arn},
        cloudTrailDetails={
            "trails": trails,
            "startTime": TODAY - start * DAY,
            "endTime": TODAY - end * DAY,
            "accessRole": "x",
        },
    )
    aws.jobs[-1]["status"], aws.jobs[-1]["error"] = "SUCCEEDED", None
    if aws.size(aws.jobs[-1]) > aws.quota:
        aws.jobs[-1]["status"], aws.jobs[-1]["error"] = "FAILED", OVER_QUOTA


def test_jobs_of_others_count_with_their_own_windows(engine, principal):
    aws, role = divided(), principal("a")
    others(aws, role, 12, 4, "one")
    others(aws, role, 32, 12, "two")
    found = finish(aws, engine, [role])
    # The first is used, with the end that it has; what contains the second is not tried.
    assert windows(aws)[2:] == [(20, 12), (36, 20), (28, 20), (36, 28)]
    assert set(found.policies[role.arn].actions) == {f"s3:Action{100 + n}" for n in range(4, 36)}
    assert found.states[role.arn].state is State.COMPLETE


@pytest.mark.parametrize(
    "trails",
    [
        [{"cloudTrailArn": TRAIL.replace("org", "other"), "allRegions": True}],
        [{"cloudTrailArn": TRAIL, "allRegions": False, "regions": ["us-east-1"]}],
        [{"cloudTrailArn": TRAIL}],
        [],
        ALL * 2,
    ],
    ids=["another trail", "one Region", "no Region", "none", "several"],
)
def test_jobs_about_other_logs_are_no_whole_answer(engine, principal, trails):
    aws, role = divided(quota=99), principal("a")
    others(aws, role, 32, 0, "one", trails)
    step(aws, engine, [role])
    state = step(aws, engine, [role]).states[role.arn]
    assert windows(aws) == [(32, 0)] * 2
    assert state.state is State.COMPLETE


def test_another_trail_in_the_landscape_is_read_anew_and_the_older_result_serves_meanwhile(engine, principal):
    aws, role = divided(quota=99), principal("a")
    finish(aws, engine, [role])
    found = step(aws, engine, [role], all_regions=False)
    assert (len(aws.jobs), found.states[role.arn].state) == (2, State.PARTIAL)
    assert found.policies[role.arn].job_ids == ("job-0",)
    found = finish(aws, engine, [role], all_regions=False)
    # What the first has seen was used all the same.
    assert (len(aws.jobs), found.policies[role.arn].job_ids) == (2, ("job-1", "job-0"))
    assert found.states[role.arn].state is State.COMPLETE


def test_old_rows_are_forgotten_but_for_the_last_result(engine, principal):
    aws, roles = divided(), [principal("a"), principal("b")]
    finish(aws, engine, roles)
    step(aws, engine, roles[:1], NOW + 120 * DAY)
    kept = [job for job in load_jobs(engine, "all") if job.window_end <= TODAY]
    assert [(job.principal, job.window_end) for job in kept] == [(role.arn, TODAY) for role in roles]


# Answers that are not whole


def broken(aws, operation, change):
    """Its answers go through `change`."""
    whole = getattr(aws, operation)
    setattr(aws, operation, lambda *given, **more: change(deepcopy(whole(*given, **more))))
    return lambda: setattr(aws, operation, whole)


def without_key(*path):
    def change(answer):
        inner = answer
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        return answer

    return change


def with_value(value, *path):
    def change(answer):
        inner = answer
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        return answer

    return change


@pytest.mark.parametrize(
    "change",
    [
        without_key("jobDetails"),
        without_key("jobDetails", "status"),
        without_key("jobDetails", "jobId"),
        without_key("jobDetails", "startedOn"),
        without_key("generatedPolicyResult"),
        without_key("generatedPolicyResult", "generatedPolicies", 0, "policy"),
        with_value("DONE", "jobDetails", "status"),
        with_value("now", "jobDetails", "startedOn"),
        with_value([], "generatedPolicyResult"),
        with_value({}, "generatedPolicyResult", "properties", "cloudTrailProperties", "trailProperties", 0),
        lambda _: {},
        lambda _: None,
    ],
)
@pytest.mark.parametrize("lost", [False, True], ids=["store kept", "store lost"])
def test_a_job_whose_answer_is_not_whole_is_a_problem_of_its_role_and_repeats_nothing(
    new_store, principal, change, lost
):
    aws, roles, engine = divided(quota=99), [principal("a"), principal("b")], new_store()
    step(aws, engine, roles)
    aws.jobs[0]["status"], aws.jobs[0]["error"] = "SUCCEEDED", None
    whole = broken(
        aws,
        "GetGeneratedPolicy",
        lambda answer: (
            change(answer) if answer["generatedPolicyResult"]["properties"]["principalArn"] == roles[0].arn else answer
        ),
    )
    engine = new_store() if lost else engine
    for _ in range(4):
        found = step(aws, engine, roles)
    state = found.states[roles[0].arn]
    assert (state.state, state.reason, found.open) == (State.UNAVAILABLE, "MalformedAnswer", 0)
    assert (
        f"GetGeneratedPolicy in account {ACCOUNT} failed with MalformedAnswer: the answer is not whole" in state.message
    )
    assert "tried again later" in state.remedy
    assert found.states[roles[1].arn].state is State.COMPLETE  # it holds up no other role
    whole()
    found = finish(aws, engine, roles)
    assert {state.state for state in found.states.values()} == {State.COMPLETE}
    assert aws.started() == ["a", "b"]


@pytest.mark.parametrize(
    "change",
    [
        without_key("policyGenerations"),
        with_value([{}], "policyGenerations"),
        with_value(None, "policyGenerations", 0, "startedOn"),
        lambda _: None,
    ],
)
def test_without_a_whole_list_nothing_is_started(engine, principal, change):
    aws, role = divided(quota=99), principal("a")
    others(aws, principal("other"), 1, 0, "one")
    whole = broken(aws, "ListPolicyGenerations", change)
    for _ in range(3):
        found = step(aws, engine, [role])
    state = found.states[role.arn]
    assert (state.state, state.reason, found.open) == (State.UNAVAILABLE, "MalformedAnswer", 0)
    assert f"ListPolicyGenerations in account {ACCOUNT} failed with MalformedAnswer" in state.message
    assert "tried again later" in state.remedy
    assert aws.started() == ["other"]
    whole()
    assert finish(aws, engine, [role]).states[role.arn].state is State.COMPLETE
    assert aws.started() == ["other", "a"]


@pytest.mark.parametrize("change", [lambda _: {}, lambda _: None])
def test_a_start_whose_answer_is_not_whole_is_found_again(engine, principal, change):
    aws, roles = divided(quota=99), [principal("a"), principal("b")]
    whole = broken(aws, "StartPolicyGeneration", change)
    found = step(aws, engine, roles[:1])
    state = found.states[roles[0].arn]
    assert (state.state, state.reason, found.open) == (State.UNAVAILABLE, "MalformedAnswer", 0)
    assert f"StartPolicyGeneration in account {ACCOUNT} failed with MalformedAnswer" in state.message
    whole()
    assert {s.state for s in finish(aws, engine, roles).states.values()} == {State.COMPLETE}
    assert aws.started() == ["a", "b"]


# Whatever happens

_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["pass", "pass", "lost", "killed before", "killed after", "failure", "next day"]),
        st.integers(1, 6),
    ),
    max_size=12,
)
_LOOKBACK, _BUDGET = 8, 6


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=_EVENTS, files=st.lists(st.sampled_from([1, 3, 6, 11]), min_size=_LOOKBACK, max_size=_LOOKBACK))
@pytest.mark.slow
def test_whatever_happens_nothing_starts_twice_the_budget_holds_and_all_is_read_that_can_be(
    new_store, principal, events, files
):
    aws = divided(files=lambda day: files[(TODAY - day) // DAY % _LOOKBACK])
    roles, engine, now = [principal("a"), principal("b")], new_store(), NOW
    for event, number in events:
        aws.kill_at, aws.failure = None, {}
        if event == "lost":
            engine.dispose()
            engine = new_store()
        elif event == "next day" and now < NOW + 4 * DAY:
            now += DAY
        elif event == "failure":
            aws.failure = {"a": "SERVICE_ERROR", "b": "AUTHORIZATION_ERROR"}
        elif event.startswith("killed"):
            aws.kill_at, aws.kill_after = aws.calls + number, event.endswith("after")
        try:
            for _ in range(number):
                step(aws, engine, roles, now, days=_LOOKBACK, daily_jobs=_BUDGET)
        except Killed:
            pass
        assert_sound(aws)
    aws.kill_at, aws.failure = None, {}
    for _ in range(10):
        found = finish(aws, engine, roles, now, days=_LOOKBACK, daily_jobs=_BUDGET)
        assert_sound(aws)
        if {state.reason for state in found.states.values()} <= {"", "LogQuotaExceeded"}:
            break
        now += DAY
    for role in roles:
        assert_all_is_read_that_can_be(aws, found, role)


def assert_sound(aws):
    for day in {job["started"].date() for job in aws.jobs}:
        assert sum(job["started"].date() == day for job in aws.jobs) <= _BUDGET
    for number, job in enumerate(aws.jobs):
        before = [one for one in aws.jobs[:number] if one["principal"] == job["principal"]]
        for same in [one for one in before if (one["start"], one["end"]) == (job["start"], job["end"])]:
            # Only what has failed, and not for its size, is tried again, and not on the same day.
            assert (same["status"], same["error"] != OVER_QUOTA) == ("FAILED", True)
            assert same["started"].date() < job["started"].date()
        for one in before:
            if one["status"] == "SUCCEEDED" and job["started"] - one["started"] < 7 * DAY:
                assert job["end"] <= one["start"] or one["end"] <= job["start"]  # nothing is read twice


def assert_all_is_read_that_can_be(aws, found, role):
    state, policy = found.states[role.arn], found.policies.get(role.arn)
    ends = [job["end"] for job in aws.jobs if job["principal"] == role.arn and job["error"] in {None, OVER_QUOTA}]
    end = (TODAY - max(ends, default=TODAY)) // DAY
    fits = {n for n in range(end, end + _LOOKBACK) if aws.files(TODAY - (n + 1) * DAY) <= aws.quota}
    assert {f"s3:Action{100 + n}" for n in fits} <= set(policy.actions if policy else ())
    whole = len(fits) == _LOOKBACK
    assert state.state is (State.COMPLETE if whole else State.PARTIAL if policy else State.UNAVAILABLE)
    assert policy is None or policy.is_complete == whole
