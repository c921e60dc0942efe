"""What proves the age of a grant, and what proves its youth."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.ages import BOUNDARY, Age, GrantAge, grant_ages
from plumbline.assess.window import DELIVERY_ALLOWANCE, Window
from plumbline.model.evidence import GrantChange
from tests.assess.world import AS_OF, MEMORY, WINDOW
from tests.iam.policies import allow, inline, managed, role

DAY = timedelta(days=1)
START = WINDOW.start
OLD, UNKNOWN = GrantAge(Age.OLD), GrantAge(Age.UNKNOWN)
P, Q = inline("p", allow("s3:*")), managed("q", allow("s3:*"))
EDGE = managed("edge", allow("*"))
ROLE = role(P, Q, boundary=EDGE)
IN = START + 5 * DAY
ARN = ROLE.arn


def change(name, target=ARN, policy=None, at=IN):
    return GrantChange("111111111111", name, target, policy, at)


def ages(principal=ROLE, changes=(), logs=True, seen=(), watched=None):
    return grant_ages(principal, dict(seen), changes, WINDOW, iam_logs_complete=logs, watched_since=watched)


@pytest.mark.parametrize(
    ("given_changes", "young"),
    [
        ([], ""),
        ([change("AttachRolePolicy", policy=Q.arn)], "q"),
        ([change("PutRolePolicy", policy=P.key)], "p"),
        ([change("PutRolePolicy", policy="inline/other")], ""),
        ([change("PutRolePolicy", target=f"{ARN}2", policy=P.key)], ""),
        ([change("CreatePolicyVersion", target=Q.arn, policy=Q.arn)], "q"),
        ([change("SetDefaultPolicyVersion", target=Q.arn, policy=Q.arn)], "q"),
        ([change("AddUserToGroup")], "pq"),
        # The boundary bounds every policy: what it blocked until yesterday is not old, however old the policy.
        ([change("PutRolePermissionsBoundary")], "pq"),
        ([change("DeleteRolePermissionsBoundary")], "pq"),
        ([change("CreatePolicyVersion", target=EDGE.arn, policy=EDGE.arn)], "pq"),
        # Taking away makes nothing young.
        ([change("DetachRolePolicy", policy=Q.arn), change("DeleteRolePolicy", policy=P.key)], ""),
        ([change("UpdateRole"), change("UpdateRoleDescription")], ""),
        # Before the lookback everything may have happened, in it and after it nothing.
        ([change("PutRolePolicy", policy=P.key, at=START)], ""),
        ([change("PutRolePolicy", policy=P.key, at=WINDOW.end + DAY)], "p"),
    ],
)
def test_complete_logs_prove_age_unless_they_show_a_change(given_changes, young):
    found = ages(changes=given_changes)
    assert {key: age.age for key, age in found.items()} == {
        P.key: Age.YOUNG if "p" in young else Age.OLD,
        Q.key: Age.YOUNG if "q" in young else Age.OLD,
    }
    # Without complete logs a change still proves youth, and nothing proves age.
    assert {age.age for age in ages(changes=given_changes, logs=False).values()} <= {Age.YOUNG, Age.UNKNOWN}


def test_of_several_changes_the_last_counts():
    found = ages(changes=[change("PutRolePolicy", policy=P.key, at=IN + DAY), change("PutRolePolicy", policy=P.key)])
    assert found[P.key] == GrantAge(Age.YOUNG, IN + DAY)


@pytest.mark.parametrize(
    ("seen", "watched", "logs", "expected"),
    [
        (START, START, False, GrantAge(Age.OLD, START)),
        (START + DAY, START + DAY, False, GrantAge(Age.UNKNOWN, START + DAY)),
        # The first snapshot cannot tell new from old, complete logs can.
        (START + DAY, START + DAY, True, OLD),
        # What an earlier snapshot did not show is young, though the event of the last hours is still to come.
        (WINDOW.end + DAY, START + DAY, True, GrantAge(Age.YOUNG, WINDOW.end + DAY)),
        (START + 2 * DAY, START + DAY, False, GrantAge(Age.YOUNG, START + 2 * DAY)),
        (START - DAY, START - 9 * DAY, False, GrantAge(Age.OLD, START - DAY)),
        (None, START, True, OLD),
        (None, START, False, UNKNOWN),
    ],
)
def test_own_snapshots(seen, watched, logs, expected):
    found = ages(seen={P.key: seen} if seen else {}, watched=watched, logs=logs)
    assert found[P.key] == expected


def test_a_policy_that_snapshots_show_unchanged_is_old_but_not_if_the_boundary_moved():
    seen = {P.key: START - DAY, Q.key: START - DAY}
    rewritten = change("PutRolePolicy", policy=P.key)  # with the same text, as our snapshots show
    assert ages(seen=seen, changes=[rewritten], logs=False)[P.key].age is Age.OLD
    assert ages(seen=seen, changes=[change("DeleteRolePermissionsBoundary")])[P.key] == GrantAge(Age.YOUNG, IN)
    moved = {**seen, BOUNDARY: IN}
    assert ages(seen=moved, watched=START - DAY)[P.key] == GrantAge(Age.YOUNG, IN)
    assert ages(seen=moved, watched=IN, logs=False)[P.key] == GrantAge(Age.UNKNOWN, IN)
    assert ages(seen={**seen, BOUNDARY: START - DAY}, logs=False)[P.key].age is Age.OLD


def test_versions_prove_youth_and_never_age():
    young = replace(Q, version_created_at=IN)
    assert ages(role(P, young))[Q.key] == GrantAge(Age.YOUNG, IN)
    assert ages(role(P, young))[P.key] == OLD
    old = replace(Q, version_created_at=START - 99 * DAY)
    assert ages(role(old), logs=False)[Q.key] == UNKNOWN
    edge = replace(EDGE, version_created_at=IN)
    assert ages(role(P, boundary=edge))[P.key] == GrantAge(Age.YOUNG, IN)


def test_the_window_is_whole_days_and_leaves_out_the_last():
    assert (
        Window(
            AS_OF,
            datetime(2026, 3, 31, tzinfo=UTC),
            datetime(2026, 6, 29, tzinfo=UTC),
            datetime(2026, 6, 30, tzinfo=UTC) - MEMORY,
        )
        == WINDOW
    )
    assert Window.of(AS_OF, 365, timedelta(days=30)).memory == Window.of(AS_OF, 365, timedelta(days=30)).start


@given(st.timedeltas(timedelta(-900), timedelta(300)).map(lambda gone: START + gone), st.integers(1, 365))
def test_the_date_from_which_an_age_is_known_is_the_first_such_day(since, lookback):
    day = Window.of(AS_OF, lookback, MEMORY).decided_from(since)
    assert Window.of(day, lookback, MEMORY).start >= since
    assert Window.of(day - timedelta(days=1), lookback, MEMORY).start < since
    assert DELIVERY_ALLOWANCE == DAY


def test_a_change_is_the_principals_whether_or_not_it_names_the_path():
    own = replace(ROLE, arn="arn:aws:iam::111111111111:role/team/app", name="app", path="/team/")
    put = change("PutRolePolicy", target="arn:aws:iam::111111111111:role/app", policy=P.key)
    assert ages(own, [put])[P.key] == GrantAge(Age.YOUNG, IN)
    elsewhere = replace(put, account="222222222222", target="arn:aws:iam::222222222222:role/app")
    assert ages(own, [elsewhere])[P.key] == OLD
    user = replace(put, target="arn:aws:iam::111111111111:user/app")
    assert ages(own, [user])[P.key] == OLD


def test_what_a_group_was_given_is_young_for_its_users():
    theirs = replace(P, name="ops/p")
    user = replace(role(theirs, Q), kind="user", arn="arn:aws:iam::111111111111:user/u", name="u", groups=("ops",))
    group = "arn:aws:iam::111111111111:group/ops"
    put, attach = change("PutGroupPolicy", group, "inline/p"), change("AttachGroupPolicy", group, Q.arn)
    assert ages(user, [put]) == {theirs.key: GrantAge(Age.YOUNG, IN), Q.key: OLD}
    assert ages(user, [attach]) == {theirs.key: OLD, Q.key: GrantAge(Age.YOUNG, IN)}
    others = [replace(one, target=f"{group}2") for one in (put, attach)]
    assert ages(user, others) == {theirs.key: OLD, Q.key: OLD}
    assert ages(replace(user, groups=()), [put, attach])[Q.key] == OLD
