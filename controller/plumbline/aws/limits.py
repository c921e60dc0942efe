"""How fast AWS may be asked: a budget for each account and service, and patience with quotas.

botocore retries what it knows as throttling; the quota errors that it does not retry are retried here, with a bounded
total, so that a throttled account fails within seconds and does not hold up the others.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from plumbline.aws.errors import OWN_ACCOUNT, QuotaExceeded, Throttled

Answer = TypeVar("Answer")

# AWS names these as calls to spread out; one weighs as much as several others.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
# Security Hub takes ten imports a second: https://docs.aws.amazon.com/securityhub/1.0/APIReference/Welcome.html
WEIGHTS: Final = {"GenerateServiceLastAccessedDetails": 4.0, "BatchImportFindings": 2.0}

# S3 answers thousands of reads a second for each prefix, so log files are read as fast as the few threads of a source can:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
UNBUDGETED: Final = frozenset({"s3"})

# Quotas that are free again within seconds. Not the 402 of Access Analyzer: its jobs take minutes, its day a day.
PASSING_QUOTAS: Final = frozenset({"LimitExceeded", "MaxConcurrentQueriesException", "ReportGenerationLimitExceeded"})


class TokenBucket:
    """A budget of `rate` calls a second with a burst of one second. Thread-safe; waiters are served in turn."""

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._burst = max(rate, 1.0)
        self._tokens = self._burst
        self._clock = clock
        self._sleep = sleep
        self._at = clock()
        self._lock = threading.Lock()

    def take(self, weight: float = 1.0, *, longest: float = 30.0) -> bool:
        """Waits for its turn and takes `weight`. False, without waiting, if that would take over `longest` seconds."""
        with self._lock:
            now = self._clock()
            tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at, self._tokens = now, tokens
            wait = max(0.0, (weight - tokens) / self._rate)
            if wait > longest:
                return False
            self._tokens = tokens - weight  # a debt, which the next in line waits for
        if wait > 0:
            self._sleep(wait)
        return True


class Budgets:
    """One bucket for each account and service."""

    def __init__(self, requests_per_second: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._rate = requests_per_second
        self._sleep = sleep
        self._buckets: dict[tuple[str, str], TokenBucket] = {}
        self._lock = threading.Lock()

    def watch(self, client: Any, account: str | None) -> None:
        """Makes each request of this client wait for the budget of `account`; pages of a paginator too. Not S3's."""
        service = client.meta.service_model.signing_name
        if service in UNBUDGETED:
            return
        bucket = self._bucket(account or OWN_ACCOUNT, service)

        def before(model: Any, **_: Any) -> None:
            if not bucket.take(WEIGHTS.get(model.name, 1.0)):
                raise Throttled(
                    "the budget of requests for this account is used up",
                    service=service,
                    operation=model.name,
                    account=account,
                    code="BudgetExceeded",
                    remedy="Raise awsRequestsPerSecond or the interval of the landscape",
                )

        client.meta.events.register("before-call.*.*", before)

    def _bucket(self, account: str, service: str) -> TokenBucket:
        with self._lock:
            key = (account, service)
            if key not in self._buckets:
                self._buckets[key] = TokenBucket(self._rate, sleep=self._sleep)
            return self._buckets[key]


def patiently(
    call: Callable[[], Answer],
    *,
    total: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Answer:
    """The answer of `call`, tried again while a passing quota refuses it, for at most `total` seconds of waiting."""
    waited, step = 0.0, 0.25
    while True:
        try:
            return call()
        except QuotaExceeded as error:
            # Full jitter: many threads that were refused together do not come back together.
            pause = step * (0.5 + jitter() / 2)
            if error.code not in PASSING_QUOTAS or waited + pause > total:
                raise
        sleep(pause)
        waited, step = waited + pause, step * 2
