"""What last-accessed data proves, and for how long."""

from dataclasses import replace
from datetime import date, timedelta

from plumbline.assess.silence import silent_by_last_accessed
from plumbline.assess.window import Window
from plumbline.iam.catalogue import catalogue
from tests.assess.world import AS_OF, GLOBAL, LOGS, MEMORY, SILENT_ACCESS, WINDOW, World

KNOWN = catalogue()


def silent(as_of, lookback):
    window = Window.of(as_of, lookback, MEMORY)
    answer = replace(SILENT_ACCESS, collected_at=window.end + timedelta(hours=30))
    return set(KNOWN.names_of(silent_by_last_accessed(answer, window, KNOWN, KNOWN.all)))


def test_it_tells_nothing_of_days_that_iam_has_forgotten():
    assert GLOBAL in silent(AS_OF, 398)
    assert silent(AS_OF, 399) == set()


def test_actions_are_tracked_since_a_day():
    assert GLOBAL not in silent(date(2023, 7, 1), 90)
    assert "ec2:StartInstances" in silent(date(2023, 7, 1), 90), "services are tracked for longer"
    assert GLOBAL in silent(date(2023, 9, 1), 90)


def test_where_it_is_required_it_must_reach_back_to_the_first_day():
    late = replace(SILENT_ACCESS, collected_at=WINDOW.start + timedelta(days=401))
    world = World(access=late)
    assert world.unused() == set()
    assert world.verdicts()[GLOBAL] == ("undetermined", "lastAccessedUnavailable")
    # Where it is not, the logs decide what they can.
    assert GLOBAL in world.but(required=frozenset({LOGS})).unused()


def test_it_tells_of_an_attempt_hours_later_only():
    def world(hours):
        return World(access=replace(SILENT_ACCESS, collected_at=WINDOW.end + timedelta(hours=hours)))

    assert GLOBAL in world(4).unused()
    assert world(3).verdicts()[GLOBAL] == ("undetermined", "lastAccessedUnavailable")
    assert GLOBAL in silent(AS_OF, 90)
    # Nor do the logs alone get its name as one more proof.
    (finding,) = {f for f in world(3).but(required=frozenset({LOGS})).assess().findings if f.verdict == "unused"}
    assert finding.sources == (LOGS,)
