"""One policy generation job: its window, its token, waiting for it, and what its failure says."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from plumbline.aws.errors import Invalid, Throttled, Transient
from plumbline.aws.generation import JobAnswer, client_token, failure, wait, window

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
