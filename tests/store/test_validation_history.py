"""What policy validation said is remembered as long as it is asked for, and nothing is written that is there already."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from plumbline.model.policy_validation import PolicyAnswer, PolicyFinding, RegisteredFinding, ValidationDay
from plumbline.store.policy_validation import (
    forget_policy_answers,
    forget_policy_validation,
    keep_policy_answers,
    keep_policy_findings,
    keep_validation_day,
    last_validation_day,
    load_policy_answers,
    load_policy_findings,
)

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
DAY = timedelta(days=1)
ANSWER = PolicyAnswer(NOW, (PolicyFinding("WARNING", "A", "a text", "https://x", ("Statement[0]",)),))


@pytest.fixture
def writes(engine):
    """The statements that change rows."""
    found = []

    def watch(connection, cursor, statement, *_):
        if statement.split()[0] in ("INSERT", "UPDATE", "DELETE"):
            found.append(statement)

    sa.event.listen(engine, "before_cursor_execute", watch)
    return found


def test_answers_are_kept_by_landscape_and_replaced(engine):
    keep_policy_answers(engine, "all", {"a": ANSWER, "b": PolicyAnswer(NOW)})
    keep_policy_answers(engine, "other", {"a": PolicyAnswer(NOW)})
    assert load_policy_answers(engine, "all") == {"a": ANSWER, "b": PolicyAnswer(NOW)}
    keep_policy_answers(engine, "all", {"a": PolicyAnswer(NOW + DAY)})
    forget_policy_answers(engine, "all", ["b", "unknown"])
    assert load_policy_answers(engine, "all") == {"a": PolicyAnswer(NOW + DAY)}
    assert load_policy_answers(engine, "other") == {"a": PolicyAnswer(NOW)}


def one(code, resolved=None):
    return RegisteredFinding("p", code, "WARNING", "111111111111", NOW - DAY, NOW, resolved)


def test_findings_are_kept_until_their_end_is_too_long_ago(engine, writes):
    found = (one("A"), one("B", NOW), one("C", NOW - 2 * DAY))
    kept = keep_policy_findings(engine, "all", [], found, NOW - DAY)
    assert kept == load_policy_findings(engine, "all") == found[:2]
    writes.clear()
    assert keep_policy_findings(engine, "all", kept, kept, NOW - DAY) == kept
    assert writes == []
    changed = (replace(kept[0], last_seen=NOW + DAY), kept[1])
    keep_policy_findings(engine, "all", kept, changed, NOW + DAY)
    assert load_policy_findings(engine, "all") == changed[:1]
    assert load_policy_findings(engine, "other") == ()


def test_a_day_is_as_its_last_pass_found_it_and_old_ones_are_forgotten(engine, writes):
    today = NOW.date()
    days = [ValidationDay(today + n * DAY, {"WARNING": n, "ERROR": 0}, n, 1, n) for n in range(4)]
    for day in days:
        kept = keep_validation_day(engine, "all", day, today)
    assert kept == tuple(days)
    writes.clear()
    assert keep_validation_day(engine, "all", days[-1], today) == tuple(days)
    assert writes == []
    later = replace(days[-1], checked=9)
    assert keep_validation_day(engine, "all", later, today + 2 * DAY) == (days[2], later)
    assert keep_validation_day(engine, "other", days[0], today) == (days[0],)


def test_what_nobody_asks_about_any_more_goes_when_it_is_too_old(engine):
    today = NOW.date()
    old, new = ValidationDay(today - 2 * DAY, {"ERROR": 1}, 1, 0), ValidationDay(today, {"ERROR": 2}, 1, 0)
    for name in ("all", "other"):
        keep_policy_answers(engine, name, {"old": PolicyAnswer(NOW - 2 * DAY), "new": ANSWER})
        seen_before = replace(one("A"), last_seen=NOW - 2 * DAY)
        keep_policy_findings(engine, name, [], (seen_before, one("B"), one("C", NOW)), NOW - 9 * DAY)
        for day in (new, old):
            keep_validation_day(engine, name, day, old.day)
    assert last_validation_day(engine, "none") is None
    forget_policy_validation(engine, "all", NOW - DAY)
    assert load_policy_answers(engine, "all").keys() == {"new"}
    assert [finding.code for finding in load_policy_findings(engine, "all")] == ["B", "C"]
    assert last_validation_day(engine, "all") == new
    assert len(load_policy_findings(engine, "other")) == 3
    forget_policy_validation(engine, "all", NOW + 2 * DAY)
    assert last_validation_day(engine, "all") is None
    assert last_validation_day(engine, "other") == new
