"""When an account is looked at after announcements: at once, again until IAM must show it, and not without end."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from plumbline.model.evidence import GrantChange
from plumbline.operator.refreshes import PAUSES, Refreshes

T0 = datetime(2026, 6, 30, tzinfo=UTC)


def change(account="1", name="a"):
    return GrantChange(account, "PutRolePolicy", f"arn:aws:iam::{account}:role/{name}", "inline/p", T0)


def looks(announced, seconds=120.0, step=0.5):
    """(second, account) of each look, when `announced` (second -> accounts) happens and somebody looks at every step."""
    refreshes, found, at = Refreshes(), [], 0.0
    while at <= seconds:
        now = T0 + timedelta(seconds=at)
        for account in announced.get(at, ()):
            refreshes.announce([change(account)], now)
        due = refreshes.next()
        accounts = refreshes.due(now)
        assert bool(accounts) == (due is not None and due <= now)
        found += [(at, account) for account in sorted(accounts)]
        at += step
    assert refreshes.next() is None
    return found


def test_an_account_is_looked_at_at_once_and_twice_more():
    assert looks({0.0: "1"}) == [(pause.total_seconds(), "1") for pause in PAUSES]


def test_a_later_change_begins_anew_and_a_burst_is_held_back():
    assert looks({0.0: "1", 1.0: "1"}) == [(0.0, "1"), (2.0, "1"), (11.0, "1"), (46.0, "1")]
    assert looks({0.0: "12"})[:2] == [(0.0, "1"), (0.0, "2")]


@given(st.dictionaries(st.integers(0, 60).map(lambda n: n / 2), st.sets(st.sampled_from("12")), max_size=12))
def test_every_announcement_is_followed_by_a_look_after_the_longest_pause(announced):
    found = looks(announced)
    for at, accounts in announced.items():
        for account in accounts:
            later = [when - at for when, looked in found if looked == account and when >= at]
            assert later[0] <= 2
            assert later[-1] >= PAUSES[-1].total_seconds()
    for account in "12":
        own = [when for when, looked in found if looked == account]
        assert all(after - before >= 2 for before, after in pairwise(own))


def test_a_look_that_saw_nothing_does_not_count_and_is_repeated_more_and_more_rarely():
    refreshes, at = Refreshes(), [T0]
    refreshes.announce([change()], T0)
    for _ in range(12):
        now = refreshes.next()
        assert refreshes.due(now) == {"1"}
        refreshes.again({"1"}, now)
        at.append(now)
    pauses = [(after - before).total_seconds() for before, after in pairwise(at[1:])]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (4, 300)
    assert refreshes.due(refreshes.next()) == {"1"}


def test_announcements_are_kept_once_and_not_without_end():
    refreshes = Refreshes()
    refreshes.announce([change(), change()], T0)
    assert refreshes.announced == (change(),)
    refreshes.announce([change(name=str(number)) for number in range(900)], T0)
    assert len(refreshes.announced) == 500


def test_it_is_remembered_when_a_change_was_last_announced():
    refreshes = Refreshes()
    refreshes.announce([change("1"), change("2")], T0)
    later = T0 + timedelta(hours=1)
    refreshes.announce([change("1", "b")], later)
    while refreshes.next() is not None:
        refreshes.due(refreshes.next())
    assert refreshes.changed == {"1": later, "2": T0}
