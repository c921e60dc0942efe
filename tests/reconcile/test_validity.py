"""An assessment holds until the day that it names: before it, time alone changes nothing."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.silence import LAST_ACCESSED
from plumbline.assess.targets import Claim, governing, select
from plumbline.assess.window import Window
from plumbline.model.coverage import Coverage, SourceState, State
from plumbline.model.evidence import Evidence, GrantChange, PrincipalUsage, UnmappedUse
from plumbline.model.snapshot import Account, Snapshot
from plumbline.reconcile.baseline import assess_baseline
from plumbline.reconcile.baseline_status import Waiting, same_but_time, status_of
from plumbline.reconcile.view import LandscapeView
from tests.assess.world import ACCOUNT, AS_OF, LOGS, MEMORY, REGIONS, WINDOW, access, generated, logs
from tests.iam.policies import allow, inline, managed
from tests.reconcile.facts import DAY, EVERYTHING, NOW, READ, WRITE, Line, a_baseline, a_role

LOOKBACK = 9
POLICIES = (inline("p", allow(READ, WRITE, "s3:GetObject")), managed("m", allow("iam:PassRole", "ec2:RunInstances")))
SHORT = timedelta(days=20)
# Around the edges of lookback and memory over the days that are tried; whole days are the edges themselves.
moments = st.builds(
    lambda days, hours: datetime(2026, 6, 30, tzinfo=UTC) + timedelta(days=days, hours=hours),
    st.integers(-40, 3),
    st.sampled_from([0, 0, 0, 1, 13]),
)
actions = st.sampled_from([READ, WRITE, "s3:GetObject", "ec2:RunInstances", "iam:PassRole"])
evidence = st.builds(
    lambda action, outcome, last: Evidence("", "AROAAPP", action, outcome, LOGS, last - DAY, last),
    actions,
    st.sampled_from(["used", "attempted", "denied"]),
    moments,
)
unmapped = st.builds(
    lambda last, service: UnmappedUse("", "AROAAPP", "x", "New", (service,), last),
    moments,
    st.sampled_from(["ec2", "s3"]),
)
ROLE = a_role("app", *POLICIES)
changes = st.builds(
    lambda name, target, at: GrantChange(ACCOUNT, name, target, "inline/p" if target == ROLE.arn else None, at),
    st.sampled_from(["PutRolePolicy", "AttachRolePolicy", "DeleteRolePermissionsBoundary", "CreatePolicyVersion"]),
    st.sampled_from([ROLE.arn, POLICIES[1].arn, "arn:aws:iam::111111111111:role/other"]),
    moments,
)


ANCIENT, FAR = NOW - 500 * DAY, NOW + 100 * DAY
WHOLE = ((ANCIENT, FAR),)


EDGES = ("version", "created", "access", "generated", "evidence", "unmapped", "logs", "changes", "seen", "exemptions")


@st.composite
def worlds(draw):
    """A view, a baseline and its selection. Mostly one thing has its edge in the days that are tried, and the rest is quiet,
    so that no edge is hidden by another."""
    lively = draw(st.sampled_from((*EDGES, EDGES)))

    def some(name, strategy, quiet):
        return draw(strategy) if name in lively else quiet

    maybe = st.none() | moments
    versioned = replace(POLICIES[1], version_created_at=some("version", maybe, None))
    role = replace(ROLE, policies=(POLICIES[0], versioned), created_at=some("created", moments, ANCIENT))
    answer = replace(
        access(
            ec2=some("access", maybe, None),
            s3=(some("access", maybe, None), {"s3:GetObject": some("access", maybe, None)}),
            iam=(some("access", maybe, None), {"iam:PassRole": some("access", maybe, None)}),
        ),
        collected_at=some("access", moments.filter(lambda at: at > NOW - 4 * DAY), FAR),
    )
    made = st.builds(lambda end: generated(READ, start=NOW - 30 * DAY, end=end), moments)
    usage = PrincipalUsage(
        tuple(some("evidence", st.lists(evidence, max_size=4), [])),
        tuple(some("unmapped", st.lists(unmapped, max_size=1), [])),
        draw(st.sampled_from([answer, None])),
        some("generated", st.none() | made, None),
    )
    spans = some("logs", st.tuples(st.tuples(moments, st.sampled_from([NOW, NOW + 2 * DAY, FAR]))), WHOLE)
    whole, part = logs(covered=dict.fromkeys(REGIONS, spans)), logs(covered={"us-east-1": spans})
    sources = some("logs", st.sampled_from([(whole,), (part,), ()]), (whole,))
    seen = dict.fromkeys(("inline/p", versioned.arn, "boundary"), ANCIENT)
    snapshots = st.dictionaries(st.sampled_from(sorted(seen)), moments)
    view = LandscapeView(
        snapshot=Snapshot(
            "default",
            {ACCOUNT: Account(ACCOUNT, ou_path=("r-root",), regions=REGIONS, collected_at=NOW)},
            {role.arn: role},
        ),
        usage={role.arn: usage},
        coverage=Coverage(
            {ACCOUNT: sources},
            {role.arn: SourceState(LAST_ACCESSED, State.COMPLETE)},
            {},
            frozenset(draw(st.sets(st.sampled_from([LOGS, LAST_ACCESSED])))),
        ),
        changes={ACCOUNT: tuple(some("changes", st.lists(changes, max_size=3), []))},
        first_seen={role.arn: some("seen", snapshots, draw(st.sampled_from([seen, {}])))},
        log_sources=(LOGS,),
        memory=draw(st.sampled_from([SHORT, timedelta(hours=250), timedelta(days=1)])),
    )
    exemption = {"actions": ["ec2:*"], "owner": "o", "reason": "r"}
    days = st.lists(st.dates(date(2026, 6, 25), date(2026, 7, 9)), max_size=2)
    spec = {
        "lookback": f"{LOOKBACK}d",
        "exemptions": [{**exemption, "expires": day.isoformat()} for day in some("exemptions", days, [])],
        "rareUse": draw(st.sampled_from(["keep", "remove"])),
    }
    baseline = a_baseline(**spec)
    return view, baseline, select(baseline.spec, "pay", view.snapshot, (EVERYTHING,), {})


def result_of(world, day):
    view, baseline, selection = world
    governed = governing([Claim("pay/base", None, selection)])
    return assess_baseline(view, baseline, selection, governed, {}, day, NOW)


@given(worlds(), st.integers(0, 9))
def test_until_the_day_it_names_the_same_facts_give_the_same_assessment(world, days):
    as_of = AS_OF + days * DAY
    first = result_of(world, as_of)
    last = min(first.valid_until or date.max, as_of + 30 * DAY)
    assert first.valid_until is None or first.valid_until > as_of
    said = status_of(first, {}, Waiting(), NOW, as_of)
    day = as_of + DAY
    while day < last:
        later = result_of(world, day)
        assert later.assessments == first.assessments
        assert same_but_time(said, status_of(later, {}, Waiting(), NOW, day))
        day += DAY


def line_until(changed=(), **changes):
    line = Line(**{"logs": (logs(covered=dict.fromkeys(REGIONS, ((NOW - 900 * DAY, NOW + 900 * DAY),))),)} | changes)
    view = replace(line.view, usage={arn: replace(u, last_accessed=None) for arn, u in line.view.usage.items()})
    view = replace(view, coverage=replace(view.coverage, required=frozenset({LOGS})), changes={ACCOUNT: changed})
    claims = governing([Claim("pay/base", None, line.selection)])
    return assess_baseline(view, line.baseline, line.selection, claims, {}, AS_OF, NOW).valid_until


@pytest.mark.parametrize(
    ("changes", "day"),
    [
        # The proof of the logs ends in 900 days, and the lookback may end a day before the assessment.
        ({}, AS_OF + 902 * DAY),
        # A use five days after the start of the lookback leaves it on the day after that on which the edge reaches it.
        ({"used": {"app": [READ]}}, AS_OF + 5 * DAY),
        ({"spec": {"exemptions": [{"actions": ["ec2:*"], "owner": "o", "reason": "r", "expires": "2026-07-02"}]}}, date(2026, 7, 3)),
        ({"roles": (replace(a_role(), created_at=WINDOW.start + 3 * DAY + timedelta(hours=1)),)}, AS_OF + 4 * DAY),
        # A gap of the lookback is named with its start, which moves.
        ({"logs": (logs(covered={"us-east-1": ((WINDOW.start, NOW + 900 * DAY),)}),)}, AS_OF + DAY),
        # Without uses and logs there is nothing that could pass.
        ({"logs": ()}, None),
    ],
)  # fmt: skip
def test_the_day_is_that_of_the_first_edge(changes, day):
    assert line_until(**changes) == day


def test_a_use_leaves_the_memory_too():
    line = {"used_before": {"app": [READ]}}
    before = WINDOW.start - 30 * DAY
    assert line_until(**line) == Window.of(AS_OF, 400, MEMORY).decided_from(before) - DAY


def test_a_change_of_a_grant_counts_until_the_lookback_is_past_it():
    at = WINDOW.start + 20 * DAY + timedelta(hours=3)
    mine = GrantChange(ACCOUNT, "PutRolePolicy", a_role().arn, "inline/p", at)
    other = GrantChange(ACCOUNT, "PutRolePolicy", "arn:aws:iam::111111111111:role/other", "inline/p", at - DAY)
    assert line_until((other, mine)) == AS_OF + 21 * DAY
