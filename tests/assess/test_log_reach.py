"""What the silence of logs means, action by action."""

from datetime import timedelta

import pytest

from plumbline.assess.log_reach import classes, log_reach
from plumbline.model.coverage import Coverage, ManagementSelection, SourceState, State
from tests.assess.world import (
    ACCOUNT,
    DATA,
    EITHER,
    GLOBAL,
    KNOWN,
    LOGS,
    NEVER,
    PERMISSION_ONLY,
    READ,
    SEEN,
    WINDOW,
    WRITE,
    logs,
)

GROUPS = classes(KNOWN, SEEN)
NONE = ManagementSelection()


def reach(*found, sources=(LOGS,), required=(LOGS,), partition="aws"):
    coverage = Coverage(logs={ACCOUNT: found}, required=frozenset(required))
    return log_reach(ACCOUNT, coverage, sources, WINDOW, GROUPS, partition)


def reasons(result, action):
    return [one.reason for one in result.incomplete if one.bits & KNOWN.expand(action)]


def test_every_action_is_in_exactly_one_class():
    parts = [*GROUPS.management.values(), *GROUPS.data.values(), GROUPS.unobservable]
    together = 0
    for bits in parts:
        assert not together & bits
        together |= bits
    assert together == KNOWN.all
    assert GROUPS.has_event == KNOWN.all & ~GROUPS.unobservable
    for action in (NEVER, PERMISSION_ONLY):
        assert GROUPS.unobservable & KNOWN.expand(action)


@pytest.mark.parametrize(
    ("read", "write", "proven"),
    [(True, True, {READ, WRITE, EITHER}), (True, False, {READ}), (False, True, {WRITE}), (False, False, set())],
)
def test_what_may_be_a_read_or_a_write_needs_both(read, write, proven):
    result = reach(logs(management=ManagementSelection(read, write)))
    assert {a for a in (READ, WRITE, EITHER) if result.complete[LOGS] & KNOWN.expand(a)} == proven
    for action in {READ, WRITE, EITHER} - proven:
        assert reasons(result, action) == ["managementEventsNotSelected"]


def test_proven_and_incomplete_never_meet_in_one_source():
    gap = {"us-east-1": ((WINDOW.start, WINDOW.end),), "eu-west-1": ((WINDOW.start + timedelta(hours=1), WINDOW.end),)}
    result = reach(logs(covered=gap))
    for bits in (one.bits for one in result.incomplete):
        assert not bits & result.complete[LOGS]
    assert result.complete[LOGS] & KNOWN.expand(GLOBAL)
    assert reasons(result, WRITE) == reasons(result, DATA) == ["logGap"]
    detail = next(one.detail for one in result.incomplete if one.reason == "logGap")
    assert detail == "eu-west-1: delivery is not proven from 2026-03-31T00:00Z to 2026-03-31T01:00Z"


@pytest.mark.parametrize(("reason", "told"), [("TrailUnwatched", "add the account"), ("TrailTooYoung", "")])
def test_what_would_show_changes_of_a_trail_is_a_remedy_and_waiting_is_none(reason, told):
    state = SourceState(LOGS, State.PARTIAL, reason, "not known before", "add the account")
    late = {"us-east-1": ((WINDOW.start + timedelta(hours=1), WINDOW.end),)}
    result = reach(logs(covered=late, state=state))
    assert {one.remedy for one in result.incomplete if one.reason == "logGap"} == {told}


@pytest.mark.parametrize(
    ("partition", "home"), [("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")]
)
def test_global_services_are_recorded_in_the_first_region_of_their_partition(partition, home):
    whole = ((WINDOW.start, WINDOW.end),)
    assert reach(logs(regions=(home,), covered={home: whole}), partition=partition).complete[LOGS] & KNOWN.expand(
        GLOBAL
    )
    other = reach(logs(regions=("eu-west-1",), covered={"eu-west-1": whole}), partition=partition)
    assert not other.complete[LOGS] & KNOWN.expand(GLOBAL)
    assert reasons(other, GLOBAL) == ["logGap"]


def test_sources_share_the_work_and_each_answers_for_its_own():
    """One trail for management events and one for data events: neither is complete alone, together they are."""
    management, data = logs(data_types=frozenset()), logs("data", management=NONE)
    both = reach(management, data, sources=(LOGS, "data"), required=(LOGS, "data"))
    for action in (READ, WRITE, GLOBAL, DATA):
        assert reasons(both, action) == []
    assert both.complete[LOGS] & KNOWN.expand(WRITE)
    assert both.complete["data"] & KNOWN.expand(DATA)
    assert not both.complete["data"] & KNOWN.expand(WRITE)
    # If one is gone, what only it could show is open, and nobody says that it was not selected.
    alone = reach(management, sources=(LOGS, "data"), required=(LOGS, "data"))
    assert reasons(alone, DATA) == reasons(alone, WRITE) == ["logsUnavailable"]
    # Not required, it proves and vetoes nothing more.
    free = reach(management, sources=(LOGS, "data"), required=(LOGS,))
    assert reasons(free, WRITE) == []
    assert reasons(free, DATA) == ["dataEventsNotSelected"]


def test_without_a_required_log_source_logs_veto_nothing():
    assert reach(sources=(), required=()).incomplete == ()
    assert reach(logs(covered={}), required=()).incomplete == ()
    assert reach(logs(), required=()).complete[LOGS] & KNOWN.expand(WRITE)
