"""Policy generation with IAM Access Analyzer for the roles that baselines name. It only ever adds use.

Spends a scarce quota: one job at a time and a budget a day for each account and Region. Nothing here waits: each call
of `advance` does what can be done now, and the store remembers the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Final

import sqlalchemy as sa

from plumbline.api.sources import PolicyGeneration
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import SourceState
from plumbline.model.evidence import GeneratedPolicy
from plumbline.store.jobs import GenerationJob, load_jobs
from plumbline.usage.sources.generated import difference, parse_policies
from plumbline.usage.sources.generation_account import AccountRun, Wanted
from plumbline.usage.sources.generation_jobs import Jobs
from plumbline.usage.sources.generation_state import SOURCE, state_of
from plumbline.usage.sources.generation_windows import union

__all__ = ["SOURCE", "Advanced", "Wanted", "advance", "difference", "parse_policies"]

CONCURRENT_ACCOUNTS: Final = 8


@dataclass
class Advanced:
    """`policies` and `states` by principal ARN. `open`: for how many of them news is to be expected within minutes."""

    policies: dict[str, GeneratedPolicy] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)
    open: int = 0


def advance(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    spec: PolicyGeneration,
    wanted: Iterable[Wanted],
    *,
    now: datetime,
    progress: Callable[[str], None] = lambda _: None,
) -> Advanced:
    """Polls what runs, starts the next job of each account, and says where each principal stands. Never raises AwsError."""
    jobs: dict[str, list[GenerationJob]] = defaultdict(list)
    for job in load_jobs(engine, landscape):
        jobs[job.account].append(job)
    ordered = sorted(wanted, key=lambda one: (one.principal.account, one.principal.arn))
    runs = [
        AccountRun(sessions, engine, landscape, spec, now, account, list(group), Jobs(engine, jobs[account]))
        for account, group in groupby(ordered, key=lambda one: one.principal.account)
    ]
    result = Advanced()
    with ThreadPoolExecutor(CONCURRENT_ACCOUNTS, thread_name_prefix="generation") as pool:
        for run in pool.map(AccountRun.advanced, runs):
            _report(run, result)
            progress(f"policy generation: account {run.account}, {len(run.wanted)} roles named, {result.open} open")
    return result


def _report(run: AccountRun, result: Advanced) -> None:
    for one in run.wanted:
        arn, windows = one.principal.arn, run.windows(one)
        failed, problem = run.failed_today(one), run.problems.get(arn)
        state, coming = state_of(windows, failed, problem, run.refused, is_soon_free=run.is_soon_free)
        policy = union(arn, windows)
        if policy is not None:
            result.policies[arn] = policy
        result.states[arn] = state
        result.open += coming
