"""What log files prove for an account."""

from datetime import UTC, datetime, timedelta

import pytest

from plumbline.aws.errors import Denied
from plumbline.model.coverage import State
from plumbline.model.evidence import TrailChange
from plumbline.store.ledger import Partition, PartitionKey
from plumbline.usage.log_coverage import TrailFacts, log_coverage
from plumbline.usage.log_source import LogSource
from plumbline.usage.selectors import assumed
from plumbline.usage.sync_report import SyncProblem
from plumbline.usage.trails import Trail

ACCOUNT, REGION = "111122223333", "eu-west-1"
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 11, tzinfo=UTC)
ARN = "arn:aws:cloudtrail:us-east-1:111122223333:trail/org"
PROBLEM = {"object": "o", "reason": "Truncated", "message": "m"}


def trail(**more):
    values = {
        "started_at": START - timedelta(days=50),
        "selection": assumed(["management"]),
        "logging": True,
        "validation": True,
    } | more
    return Trail(
        arn=ARN, name="org", home_region="us-east-1", multi_region=True, organization=False, digest="d", **values
    )


def part(day, region=REGION, problems=(), covered=True):
    begin = START + timedelta(days=day)
    span = ((begin - timedelta(hours=1), begin + timedelta(hours=23)),) if covered else ()
    return Partition(PartitionKey("logs", ACCOUNT, region, f"{begin:%Y-%m-%d}"), "f", covered=span, problems=problems)


PARTS = [part(day) for day in range(12)]


def covered(facts=None, parts=PARTS, regions=(REGION,), problems=(), assume=()):
    source = LogSource("logs", object(), ("AWSLogs/",), ARN, assume_complete=assume)
    facts = TrailFacts(trail()) if facts is None else facts
    return log_coverage(source, ACCOUNT, regions, parts, facts=facts, problems=problems, window=(START, END))


def test_complete():
    found = covered()
    assert found.state.state is State.COMPLETE
    assert found.first_gap(REGION, START, END) is None
    assert found.management.read


CHANGED = START + timedelta(days=3)
# (rule, facts)
STARTS = [
    ("GetTrailStatus: StartLoggingTime", TrailFacts(trail(started_at=CHANGED))),
    ("a change of the trail in the logs", TrailFacts(trail(), [TrailChange("PutEventSelectors", ARN, CHANGED)])),
    ("our own pictures differ", TrailFacts(trail(), (), CHANGED)),
    ("nobody would have seen a change", TrailFacts(trail(), unwatched=CHANGED)),
]


@pytest.mark.parametrize(("rule", "facts"), STARTS, ids=[case[0] for case in STARTS])
def test_todays_selectors_do_not_describe_the_past(rule, facts):
    found = covered(facts)
    assert found.first_gap(REGION, START, END) == (START, CHANGED)
    assert (found.state.state, found.state.reason) == (
        State.PARTIAL,
        "TrailUnwatched" if facts.unwatched else "TrailTooYoung",
    )


# (rule, arguments, state, reason)
STATES = [
    ("no trail", {"facts": TrailFacts(None)}, State.UNAVAILABLE, "TrailUnknown"),
    ("no access", {"facts": TrailFacts(Denied("no"))}, State.UNAVAILABLE, "AccessDenied"),
    ("never started", {"facts": TrailFacts(trail(started_at=None))}, State.UNAVAILABLE, "TrailNotLogging"),
    ("stopped", {"facts": TrailFacts(trail(logging=False))}, State.PARTIAL, "TrailNotLogging"),
    (
        "selects nothing",
        {"facts": TrailFacts(trail(selection=assumed([])))},
        State.UNAVAILABLE,
        "SelectorsNotUnderstood",
    ),
    ("no digests", {"facts": TrailFacts(trail(validation=False)), "parts": []}, State.PARTIAL, "NoDigests"),
    ("Regions unknown", {"regions": None}, State.PARTIAL, "RegionsUnknown"),
    ("a Region is not read", {"regions": (REGION, "us-east-1")}, State.PARTIAL, "LogGap"),
    ("a missing hour", {"parts": [p for p in PARTS if p.key.day != "2026-01-05"]}, State.PARTIAL, "LogGap"),
    (
        "listing failed",
        {"problems": [SyncProblem("logs", ACCOUNT, REGION, "", "AccessDenied", "m")]},
        State.PARTIAL,
        "AccessDenied",
    ),
]


@pytest.mark.parametrize(("rule", "arguments", "state", "reason"), STATES, ids=[case[0] for case in STATES])
def test_states_name_reason_and_remedy(rule, arguments, state, reason):
    found = covered(**arguments)
    assert (found.state.state, found.state.reason) == (state, reason)
    assert found.state.message


def test_a_day_with_a_problem_is_not_covered():
    found = covered(parts=[*PARTS[:4], part(4, problems=(PROBLEM,)), *PARTS[5:]])
    day = START + timedelta(days=4)
    assert found.first_gap(REGION, START, END) == (day - timedelta(hours=1), day + timedelta(days=1))


def test_a_folder_is_complete_where_it_is_stated():
    found = covered(TrailFacts(None), parts=[], assume=("management", "data:AWS::S3::Object"))
    assert (found.state.state, found.data_types) == (State.COMPLETE, {"AWS::S3::Object"})
    assert found.first_gap(REGION, START - timedelta(days=900), END) is None


@pytest.mark.parametrize(
    ("parts", "problems"),
    [
        ([part(4, problems=(PROBLEM,), covered=False)], []),
        ([Partition(PartitionKey("logs", "", "", "."), "f", problems=(PROBLEM,))], []),
        ([], [SyncProblem("logs", ACCOUNT, "", "", "Unreadable", "m")]),
    ],
)
def test_a_statement_does_not_cover_what_could_not_be_read(parts, problems):
    found = covered(TrailFacts(None), parts=parts, problems=problems, assume=("management",))
    assert found.state.state is State.PARTIAL
    assert found.first_gap(REGION, START, END) is not None
