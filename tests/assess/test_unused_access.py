"""Findings of unused access corroborate and stand against removal; alone they remove nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.silence import LAST_ACCESSED, UNUSED_ACCESS, last_uses
from plumbline.model.assessment import Agreement, Verdict
from plumbline.model.evidence import PrincipalUsage
from tests.assess.test_verdicts import worlds
from tests.assess.world import (
    ALL,
    ANCIENT,
    BEFORE,
    DATA,
    GLOBAL,
    IN,
    KNOWN,
    LOGS,
    READ,
    RUN,
    TAGS,
    WINDOW,
    WRITE,
    World,
    access,
    called_unused,
    used,
)

WORLD = World()
NOTHING = WORLD.but(access=None, access_state=None, log_sources=(), logs=(), required=frozenset())
ONLY_ACCESS = WORLD.but(log_sources=(), logs=(), required=frozenset({LAST_ACCESSED}))
EC2 = called_unused(ec2=None)


def sources(world, action):
    return next(f.sources for f in world.assess().findings if action in names(f))


def names(finding):
    return KNOWN.names_of(finding.bits)


@pytest.mark.parametrize(
    "said",
    [EC2, called_unused(role_unused=True), called_unused(ec2=(IN, {WRITE: None})), called_unused(age=365, ec2=BEFORE)],
)
def test_alone_they_make_nothing_unused(said):
    assert NOTHING.but(unused_access=said).unused() == set()


TABLE = [
    # (what findings say, an action, its verdict, whether they are named among its sources)
    ("a service, never accessed", EC2, WRITE, "unused", True),
    ("of another service", EC2, GLOBAL, "unused", False),
    ("an action, never accessed", called_unused(ec2=(IN, {WRITE: None})), WRITE, "unused", True),
    ("another action of the service", called_unused(ec2=(IN, {WRITE: None})), RUN, "unused", False),
    ("an action, not for longer", called_unused(ec2=(IN, {WRITE: ANCIENT})), WRITE, "unused", True),
    ("the whole role", called_unused(role_unused=True), WRITE, "unused", True),
    ("by an analyzer of a shorter age, never", called_unused(age=30, ec2=None), WRITE, "unused", False),
    ("by one of a shorter age, long ago", called_unused(age=30, ec2=(IN, {WRITE: ANCIENT})), WRITE, "unused", True),
    ("by one of a longer age", called_unused(age=365, ec2=None), WRITE, "unused", True),
    ("an access in the lookback", called_unused(age=30, ec2=(IN, {WRITE: IN})), WRITE, "used", True),
    ("at the very start", called_unused(age=30, ec2=(IN, {WRITE: WINDOW.start})), WRITE, "used", True),
    ("an access before the lookback", called_unused(ec2=(IN, {WRITE: BEFORE})), WRITE, "undetermined", True),
    ("of its service before the lookback", called_unused(ec2=BEFORE), WRITE, "undetermined", True),
]
ARCHIVED = [
    # (what archived findings say, an action, its verdict, whether they are named among its sources)
    ("never accessed", called_unused(ec2=None), WRITE, "unused", False),
    ("not for longer", called_unused(ec2=(IN, {WRITE: ANCIENT})), WRITE, "unused", False),
    ("an access in the lookback", called_unused(ec2=(IN, {WRITE: IN})), WRITE, "used", True),
    ("an access before the lookback", called_unused(ec2=(IN, {WRITE: BEFORE})), WRITE, "undetermined", True),
    ("of its service before the lookback", called_unused(ec2=BEFORE), WRITE, "undetermined", True),
]


@pytest.mark.parametrize(("said", "action", "verdict", "named"), [r[1:] for r in TABLE], ids=[r[0] for r in TABLE])
def test_what_findings_do(said, action, verdict, named):
    world = WORLD.but(unused_access=said)
    assert world.verdicts()[action][0] == verdict
    assert (UNUSED_ACCESS in sources(world, action)) == named
    assert set(sources(world, action)) - {UNUSED_ACCESS} or verdict != "unused"


def archived(said):
    return replace(said, services={}, role_unused=False, archived=said.services, role_archived=said.role_unused)


@pytest.mark.parametrize(
    ("said", "action", "verdict", "named"), [r[1:] for r in ARCHIVED], ids=[r[0] for r in ARCHIVED]
)
def test_what_was_accessed_stays_true_in_an_archived_finding(said, action, verdict, named):
    world = WORLD.but(unused_access=archived(said))
    assert world.verdicts()[action][0] == verdict
    assert (UNUSED_ACCESS in sources(world, action)) == named


@pytest.mark.parametrize("kind", [lambda said: said, archived])
def test_a_service_that_findings_call_accessed_was_not_silent(kind):
    """Last-accessed data calls it never attempted, and findings know better; logs prove silence by themselves."""
    said = kind(called_unused(age=30, ec2=(IN, {WRITE: None})))
    assert ONLY_ACCESS.verdicts()[READ][0] == "unused"
    assert ONLY_ACCESS.but(unused_access=said).verdicts()[READ] == ("undetermined", "noQualifyingSource")
    assert sources(WORLD.but(unused_access=said), READ) == (LOGS,)


@pytest.mark.parametrize("kind", [lambda said: said, archived])
def test_the_last_use_is_the_latest_date_that_any_source_gave(kind):
    later = IN + timedelta(days=1)
    usage = PrincipalUsage(
        (used(WRITE), used(RUN, later), used(READ, IN, outcome="denied")),
        last_accessed=access(ec2=(IN, {WRITE: BEFORE, RUN: IN})),
        unused_access=kind(called_unused(ec2=(later, {WRITE.swapcase(): later, RUN: BEFORE, TAGS: None}), iam=IN)),
    )
    assert last_uses(usage) == {WRITE.lower(): later, RUN.lower(): later}


dates = st.sampled_from([None, IN, BEFORE, ANCIENT, WINDOW.start, WINDOW.end + timedelta(hours=5)])
services = st.dictionaries(
    st.sampled_from(["ec2", "iam", "s3", "cloudwatch", "apigateway", "nosuch"]),
    st.one_of(dates, st.tuples(dates, st.dictionaries(st.sampled_from(ALL), dates, max_size=3))),
)
reports = st.builds(
    lambda age, role, last, of, hidden: replace(
        called_unused(age, role, last, **of), archived=called_unused(**hidden).services
    ),
    st.sampled_from([1, 30, 90, 365]),
    st.booleans(),
    dates,
    services,
    services,
)


@given(worlds(), reports)
def test_no_finding_makes_anything_unused_or_less_used(world, said):
    before, after = world.verdicts(), world.but(unused_access=said).verdicts()
    assert before.keys() == after.keys()
    for name, (verdict, _) in after.items():
        assert verdict != "unused" or before[name][0] == "unused"
        assert before[name][0] != "used" or verdict == "used"
        assert (verdict == "masked") == (before[name][0] == "masked")


@given(worlds(), reports)
def test_the_agreement_adds_up(world, said):
    result = world.but(unused_access=said).assess()
    told = result.agreement
    assert told.agreed + told.only_plumbline + told.not_compared == result.bits(Verdict.UNUSED).bit_count()
    assert told.used <= result.counts.used
    assert told.undetermined <= result.counts.undetermined


def test_no_analyzer_looks_at_the_role():
    assert WORLD.assess().agreement is None


def test_an_action_that_only_plumbline_calls_unused_is_a_disagreement():
    tracked = WORLD.but(access=access(ec2=(IN, {WRITE: ANCIENT}), apigateway=None, iam=None, s3=None, cloudwatch=None))
    said = called_unused(ec2=(IN, {RUN: None}), apigateway=None, iam=None, s3=None, cloudwatch=None)
    told = tracked.but(unused_access=said).assess().agreement
    assert (told.only_plumbline, told.disagreements) == (1, 1)
    longer = tracked.but(unused_access=called_unused(age=365, ec2=(IN, {RUN: None}))).assess().agreement
    assert (longer.only_plumbline, longer.disagreements) == (0, 0)


def test_an_action_that_an_archived_finding_names_is_no_disagreement():
    tracked = WORLD.but(access=access(ec2=(IN, {WRITE: ANCIENT}), apigateway=None, iam=None, s3=None, cloudwatch=None))
    seen = called_unused(ec2=(IN, {RUN: None}), apigateway=None, iam=None, s3=None, cloudwatch=None)
    open_ = tracked.but(unused_access=seen).assess().agreement
    for more in ({"archived": called_unused(ec2=(IN, {WRITE: None})).services}, {"role_archived": True}):
        world = tracked.but(unused_access=replace(seen, **more))
        told = world.assess().agreement
        assert (told.only_plumbline, told.disagreements) == (0, 0)
        assert (told.not_compared, told.agreed) == (open_.not_compared + 1, open_.agreed)
        # Nor does it decide anything, or stand beside a verdict.
        assert world.verdicts() == tracked.but(unused_access=seen).verdicts()
        assert sources(world, WRITE) == sources(tracked.but(unused_access=seen), WRITE)


def test_what_the_logs_saw_and_findings_call_unused_is_a_disagreement():
    told = WORLD.but(evidence=(used(DATA),), unused_access=called_unused(s3=None)).assess().agreement
    assert (told.used, told.disagreements) == (1, 1 + told.only_plumbline)
    assert told.findings == ("id",)
    assert Agreement(only_plumbline=2, used=3).disagreements == 5
