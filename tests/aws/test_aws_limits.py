"""Budgets and patience, on a clock of their own."""

import threading

import pytest

from plumbline.aws.errors import QuotaExceeded, Throttled
from plumbline.aws.limits import TokenBucket, patiently


class Clock:
    def __init__(self):
        self.now = 0.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def bucket(rate, clock):
    return TokenBucket(rate, clock=clock, sleep=clock.sleep)


def test_a_burst_then_the_rate():
    clock = Clock()
    budget = bucket(10.0, clock)
    for _ in range(30):
        assert budget.take()
    assert clock.now == pytest.approx(2.0)


def test_heavy_calls_weigh_more():
    clock = Clock()
    budget = bucket(4.0, clock)
    for _ in range(3):
        budget.take(4.0)
    assert clock.now == pytest.approx(2.0)


def test_a_wait_that_is_too_long_is_refused_and_takes_nothing():
    clock = Clock()
    budget = bucket(1.0, clock)
    budget.take()
    assert budget.take(100.0, longest=5.0) is False
    assert budget.take(longest=5.0) is True
    assert clock.now == pytest.approx(1.0)


def test_slow_rates_still_allow_one():
    clock = Clock()
    budget = bucket(0.5, clock)
    assert budget.take()
    assert clock.now == 0.0


def test_threads_share_one_budget():
    clock = Clock()
    budget = bucket(5.0, clock)
    threads = [threading.Thread(target=lambda: [budget.take() for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(clock.slept) > 0


def refusing(code, kind=QuotaExceeded, times=1_000):
    tries = []

    def call():
        tries.append(1)
        if len(tries) <= times:
            raise kind("no", code=code)
        return "answer"

    return call, tries


def test_a_passing_quota_is_waited_for():
    clock = Clock()
    call, tries = refusing("LimitExceeded", times=3)
    assert patiently(call, sleep=clock.sleep, jitter=lambda: 1.0) == "answer"
    assert len(tries) == 4
    assert clock.slept == [0.25, 0.5, 1.0]


def test_patience_ends_within_its_total():
    clock = Clock()
    call, _ = refusing("LimitExceeded")
    with pytest.raises(QuotaExceeded):
        patiently(call, total=5.0, sleep=clock.sleep)
    assert clock.now <= 5.0


@pytest.mark.parametrize(
    ("code", "kind"), [("ServiceQuotaExceededException", QuotaExceeded), ("Throttling", Throttled)]
)
def test_what_will_not_pass_in_seconds_is_not_repeated(code, kind):
    clock = Clock()
    call, tries = refusing(code, kind)
    with pytest.raises(kind):
        patiently(call, sleep=clock.sleep)
    assert (len(tries), clock.slept) == (1, [])
