"""What is told of one role's policy generation: whether it is complete, and what is missing, why, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from plumbline.aws.errors import QuotaExceeded
from plumbline.aws.generation import OVER_QUOTA, REMEDIES
from plumbline.model.coverage import Interval, SourceState, State
from plumbline.store.jobs import GenerationJob
from plumbline.usage.sources.generation_windows import Windows

SOURCE: Final = "policy-generation"
BEYOND: Final = "LogQuotaExceeded"
_NAMED: Final = 5
_RUNNING: Final = "InProgress"
_QUEUED: Final = "Queued"


def unavailable(reason: str, message: str, remedy: str) -> SourceState:
    return SourceState(SOURCE, State.UNAVAILABLE, reason, message, remedy)


def state_of(
    windows: Windows,
    failed: GenerationJob | None,
    problem: SourceState | None,
    refused: SourceState | None,
    *,
    is_soon_free: bool = False,
) -> tuple[SourceState, bool]:
    """Also whether news is to be expected within minutes. `failed`: the job after which nothing is started today; `problem`:
    what hinders this role; `refused`: what hinders its whole account; `is_soon_free`: AWS refuses only until a job ends."""
    if not windows.missing:
        return _finished(windows), False
    hindered = problem or refused
    if windows.running:
        ids = ", ".join(job.job_id or "" for job in windows.running)
        state = hindered or unavailable(_RUNNING, f"policy generation {ids} is running", "")
    elif failed is not None:
        state = problem or _failed(failed)
    elif windows.waiting:
        state = hindered or unavailable(
            _QUEUED, "another policy generation of this account is running", "It is started after that"
        )
    else:
        state = _beyond(windows)
    coming = state.reason in {_RUNNING, _QUEUED} or (state.reason == QuotaExceeded.default_reason and is_soon_free)
    return _with_the_rest(state, windows), coming


def _finished(windows: Windows) -> SourceState:
    incomplete = [job for job in windows.read if not (job.result or {}).get("isComplete")]
    if not incomplete:
        return SourceState(SOURCE, State.COMPLETE)
    templates = {service for job in incomplete for service in (job.result or {}).get("serviceTemplates", ())}
    of = f" for {_days([job.window for job in incomplete])}" if len(windows.read) > len(incomplete) else ""
    text = f"Access Analyzer marks the generated policy{of} as incomplete; services without actions: "
    return SourceState(SOURCE, State.PARTIAL, "Incomplete", text + (", ".join(sorted(templates)) or "none"))


def _failed(job: GenerationJob) -> SourceState:
    code = job.error_code or job.status
    text = f"policy generation for {job.principal} failed with {code}: {job.error_message or 'no message'}"
    reason = "JobCanceled" if job.status == "CANCELED" else "JobFailed"
    return unavailable(reason, text, REMEDIES.get(code, "It is tried again the next day"))


def _beyond(windows: Windows) -> SourceState:
    text = f"one job cannot read even a day of the logs of {_days(windows.beyond)}: it failed with {OVER_QUOTA}"
    return unavailable(BEYOND, text, REMEDIES[OVER_QUOTA])


def _with_the_rest(state: SourceState, windows: Windows) -> SourceState:
    """With what is not read, and partial where something is known all the same."""
    message = state.message
    if windows.read:
        message += f"; not read: {_days(windows.missing)}"
    elif windows.older:
        message += "; an older result is used meanwhile"
    elif windows.seen:
        message += "; a result about other logs is used meanwhile"
    if len(windows.waiting) + len(windows.running) > 1:
        message += f"; windows that wait: {len(windows.waiting)}"
    if windows.beyond and state.reason != BEYOND:
        message += f"; more logs than one job reads: {_days(windows.beyond)}"
    return replace(state, state=State.PARTIAL if windows.answers else state.state, message=message)


def _days(windows: Sequence[Interval]) -> str:
    """First and last day of each; the last ones only as a number."""
    named = []
    for low, high in windows[:_NAMED]:
        first, last = f"{low:%Y-%m-%d}", f"{high - timedelta(microseconds=1):%Y-%m-%d}"
        named.append(first if first == last else f"{first} to {last}")
    more = f" and {len(windows) - _NAMED} more" if len(windows) > _NAMED else ""
    return ", ".join(named) + more
