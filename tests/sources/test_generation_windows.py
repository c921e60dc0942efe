"""Windows of policy generation: what is missing, how it is divided, and what the windows that were read say together."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.model.coverage import State
from plumbline.store.jobs import GenerationJob
from plumbline.usage.sources.generation_state import state_of, unavailable
from plumbline.usage.sources.generation_windows import DAY, REFRESH, divided, union, windows_of, without

END = datetime(2026, 6, 30, tzinfo=UTC)
ARN = "arn:aws:iam::100000000003:role/a"
SCOPE = "trail"


def at(days):
    """So many days before the end."""
    return END - timedelta(days=days)


def span(start, end):
    return at(start), at(end)


TODAY = span(30, 0)


def job(start, end, status="SUCCEEDED", *, actions=(), templates=(), complete=True, code=None, scope=SCOPE, **more):
    result = {"actions": list(actions), "serviceTemplates": list(templates), "isComplete": complete}
    return GenerationJob(
        landscape="all",
        principal=ARN,
        client_token=f"{start}-{end}-{status}-{more}",
        unique_id="AROAA",
        account="100000000003",
        region="us-east-1",
        window_start=at(start),
        window_end=at(end),
        status=status,
        job_id=f"{start}-{end}",
        error_code=code,
        result=result if status == "SUCCEEDED" else None,
        scope=scope,
        **more,
    )


def over(start, end):
    return job(start, end, "FAILED", code="SERVICE_QUOTA_EXCEEDED_ERROR")


def found(*jobs, today=TODAY, scope=SCOPE):
    return windows_of(jobs, scope, today, {j.window for j in jobs if j.error_code == "SERVICE_QUOTA_EXCEEDED_ERROR"})


def days(windows):
    return [((END - low) / DAY, (END - high) / DAY) for low, high in windows]


def names(jobs):
    return [one.job_id for one in jobs]


@pytest.mark.parametrize(
    ("jobs", "asked", "missing", "waiting"),
    [
        ((), (30, 0), [(30, 0)], [(30, 0)]),
        ((job(30, 0),), (30, 0), [], []),
        ((job(40, 0),), (30, 0), [], []),
        # For a week it is new enough, and its end is that of the window.
        ((job(37, 7),), (37, 7), [], []),
        ((job(38, 8),), (30, 0), [(30, 0)], [(30, 0)]),
        # Only what is not read yet is asked for, in whole days; the newest first.
        ((job(20, 10),), (30, 0), [(30, 20), (10, 0)], [(10, 0), (30, 20)]),
        ((job(20.5, 0),), (30, 0), [(30, 20.5)], [(30, 20)]),
        ((job(30, 10.25), job(10, 0)), (30, 0), [(10.25, 10)], [(11, 10)]),
        # What runs is missing, and does not wait.
        ((job(30, 0, "IN_PROGRESS"),), (30, 0), [(30, 0)], []),
        ((job(15, 0, "IN_PROGRESS"),), (30, 0), [(30, 0)], [(30, 15)]),
        # More logs than one job reads: halves, and halves of these.
        ((over(30, 0),), (30, 0), [(30, 0)], [(15, 0), (30, 15)]),
        ((over(30, 0), job(15, 0)), (30, 0), [(30, 15)], [(30, 15)]),
        ((over(30, 0), job(15, 0), over(30, 15)), (30, 0), [(30, 15)], [(23, 15), (30, 23)]),
        # The next days nothing begins anew.
        ((over(33, 3),), (33, 3), [(33, 3)], [(18, 3), (33, 18)]),
        # A failure for another reason is tried again with today's window.
        ((job(31, 1, "FAILED", code="SERVICE_ERROR"),), (30, 0), [(30, 0)], [(30, 0)]),
        ((job(30, 0, "CANCELED"),), (30, 0), [(30, 0)], [(30, 0)]),
        # Halves that were read serve on, until they begin long before what is asked.
        ((job(38, 23), job(23, 8)), (30, 0), [(30, 23), (8, 0)], [(8, 0), (30, 23)]),
        ((job(37, 23), job(23, 8)), (30, 0), [(8, 0)], [(8, 0)]),
        # Jobs about other logs.
        ((job(30, 0, scope="other"),), (30, 0), [(30, 0)], [(30, 0)]),
        ((job(30, 0, scope=None),), (30, 0), [], []),
    ],
)
def test_what_is_asked_what_is_missing_and_what_waits(jobs, asked, missing, waiting):
    windows = found(*jobs)
    assert days([windows.asked]) == [asked]
    assert (days(windows.missing), days(windows.waiting)) == (missing, waiting)
    assert windows.beyond == ()


def test_a_day_with_more_logs_than_one_job_reads_cannot_be_had_and_all_else_can():
    windows = found(over(4, 0), over(2, 0), over(1, 0), job(2, 1), job(4, 2), today=span(4, 0))
    assert (days(windows.missing), windows.waiting, days(windows.beyond)) == ([(1, 0)], (), [(1, 0)])
    state, coming = state_of(windows, None, None, None)
    assert (state.state, state.reason, coming) == (State.PARTIAL, "LogQuotaExceeded", False)
    assert "even a day of the logs of 2026-06-29" in state.message
    assert "not read: 2026-06-29" in state.message
    assert "a trail of management events only" in state.remedy


def test_what_failed_last_comes_last():
    failed = job(10, 0, "FAILED", code="SERVICE_ERROR", started_at=at(1))
    before = job(30, 20, "FAILED", code="SERVICE_ERROR", started_at=at(2))
    windows = found(job(20, 10), failed, before, job(33, 30), job(10, 0, "PENDING"))
    assert days(windows.waiting) == [(30, 20), (10, 0)]
    assert names(windows.pending) == ["10-0"]


def test_a_job_that_may_have_started_is_of_use_only_while_its_window_is():
    assert names(found(job(15, 0, "PENDING"), job(30, 0)).pending) == []
    assert names(found(job(30, 0, "PENDING"), over(15, 0)).pending) == []
    assert names(found(job(30, 0, "PENDING"), scope="other").pending) == []
    assert names(found(job(30, 0, "PENDING")).pending) == ["30-0"]
    # Its result would be too old to count: the job would be for nothing.
    assert names(found(job(37, 8, "PENDING")).pending) == ["37-8"]
    assert names(found(job(38, 8, "PENDING")).pending) == []


def test_a_role_without_jobs_is_asked_about_as_those_before_it():
    """Else its halves are others each day, of which nobody knows whether they are too large."""

    def asked(*jobs, over):
        return days([windows_of(jobs, SCOPE, TODAY, [span(*one) for one in over]).asked])

    assert asked(over=[(33, 3), (18, 3), (33, 18)]) == [(33, 3)]
    assert asked(over=[(38, 8), (37.5, 6.5)]) == [(37, 7)]
    assert asked(over=[(38, 8)]) == [(30, 0)]  # for longer than a week nothing is put off
    assert asked(job(31, 1, "FAILED", code="SERVICE_ERROR"), over=[(33, 3)]) == [(33, 3)]
    assert asked(job(35, 5), over=[(33, 3)]) == [(35, 5)]


def test_what_a_job_about_other_logs_has_seen_counts_as_use_and_completes_nothing():
    own = job(30, 0, actions=["s3:GetObject"])
    other = job(20, 10, actions=["kms:Decrypt"], templates=["sqs"], complete=False, scope="other")
    long_ago = job(50, 10, actions=["iam:PassRole"], scope="other")
    windows = found(own, other, long_ago)
    policy = union(ARN, windows)
    assert (policy.actions, policy.service_templates) == (("kms:Decrypt", "s3:GetObject"), ("sqs",))
    assert (policy.is_complete, policy.job_ids) == (True, ("30-0", "20-10"))
    assert state_of(windows, None, None, None)[0].state is State.COMPLETE
    alone = found(other)
    assert (days(alone.missing), union(ARN, alone).is_complete) == ([(30, 0)], False)
    told = state_of(found(other, job(30, 0, "IN_PROGRESS")), None, None, None)[0]
    assert (told.state, "a result about other logs is used meanwhile" in told.message) == (State.PARTIAL, True)


def test_the_union_names_all_and_is_complete_only_if_each_is_and_none_is_missing():
    one = job(30, 15, actions=["s3:GetObject", "kms:Decrypt"], templates=["sqs"])
    two = job(15, 0, actions=["kms:Decrypt", "sqs:SendMessage"], templates=["sns"])
    policy = union(ARN, found(one, two))
    assert policy.actions == ("kms:Decrypt", "s3:GetObject", "sqs:SendMessage")
    assert policy.service_templates == ("sns", "sqs")
    assert (policy.start, policy.end, policy.is_complete) == (*TODAY, True)
    assert policy.job_ids == ("30-15", "15-0")
    assert union(ARN, found(one, job(15, 0, complete=False))).is_complete is False
    assert union(ARN, found(two)).is_complete is False
    assert union(ARN, found(job(30, 0, "IN_PROGRESS"))) is None


@pytest.mark.parametrize(
    ("jobs", "state", "says"),
    [
        ((job(30, 15), job(15, 0)), State.COMPLETE, ""),
        (
            (job(30, 15, complete=False, templates=["sqs"]), job(15, 0)),
            State.PARTIAL,
            "the generated policy for 2026-05-31 to 2026-06-14 as incomplete; services without actions: sqs",
        ),
        (
            (job(30, 15), job(15, 0, "IN_PROGRESS")),
            State.PARTIAL,
            "15-0 is running; not read: 2026-06-15 to 2026-06-29",
        ),
        ((job(38, 8), job(30, 0, "IN_PROGRESS")), State.PARTIAL, "an older result is used meanwhile"),
        ((job(99, 95), job(30, 0, "IN_PROGRESS")), State.PARTIAL, "an older result is used meanwhile"),
        ((over(30, 0), job(15, 0, "IN_PROGRESS")), State.UNAVAILABLE, "15-0 is running; windows that wait: 1"),
        ((job(25, 20),), State.PARTIAL, "not read: 2026-05-31 to 2026-06-04, 2026-06-10 to 2026-06-29"),
        (
            tuple(job(n + 0.5, n) for n in range(0, 30, 2)),
            State.PARTIAL,
            "2026-06-08 to 2026-06-09 and 10 more; windows that wait: 15",
        ),
    ],
)
def test_the_state_names_what_is_missing(jobs, state, says):
    told, _ = state_of(found(*jobs), None, None, None)
    assert told.state is state
    assert says in told.message


@pytest.mark.parametrize(
    ("jobs", "failed", "problem", "refused", "reason", "coming"),
    [
        ((job(30, 0),), True, True, True, "", False),
        ((), False, False, False, "Queued", True),
        ((), False, False, True, "Refused", False),
        ((), True, False, True, "JobFailed", False),
        ((), True, True, True, "Problem", False),
        ((job(30, 0, "IN_PROGRESS"),), False, False, False, "InProgress", True),
        ((job(30, 0, "IN_PROGRESS"),), False, False, True, "Refused", False),
        ((job(30, 0, "IN_PROGRESS"),), False, True, True, "Problem", False),
        ((over(30, 29), job(29, 0)), False, True, True, "LogQuotaExceeded", False),
    ],
)
def test_the_nearest_reason_is_told_and_whether_news_is_expected_soon(jobs, failed, problem, refused, reason, coming):
    state = state_of(
        found(*jobs),
        job(30, 0, "FAILED", code="SERVICE_ERROR") if failed else None,
        unavailable("Problem", "p", "") if problem else None,
        unavailable("Refused", "r", "") if refused else None,
    )
    assert (state[0].reason, state[1]) == (reason, coming)


@pytest.mark.parametrize("jobs", [(), (job(30, 0, "IN_PROGRESS"),)], ids=["waits", "runs"])
@pytest.mark.parametrize("soon", [False, True])
@pytest.mark.parametrize(
    ("reason", "ends"),
    [
        ("QuotaExceeded", True),
        ("DailyBudgetSpent", False),
        ("AccessDenied", False),
        ("ClockSkew", False),
        ("MalformedAnswer", False),
        ("Throttled", False),
    ],
)
def test_only_a_job_that_runs_is_waited_for_with_another_pass(jobs, soon, reason, ends):
    _, coming = state_of(found(*jobs), None, None, unavailable(reason, "r", ""), is_soon_free=soon)
    assert coming is (ends and soon)


# Properties

_DAYS = st.integers(0, 40)


@st.composite
def cuts(draw):
    """The thirty days in pieces."""
    inner = sorted(draw(st.sets(st.integers(1, 29))), reverse=True)
    return list(zip([30, *inner], [*inner, 0], strict=True))


@given(cuts(), st.sets(st.integers(0, 29)), st.randoms())
def test_the_union_over_any_split_equals_the_whole(pieces, used, shuffled):
    def seen(start, end):
        return {f"s3:Action{day}" for day in used if end <= day < start}

    jobs = [job(start, end, actions=seen(start, end)) for start, end in pieces]
    shuffled.shuffle(jobs)
    whole, split = found(job(30, 0, actions=seen(30, 0))), found(*jobs)
    one, other = union(ARN, whole), union(ARN, split)
    assert (one.actions, one.start, one.end, one.is_complete) == (
        other.actions,
        other.start,
        other.end,
        other.is_complete,
    )
    assert state_of(split, None, None, None) == state_of(whole, None, None, None)


@given(cuts().filter(lambda pieces: len(pieces) > 1), st.data())
def test_with_any_piece_missing_it_is_partial_and_names_it(pieces, data):
    lost = data.draw(st.sampled_from(pieces))
    windows = found(*(job(*one) for one in pieces if one != lost))
    assert union(ARN, windows).is_complete is False
    if lost[1] > 0 or len(pieces) == 1:
        assert days(windows.missing) == [lost]
        assert f"not read: {at(lost[0]):%Y-%m-%d}" in state_of(windows, None, None, None)[0].message


@given(st.lists(st.tuples(_DAYS, _DAYS).filter(lambda pair: pair[0] > pair[1]), max_size=6))
def test_what_is_missing_and_what_is_read_are_the_whole_and_do_not_meet(spans):
    others = [span(*one) for one in spans]
    left = without(TODAY, others)
    for hour in range(30 * 2):
        moment = TODAY[0] + timedelta(hours=12 * hour)
        inside = [low <= moment < high for low, high in others]
        assert any(inside) != any(low <= moment < high for low, high in left)


@given(st.sets(st.tuples(st.integers(0, 29), st.integers(1, 30))))
def test_halves_are_the_whole_in_days_and_none_is_known_to_be_too_large_but_days(failed):
    over = [span(start + length, start) for start, length in failed]
    parts = list(divided(TODAY, over))
    assert [parts[0][0], *(high for _, high in parts)] == [low for low, _ in parts] + [TODAY[1]]
    for low, high in parts:
        assert (high - low) % DAY == timedelta(0)
        assert high - low == DAY or not any(low <= a and b <= high for a, b in over)


@given(st.lists(st.tuples(_DAYS, st.integers(1, 40), st.sampled_from(["SUCCEEDED", "FAILED", "OVER", "IN_PROGRESS"]))))
def test_what_waits_was_never_read_fits_into_what_is_missing_and_holds_nothing_too_large(given_jobs):
    jobs = [
        over(end + length, end) if kind == "OVER" else job(end + length, end, kind) for end, length, kind in given_jobs
    ]
    windows = found(*jobs)
    assert windows.asked[1] - windows.asked[0] == TODAY[1] - TODAY[0]
    assert TODAY[1] - REFRESH <= windows.asked[1] <= TODAY[1]
    for low, high in windows.waiting:
        assert windows.asked[0] <= low < high <= windows.asked[1]
        assert without((low, high), windows.missing) == ()
        assert not any(low <= one.window_start and one.window_end <= high for one in jobs if one.error_code)
