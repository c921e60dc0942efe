"""Days are asked for once for good, whatever happens in between, and within the limit of cost."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from plumbline.aws.errors import NotFound, Throttled, Transient
from plumbline.iam.overlay import overlay
from plumbline.model.coverage import overlap
from plumbline.store.ledger import PartitionKey, partitions, revision, usage_of
from plumbline.store.queries import Queries
from plumbline.store.schema import evidence
from plumbline.usage.digest_days import DayProof
from plumbline.usage.sources.days import ALL, Answer, asked_days, sync_days
from plumbline.usage.sources.polling import LONGEST, Progress, over_limit, run, wait
from tests.sources.test_query import row

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
START = datetime(2026, 6, 20, tzinfo=UTC)


class Source:
    """One event a day, and a note of what was asked for."""

    name = "lake"
    scopes = (ALL,)

    def __init__(self, limit=10_000, a_day=100):
        self.limit, self.a_day = limit, a_day
        self.asked, self.fails, self.loses = [], None, False

    def proven(self, days, scopes):
        return {}

    def ask(self, first, last, scopes):
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        self.asked.append(days)
        if self.fails is not None:
            raise self.fails
        total = str(len(days) + self.loses)
        times = {"records": "1", "calls": "1", "total": total}
        rows = [row(event_day=f"{d}", first_at=f"{d} 08:00:00", last_at=f"{d} 08:00:00", **times) for d in days]
        return Answer(rows, self.a_day * len(days))


def sync(engine, source, now=NOW):
    return sync_days(engine, "all", source, start=START, now=now, overlay=overlay())


def count(engine):
    found = usage_of(engine, "all", START)
    return sum(item.count for use in found.values() for item in use.evidence)


def test_every_day_that_is_over_is_asked_for_and_none_twice(engine):
    source = Source()
    report = sync(engine, source)
    assert [len(days) for days in source.asked] == [1, 9]
    assert (report.queries, report.scanned, report.records, count(engine)) == (2, 1_000, 10, 10)
    before = revision(engine, "all")
    again = sync(engine, source)
    assert (len(source.asked), again.queries, again.scanned, count(engine)) == (2, 0, 0, 10)
    assert revision(engine, "all") == before


def test_the_newest_day_is_asked_for_again_when_late_events_have_come(engine):
    source = Source()
    sync(engine, source)
    assert asked_days(partitions(engine, "all").values(), ALL) == ((START, datetime(2026, 6, 29, tzinfo=UTC)),)
    sync(engine, source, NOW + timedelta(days=1))
    assert [f"{day:%d}" for day in source.asked[-1]] == ["29", "30"]
    assert count(engine) == 11


def test_a_pass_that_was_killed_counts_nothing_twice(engine):
    source = Source()
    sync(engine, source)
    with engine.begin() as connection:
        # As if it had ended after the events and before the marker.
        connection.execute(sa.text("DELETE FROM partition WHERE region = '*' AND day = '2026-06-25'"))
    sync(engine, source)
    assert [f"{day:%d}" for day in source.asked[-1]] == ["25"]
    assert count(engine) == 10


@pytest.mark.parametrize(
    "failure", [Throttled("too fast", code="Throttling"), OSError("no way"), KeyError("ResultSet"), ValueError("short")]
)
def test_a_query_that_fails_leaves_the_ledger_and_names_the_reason(engine, failure):
    source = Source()
    source.fails = failure
    report = sync(engine, source)
    assert (len(source.asked), count(engine)) == (1, 0)
    assert [problem.reason for problem in report.problems] == [
        getattr(failure, "reason", "Unreadable" if isinstance(failure, OSError) else "MalformedAnswer")
    ]
    assert asked_days(partitions(engine, "all").values(), ALL) == ()


def test_results_that_are_not_whole_are_not_taken(engine):
    source = Source()
    source.loses = True
    report = sync(engine, source)
    assert (report.problems[0].reason, count(engine)) == ("ResultsIncomplete", 0)


def test_queries_span_what_the_limit_allows(engine):
    source = Source(limit=350)
    sync(engine, source)
    assert [len(days) for days in source.asked] == [1, 3, 3, 3]


def test_a_day_that_costs_too_much_is_not_paid_for_again(engine):
    source = Source(limit=50)
    source.fails = over_limit(60, 50)
    assert sync(engine, source).problems[0].reason == "CostLimit"
    report = sync(engine, source)
    assert (len(source.asked), report.problems[0].reason) == (1, "CostLimit")
    assert "maxGigabytesPerQuery" in report.problems[0].remedy
    source.limit, source.fails = 10_000, None
    assert sync(engine, source).problems == []
    assert count(engine) == 10


def test_the_catalogues_change_asks_again_without_counting_twice(engine):
    source = Source()
    sync(engine, source)
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE partition SET fingerprint = 'old/0' || char(10) || 'final' || char(10) || '1'")
        )
    sync(engine, source)
    assert count(engine) == 10
    with engine.connect() as connection:
        assert len(connection.execute(evidence.select()).all()) == 10


class Table(Source):
    """A table that shows some days only, over a bucket whose digests prove all of them. `logged`: days with log files."""

    scopes = ("111111111111",)

    def __init__(self, shown, logged):
        super().__init__()
        self.shown, self.logged = shown, logged

    def proven(self, days, scopes):
        return {
            PartitionKey(self.name, scopes[0], "us-east-1", f"{day}"): DayProof((_whole(day),), day.day in self.logged)
            for day in days
        }

    def ask(self, first, last, scopes):
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        self.asked.append(days)
        said = [day for day in days if day.day in self.shown]
        more = {"account": scopes[0], "region": "us-east-1", "records": "1", "calls": "1", "total": str(len(said))}
        return Answer(
            [row(event_day=f"{d}", first_at=f"{d} 08:00:00", last_at=f"{d} 08:00:00", **more) for d in said], 1
        )


def _whole(day):
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return begin, begin + timedelta(days=1)


def _known(engine):
    """Day -> whether its silence is proven, of those that are known for good."""
    parts = [part for key, part in partitions(engine, "all").items() if key.region != ALL]
    spans = asked_days(partitions(engine, "all").values(), Table.scopes[0])
    known = {int(part.key.day[-2:]): bool(overlap(part.covered, spans)) for part in parts}
    return sorted(day for day, proven in known.items() if proven)


def test_a_day_with_log_files_of_which_a_table_shows_nothing_is_not_silent(engine):
    """A day without log files is silent, whatever the table shows."""
    source = Table(shown=(23, 24), logged=(21, 22, 23, 24, 25))
    assert sync(engine, source).problems == []
    assert _known(engine) == [20, 23, 24, 26, 27, 28]
    parts = partitions(engine, "all")
    doubted = sorted(key.day[-2:] for key, part in parts.items() if part.problems)
    assert doubted == ["21", "22", "25"]
    assert {one["reason"] for part in parts.values() for one in part.problems} == {"TableShowsNothing"}


def test_it_is_asked_for_again_once_a_day_until_the_table_shows_it(engine):
    source = Table(shown=(), logged=(21, 22))
    sync(engine, source)
    asked = len(source.asked)
    sync(engine, source, NOW + timedelta(hours=6))
    assert len(source.asked) == asked
    source.shown = (21, 22)
    sync(engine, source, NOW + timedelta(days=1))
    assert [f"{day:%d}" for days in source.asked[asked:] for day in days if day.day < 25] == ["21", "22"]
    assert {21, 22} <= set(_known(engine))
    assert not any(part.problems for part in partitions(engine, "all").values())


def test_waiting_ends():
    slept = []
    with pytest.raises(Exception, match="did not end within 30 minutes") as caught:
        wait(lambda: Progress(0), lambda: None, 1, slept.append)
    assert caught.value.reason == "QueryTimedOut"
    assert LONGEST <= sum(slept) < LONGEST + 20


def test_a_running_query_over_the_limit_is_cancelled():
    cancelled = []
    with pytest.raises(Exception, match="cancelled after 11 bytes; the limit is 10"):
        wait(lambda: Progress(11), lambda: cancelled.append(1), 10, lambda _: None)
    assert cancelled == [1]


# Failures that were paid, and queries that outlive the process


def failure(reason="QueryFailed"):
    return Transient("it ended badly", reason=reason, remedy="wait")


def test_a_query_that_fails_again_and_again_is_asked_for_more_and_more_rarely(engine):
    source, now, asked = Source(), NOW, []
    source.fails = failure()
    for _ in range(200):
        before = len(source.asked)
        report = sync(engine, source, now)
        assert [problem.reason for problem in report.problems] == ["QueryFailed"]
        if len(source.asked) > before:
            asked.append((now - NOW) / timedelta(hours=1))
        else:
            assert "it is tried again after" in report.problems[0].message
        now += timedelta(minutes=30)
    assert asked == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 55.5, 79.5]
    # It works again: at once, and from the beginning.
    source.fails = None
    assert sync(engine, source, now + timedelta(days=1)).problems == []
    source.fails = failure()
    before, late = len(source.asked), now + timedelta(days=2)
    for _ in range(4):
        assert len(sync(engine, source, late).problems) == 1
    assert len(source.asked) == before + 2


@pytest.mark.parametrize("error", [Throttled("slow down"), failure("TableUnfit"), failure("AccessDenied")])
def test_what_was_not_paid_is_tried_in_each_pass(engine, error):
    source = Source()
    source.fails = error
    for number in range(4):
        sync(engine, source, NOW + timedelta(minutes=number))
    assert len(source.asked) == 4


def test_results_that_are_not_whole_were_paid(engine):
    source = Source()
    source.loses = True
    for number in range(4):
        sync(engine, source, NOW + timedelta(minutes=number))
    assert len(source.asked) == 2


class Aws:
    """Queries as AWS knows them: id -> bytes scanned, or the error of following it."""

    def __init__(self):
        self.known, self.started = {}, 0

    def start(self):
        self.started += 1
        self.known[f"q{self.started}"] = 7
        return f"q{self.started}"

    def follow(self, query):
        found = self.known[query]
        if isinstance(found, BaseException):
            raise found
        return found


def test_a_query_that_was_started_is_waited_for_and_not_paid_again(engine):
    aws, jobs = Aws(), Queries(engine, "all", "lake", NOW)
    assert run(jobs, "s", aws.start, aws.follow) == ("q1", 7)
    later = Queries(engine, "all", "lake", NOW + timedelta(minutes=50))
    assert run(later, "s", aws.start, aws.follow) == ("q1", 7)
    # Another question, another source, and an old one are others.
    assert run(later, "t", aws.start, aws.follow)[0] == "q2"
    assert run(Queries(engine, "all", "athena", NOW), "s", aws.start, aws.follow)[0] == "q3"
    assert run(Queries(engine, "all", "lake", NOW + timedelta(hours=2)), "s", aws.start, aws.follow)[0] == "q4"
    later.forget()
    assert run(later, "s", aws.start, aws.follow)[0] == "q5"


def test_one_of_yesterday_is_not_taken_for_today(engine):
    """A day is final from a midnight on: what was asked before does not know what came late."""
    aws, late = Aws(), datetime(2026, 6, 30, 23, 50, tzinfo=UTC)
    assert run(Queries(engine, "all", "lake", late), "s", aws.start, aws.follow)[0] == "q1"
    soon = Queries(engine, "all", "lake", late + timedelta(minutes=20))
    assert run(soon, "s", aws.start, aws.follow)[0] == "q2"


def test_a_query_that_aws_has_forgotten_is_started_anew(engine):
    aws, jobs = Aws(), Queries(engine, "all", "lake", NOW)
    run(jobs, "s", aws.start, aws.follow)
    aws.known["q1"] = NotFound("gone")
    assert run(jobs, "s", aws.start, aws.follow) == ("q2", 7)


def test_one_that_cannot_be_looked_at_runs_on(engine):
    aws, jobs = Aws(), Queries(engine, "all", "lake", NOW)
    run(jobs, "s", aws.start, aws.follow)
    aws.known["q1"] = Throttled("slow down")
    with pytest.raises(Throttled):
        run(jobs, "s", aws.start, aws.follow)
    aws.known["q1"] = 9
    assert run(jobs, "s", aws.start, aws.follow) == ("q1", 9)
    assert aws.started == 1


@pytest.mark.parametrize("end", [Progress(5, True, failure()), Progress(50), "never"])
def test_what_ended_without_rows_is_forgotten(end):
    ended = []
    looks = Progress(1) if end == "never" else end
    with pytest.raises(Exception, match=r"ended badly|limit|minutes"):
        wait(lambda: looks, lambda: None, 10, lambda _: None, lambda: ended.append(True))
    assert ended == [True]
