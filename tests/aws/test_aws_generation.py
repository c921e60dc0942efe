"""One policy generation job: its window, its token, waiting for it, and what its failure says."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from plumbline.aws.errors import Invalid, Malformed, Throttled, Transient
from plumbline.aws.generation import (
    JobAnswer,
    Source,
    client_token,
    daily_quota,
    failure,
    list_jobs,
    read_job,
    start_job,
    wait,
    window,
)

START, END = datetime(2026, 5, 31, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC)


def answer(status, **more):
    fields = {
        "job_id": "job",
        "status": status,
        "started_at": END,
        "completed_at": None,
        "error_code": None,
        "error_message": None,
        "start": START,
        "end": END,
        "is_complete": False,
        "policies": (),
    }
    return JobAnswer(**fields | more)


@pytest.mark.parametrize("hour", [0, 6, 23])
@pytest.mark.parametrize(("lookback", "days"), [(30, 30), (90, 90), (365, 90), (0.5, 1), (1.9, 1)])
def test_a_window_is_whole_utc_days_before_today(hour, lookback, days):
    # A clock of another zone, on the same UTC day.
    now = datetime(2026, 6, 30, hour, 59, tzinfo=UTC).astimezone(timezone(timedelta(hours=-7)))
    assert window(now, timedelta(days=lookback)) == (END - timedelta(days=days), END)


def test_a_token_follows_from_role_logs_window_and_attempt_alone():
    token = client_token("AROAONE", "trail", START, END)
    assert token == client_token("AROAONE", "trail", START.astimezone(timezone(timedelta(hours=5))), END, 0)
    others = [
        client_token("AROATWO", "trail", START, END),
        client_token("AROAONE", "other", START, END),
        client_token("AROAONE", "trail", START - timedelta(days=1), END),
        client_token("AROAONE", "trail", START, END + timedelta(days=1)),
        client_token("AROAONE", "trail", START, END, 1),
    ]
    assert len({token, *others}) == 6
    assert len(token) <= 64


class Clock:
    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def polls(*answers):
    queue = list(answers)
    return lambda: queue.pop(0) if len(queue) > 1 else queue[0]


@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_waiting_ends_with_the_job(end):
    clock, said = Clock(), []
    found = wait(
        polls(answer("IN_PROGRESS"), answer("IN_PROGRESS"), answer(end)),
        seconds=60,
        progress=said.append,
        sleep=clock.sleep,
        clock=clock,
    )
    assert (found.status, clock.slept, len(said)) == (end, [1.0, 1.5], 2)


def test_waiting_has_an_end_and_says_how_to_go_on():
    clock = Clock()
    with pytest.raises(Transient, match="has not ended") as caught:
        wait(polls(answer("IN_PROGRESS")), seconds=120, sleep=clock.sleep, clock=clock)
    assert (caught.value.reason, clock.now <= 120, max(clock.slept)) == ("TimedOut", True, 15.0)
    assert "it finds the job" in caught.value.remedy


def test_an_error_while_waiting_is_that_error():
    def poll():
        raise Throttled("slow")

    with pytest.raises(Throttled):
        wait(poll, seconds=60)


@pytest.mark.parametrize(
    ("status", "code", "reason", "remedy"),
    [
        ("FAILED", "SERVICE_QUOTA_EXCEEDED_ERROR", "JobFailed", "at most 25 GB and 100,000 files"),
        ("FAILED", "AUTHORIZATION_ERROR", "JobFailed", "trust access-analyzer.amazonaws.com"),
        ("CANCELED", None, "JobCanceled", "Start it again later"),
    ],
)
def test_a_failure_says_code_and_remedy(status, code, reason, remedy):
    error = failure(answer(status, error_code=code, error_message="why" if code else None), "100000000003")
    assert isinstance(error, Invalid)
    assert (error.reason, error.code, error.account) == (reason, code or status, "100000000003")
    assert remedy in str(error)


TRAIL = "arn:aws:cloudtrail:us-east-1:100000000001:trail/all"
SOURCE = Source(TRAIL, "arn:aws:iam::100000000003:role/access", "us-east-1", account="100000000003")
ROLE = "arn:aws:iam::100000000003:role/app"
RUNNING = {"jobId": "1", "status": "IN_PROGRESS", "startedOn": END}
LISTED = RUNNING | {"principalArn": ROLE}
ENDED = RUNNING | {"status": "SUCCEEDED"}
RESULT = {
    "properties": {
        "principalArn": ROLE,
        "isComplete": True,
        "cloudTrailProperties": {
            "trailProperties": [{"cloudTrailArn": TRAIL, "allRegions": True}],
            "startTime": START,
            "endTime": END,
        },
    },
    "generatedPolicies": [{"policy": "{}"}],
}


class Answers:
    """AWS that always gives this one answer."""

    def __init__(self, answer):
        self.answer = answer

    def call(self, *_, **__):
        return self.answer

    def pages(self, *_, **__):
        yield self.answer


def lacking(given, name):
    return {key: value for key, value in given.items() if key != name}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"jobDetails": ENDED},
        {"jobDetails": ENDED, "generatedPolicyResult": {}},
        {"jobDetails": ENDED, "generatedPolicyResult": None},
        {"jobDetails": ENDED, "generatedPolicyResult": RESULT | {"generatedPolicies": [{}]}},
        {"jobDetails": ENDED, "generatedPolicyResult": lacking(RESULT, "generatedPolicies")},
        {"jobDetails": ENDED | {"status": "DONE"}, "generatedPolicyResult": RESULT},
        {"jobDetails": ENDED | {"startedOn": None}, "generatedPolicyResult": RESULT},
        {"jobDetails": ENDED | {"completedOn": "now"}, "generatedPolicyResult": RESULT},
        *({"jobDetails": lacking(ENDED, name), "generatedPolicyResult": RESULT} for name in RUNNING),
    ],
)
def test_a_job_that_is_not_told_as_a_whole_is_an_error_and_no_result(answer):
    with pytest.raises(Malformed) as caught:
        read_job(Answers(answer), SOURCE, "1")
    assert_malformed(caught.value, "GetGeneratedPolicy")


@pytest.mark.parametrize(
    "answer",
    [{}, None, {"policyGenerations": [1]}, {"policyGenerations": None}]
    + [{"policyGenerations": [lacking(LISTED, name)]} for name in LISTED],
)
def test_jobs_that_are_not_listed_as_a_whole_are_an_error_and_no_empty_list(answer):
    with pytest.raises(Malformed) as caught:
        list_jobs(Answers(answer), SOURCE)
    assert_malformed(caught.value, "ListPolicyGenerations")


@pytest.mark.parametrize("answer", [{}, None])
def test_a_start_without_an_id_is_an_error(answer):
    with pytest.raises(Malformed) as caught:
        start_job(Answers(answer), SOURCE, ROLE, start=START, end=END, token="t")
    assert_malformed(caught.value, "StartPolicyGeneration")


def assert_malformed(error, operation):
    assert (error.reason, error.code, error.account) == ("MalformedAnswer", "MalformedAnswer", "100000000003")
    assert f"access-analyzer:{operation} in account 100000000003 failed with MalformedAnswer" in error.summary
    assert "tried again later" in error.remedy


@pytest.mark.parametrize("details", [RUNNING, RUNNING | {"status": "FAILED"}, RUNNING | {"status": "CANCELED"}])
def test_a_job_without_a_result_need_not_tell_one(details):
    answer = read_job(Answers({"jobDetails": details}), SOURCE, "1")
    assert (answer.status, answer.start, answer.scope, answer.policies) == (details["status"], None, None, ())


def trails(*given):
    properties = RESULT["properties"]
    told = properties | {"cloudTrailProperties": properties["cloudTrailProperties"] | {"trailProperties": list(given)}}
    return read_job(Answers({"jobDetails": ENDED, "generatedPolicyResult": RESULT | {"properties": told}}), SOURCE, "1")


def test_the_logs_that_a_job_reads_are_told_apart():
    def source(**more):
        return Source(TRAIL, "x", "eu-west-1", **more).scope

    every, one = {"cloudTrailArn": TRAIL, "allRegions": True}, {"cloudTrailArn": TRAIL, "regions": ["eu-west-1"]}
    assert trails(every).scope == source() == TRAIL
    assert trails(one).scope == source(all_regions=False) != source()
    assert trails({"cloudTrailArn": TRAIL}).scope not in {source(), source(all_regions=False)}
    assert trails().scope is trails(every, one).scope is None


@pytest.mark.parametrize(
    ("region", "jobs"), [("us-east-1", 50), ("eu-central-1", 50), ("af-south-1", 5), ("ap-east-1", 5)]
)
def test_what_aws_allows_a_day(region, jobs):
    assert daily_quota(region) == jobs
