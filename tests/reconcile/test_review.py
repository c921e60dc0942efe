"""The weekly review: since when findings are there, what people have said, and what is new, overdue and resolved."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.api.review import Review
from plumbline.model.finding import Finding, Findings, finding_key
from plumbline.reconcile.review import Role, changes_of_review, review_of
from plumbline.store.register import Registered, register_findings
from tests.assess.world import ACCOUNT
from tests.stores import new_store

WEDNESDAY = date(2026, 7, 1)
MONDAY = date(2026, 6, 29)
NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
REVIEW = Review(due_within="30d")


def decision(until=WEDNESDAY, kind="GrantDrift", resource=ROLE, said="Accepted", reason="needed"):
    return {"kind": kind, "resource": resource, "decision": said, "by": "jane", "reason": reason, "until": until}


def decided(*decisions):
    return Review.model_validate({"due_within": "30d", "decisions": decisions})


def entry(first=WEDNESDAY, resolved=None, kind="UnusedAccess", role=ROLE):
    def at(day):
        return None if day is None else datetime(day.year, day.month, day.day, 9, tzinfo=UTC)

    return Registered(finding_key("default", kind, role, "AROAAPP"), kind, role, at(first), at(resolved))


def only(registered, role=None, as_of=WEDNESDAY):
    return review_of([registered], {ROLE: role or Role("team", "app-1")}, REVIEW, as_of)


CASES = {
    # registered, decision -> state, and the counts that are not 0
    "seen this week": (entry(), "", "new", {"open": 1, "new": 1}),
    "seen on Monday": (entry(MONDAY), "", "new", {"open": 1, "new": 1}),
    "seen last Sunday": (entry(MONDAY - DAY), "", "open", {"open": 1}),
    "due today": (entry(WEDNESDAY - 30 * DAY), "", "open", {"open": 1}),
    "overdue": (entry(WEDNESDAY - 31 * DAY), "", "overdue", {"open": 1, "overdue": 1}),
    "approved": (entry(WEDNESDAY - 90 * DAY), "Approved", "decided", {"open": 1, "decided": 1}),
    "rejected": (entry(WEDNESDAY - 90 * DAY), "Rejected", "decided", {"open": 1, "decided": 1}),
    "drift is not decided by a proposal": (entry(WEDNESDAY - 90 * DAY, kind="GrantDrift"), "Approved", "overdue", {"open": 1, "overdue": 1}),
    "resolved this week": (entry(WEDNESDAY - 90 * DAY, MONDAY), "", "resolved", {"resolved": 1}),
    "resolved before": (entry(WEDNESDAY - 90 * DAY, MONDAY - DAY), "", None, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_state_of_a_finding(case):
    registered, decision, state, counts = CASES[case]
    found = only(registered, Role("team", "app-1", decision, "jane" if decision else ""))
    assert found.week == MONDAY
    assert {
        name: n for name in ("open", "new", "overdue", "decided", "resolved") if (n := getattr(found, name))
    } == counts
    assert [one.state for one in found.findings] == ([state] if state else [])
    for one in found.findings:
        assert (one.owner, one.due) == ("team", one.first_seen + 30 * DAY)
        assert one.by == ("jane" if state == "decided" else "")


def test_the_most_urgent_are_listed():
    many = [entry(WEDNESDAY - number * DAY, role=f"{ROLE}-{number}") for number in range(40)]
    found = review_of(many, {one.resource: Role() for one in many}, REVIEW, WEDNESDAY)
    assert (len(found.findings), found.findings_truncated) == (20, 20)
    states = [one.state for one in found.findings]
    assert states == ["overdue"] * 9 + ["new"] * 3 + ["open"] * 8
    assert found.findings[0].first_seen == WEDNESDAY - 39 * DAY


def test_roles_that_are_none_of_the_baselines_are_counted_and_not_named():
    """They were, before allowedTargets was withdrawn, or of another baseline of this name."""
    found = review_of([entry(), entry(role=f"{ROLE}-other")], {ROLE: Role()}, REVIEW, WEDNESDAY)
    assert (found.open, found.findings_truncated) == (2, 1)
    assert "-other" not in found.model_dump_json()


LONG_AGO = WEDNESDAY - 90 * DAY
DECISIONS = {
    # decisions, first day -> state, what was decided, due day
    "until today": ([decision()], LONG_AGO, "decided", "Accepted", WEDNESDAY),
    "until yesterday": ([decision(WEDNESDAY - DAY)], LONG_AGO, "overdue", "", WEDNESDAY - DAY),
    "it puts off and never brings forward": ([decision(MONDAY - DAY)], MONDAY - 7 * DAY, "open", "", MONDAY + 23 * DAY),
    "planned": ([decision(said="Planned")], LONG_AGO, "decided", "Planned", WEDNESDAY),
    "of another kind": ([decision(kind="UnusedAccess")], LONG_AGO, "overdue", "", LONG_AGO + 30 * DAY),
    "of another resource": ([decision(resource=f"{ROLE}-b")], LONG_AGO, "overdue", "", LONG_AGO + 30 * DAY),
    "case counts": ([decision(resource=ROLE.replace("app", "APP"))], LONG_AGO, "overdue", "", LONG_AGO + 30 * DAY),
    "of all that match": ([decision(resource="arn:aws:iam::*:role/a?p")], LONG_AGO, "decided", "Accepted", WEDNESDAY),
    "the first that holds": (
        [decision(WEDNESDAY - DAY), decision(WEDNESDAY + DAY, said="Planned"), decision()],
        LONG_AGO, "decided", "Planned", WEDNESDAY + DAY,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DECISIONS)
def test_what_was_decided_in_git(case):
    decisions, first, state, said, due = DECISIONS[case]
    found = review_of([entry(first, kind="GrantDrift")], {ROLE: Role("team")}, decided(*decisions), WEDNESDAY)
    (one,) = found.findings
    assert (one.state, one.decision, one.due) == (state, said, due)
    assert (one.by, one.reason, bool(one.until)) == (("jane", "needed", True) if said else ("", "", False))
    assert (found.open, found.decided, found.overdue) == (1, state == "decided", state == "overdue")


@pytest.mark.parametrize(("said", "counts"), [("", "Accepted"), ("Rejected", "Rejected"), ("Approved", "Approved")])
def test_what_a_proposal_carries_comes_first(said, counts):
    role = Role("team", "app-1", said, "john" if said else "")
    found = review_of([entry()], {ROLE: role}, decided(decision(kind="UnusedAccess")), WEDNESDAY)
    (one,) = found.findings
    assert (one.decision, one.by) == (counts, "john" if said else "jane")
    assert (one.reason, one.until) == (("", None) if said else ("needed", WEDNESDAY))
    assert found.idle_decisions == []


def test_decisions_without_effect_are_named():
    asked = decided(
        decision(),
        decision(WEDNESDAY - DAY),
        decision(kind="UnusedAccess"),
        decision(resource=f"{ROLE}-other"),
        decision(resource=f"{ROLE}-gone"),
    )
    registered = [
        entry(kind="GrantDrift"),
        entry(kind="GrantDrift", role=f"{ROLE}-other"),  # of no role of the baseline
        entry(kind="GrantDrift", role=f"{ROLE}-gone", first=LONG_AGO, resolved=MONDAY),
    ]
    found = review_of(registered, {ROLE: Role(), f"{ROLE}-gone": Role()}, asked, WEDNESDAY)
    assert [(one.kind, one.resource.rpartition("/")[2], one.why) for one in found.idle_decisions] == [
        ("GrantDrift", "app", "Expired"),
        ("UnusedAccess", "app", "NoFinding"),
        ("GrantDrift", "app-other", "NoFinding"),
        ("GrantDrift", "app-gone", "NoFinding"),
    ]
    many = decided(*(decision(resource=f"{ROLE}-{number}") for number in range(30)))
    found = review_of([], {}, many, WEDNESDAY)
    assert (len(found.idle_decisions), found.idle_decisions_truncated) == (20, 10)


days = st.integers(0, 80).map(lambda number: WEDNESDAY - number * DAY)


untils = st.integers(-40, 40).map(lambda number: WEDNESDAY + number * DAY)


@given(
    st.lists(st.tuples(days, st.none() | days), max_size=4),
    st.lists(st.tuples(untils, st.integers(0, 4)), max_size=3),
    st.integers(0, 20),
)
def test_between_the_named_days_nothing_changes(drawn, decisions, later):
    registered = [
        entry(first, None if end is None else max(end, first), role=f"{ROLE}-{number}")
        for number, (first, end) in enumerate(drawn)
    ]
    asked = decided(*(decision(until, "UnusedAccess", f"{ROLE}-{number}") for until, number in decisions))
    roles = {one.resource: Role() for one in registered}
    change = min((day for day in changes_of_review(registered, asked, WEDNESDAY) if day > WEDNESDAY), default=None)
    day = WEDNESDAY + later * DAY
    if change is None or day < change:
        today, then = (review_of(registered, roles, asked, at) for at in (WEDNESDAY, day))
        # Without any finding only the name of the week moves on.
        assert then == (today if registered else today.model_copy(update={"week": then.week}))


class Book:
    """The register over some passes."""

    def __init__(self, folder):
        self.engine, self.now = new_store(folder / "store.db"), NOW

    def passes(self, *roles, unknown=(), seen=(ACCOUNT,), accounts=None, days=1):
        self.now += days * DAY
        made = [self.finding(role) for role in roles]
        hidden = frozenset(self.finding(role).key for role in unknown)
        found = Findings({one.key: one for one in made}, hidden, frozenset(seen), accounts)
        entries = register_findings(self.engine, "pay/base", found, self.now)
        return {e.resource.rpartition("/")[2]: (e.first_seen, e.resolved_at) for e in entries}

    @staticmethod
    def finding(role):
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        key = finding_key("default", "UnusedAccess", arn, "AROA")
        return Finding(key, "UnusedAccess", "pay/base", ACCOUNT, arn, "LOW", "t", "d", "r", "o")


@pytest.fixture
def book(tmp_path):
    made = Book(tmp_path)
    yield made
    made.engine.dispose()


def test_a_finding_keeps_its_first_day_until_it_has_ended(book):
    first = NOW + DAY
    assert book.passes("a", "b") == {"a": (first, None), "b": (first, None)}
    assert book.passes("a") == {"a": (first, None), "b": (first, NOW + 2 * DAY)}
    # What is not known keeps it; so does an account that was not seen.
    assert book.passes(unknown=["a"])["a"] == (first, None)
    assert book.passes(seen=[])["a"] == (first, None)
    # It comes back: that is news.
    assert book.passes("a", "b")["b"] == (NOW + 5 * DAY, None)


def test_findings_of_an_account_that_left_the_landscape_end(book):
    book.passes("a")
    assert book.passes(seen=[])["a"][1] is None
    assert book.passes(seen=[], accounts=frozenset({ACCOUNT}))["a"][1] is None
    assert book.passes(seen=[], accounts=frozenset({"222222222222"}))["a"][1] == NOW + 4 * DAY


def test_what_ended_long_ago_is_forgotten(book):
    book.passes("a")
    book.passes()
    assert set(book.passes(days=400)) == {"a"}
    assert book.passes(days=1) == {}
