"""The decision order of a verdict, and that no data never means unused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.api.baseline import Exemption, Thresholds
from plumbline.assess.ages import Age, GrantAge
from plumbline.assess.assess import (
    distances,
    evidence_incomplete,
    generated_difference,
    rare_use,
    undetermined_by_reason,
)
from plumbline.assess.silence import GENERATION, LAST_ACCESSED
from plumbline.model.assessment import GrantDrift, Verdict
from plumbline.model.coverage import ManagementSelection, SourceState, State
from plumbline.model.snapshot import Policy
from tests.assess.world import (
    ALL,
    ANCIENT,
    BEFORE,
    DATA,
    EITHER,
    GLOBAL,
    IN,
    KNOWN,
    LOGS,
    NEVER,
    NOWHERE,
    PERMISSION_ONLY,
    READ,
    REGIONS,
    RUN,
    SEEN,
    SILENT_ACCESS,
    TAGS,
    WINDOW,
    WRITE,
    World,
    access,
    generated,
    logs,
    unmapped,
    used,
)
from tests.iam.policies import allow, deny, document_of, inline, managed

DAY = timedelta(days=1)
WORLD = World()
ONLY_LOGS = WORLD.but(access=None, access_state=None, required=frozenset({LOGS}))
ONLY_ACCESS = WORLD.but(log_sources=(), logs=(), required=frozenset({LAST_ACCESSED}))
GAP = {"eu-west-1": ((WINDOW.start, WINDOW.start + DAY), (WINDOW.start + 2 * DAY, WINDOW.end))}
WHOLE = {"us-east-1": ((WINDOW.start, WINDOW.end),)}
OFF = State.UNAVAILABLE


def reads(**more):
    return (logs(management=ManagementSelection(read=True), **more),)


def writes(**more):
    return (logs(management=ManagementSelection(write=True), **more),)


TABLE = [
    # (the world, an action, its verdict, the reason)
    ("silence that every source proves", WORLD, WRITE, "unused", "silent"),
    ("one event is enough", WORLD.but(evidence=(used(WRITE),)), WRITE, "used", "observed"),
    ("in the last hours too", WORLD.but(evidence=(used(WRITE, WINDOW.end + DAY),)), WRITE, "used", "observed"),
    ("at the very start", WORLD.but(evidence=(used(WRITE, WINDOW.start),)), WRITE, "used", "observed"),
    ("in any spelling", WORLD.but(evidence=(used(WRITE.upper()),)), WRITE, "used", "observed"),
    ("though the match is a guess", WORLD.but(evidence=(used(WRITE, ambiguous=True),)), WRITE, "used", "observed"),
    ("of a name that nobody knows", WORLD.but(evidence=(used("NOSUCH:thing"),)), NOWHERE, "used", "observed"),
    ("and without one it stays open", WORLD, NOWHERE, "undetermined", "unknownAction"),
    ("a denied call is no use", WORLD.but(evidence=(used(WRITE, outcome="denied"),)), WRITE, "unused", "silent"),
    ("an attempt may be one", WORLD.but(evidence=(used(WRITE, outcome="attempted"),)), WRITE, "undetermined", "attempted"),
    ("a tracked attempt", WORLD.but(access=access(iam=(IN, {GLOBAL: IN}))), GLOBAL, "used", "observed"),
    ("a generated policy adds use", WORLD.but(generated=generated(WRITE)), WRITE, "used", "observed"),
    ("by a pattern too", WORLD.but(generated=generated("ec2:Term*")), WRITE, "used", "observed"),
    ("of unknown names too", WORLD.but(generated=generated("nosuch:*")), NOWHERE, "used", "observed"),
    ("and never proves silence", ONLY_LOGS.but(generated=generated(), log_sources=(), logs=()), WRITE, "undetermined", "noQualifyingSource"),
    # Required sources
    ("a gap in one Region", WORLD.but(logs=(logs(covered=GAP | WHOLE),)), WRITE, "undetermined", "logGap"),
    ("is none for global services", WORLD.but(logs=(logs(covered=GAP | WHOLE),)), GLOBAL, "unused", "silent"),
    ("a gap in their Region is", WORLD.but(logs=(logs(covered={**logs().covered, "us-east-1": ()}),)), GLOBAL, "undetermined", "logGap"),
    ("an enabled Region that is not read", WORLD.but(logs=(logs(regions=(*REGIONS, "eu-north-1"), covered=logs().covered),)), WRITE, "undetermined", "logGap"),
    ("Regions that are unknown", WORLD.but(logs=(logs(regions=None, covered=logs().covered),)), GLOBAL, "undetermined", "logsUnavailable"),
    ("no Region at all", WORLD.but(logs=(logs(regions=(), covered={}),)), WRITE, "undetermined", "logsUnavailable"),
    ("a source without a word", WORLD.but(logs=()), WRITE, "undetermined", "logsUnavailable"),
    ("a source that failed", WORLD.but(logs=(logs(state=SourceState(LOGS, OFF, "Denied", "no")),)), WRITE, "undetermined", "logsUnavailable"),
    ("a second required source with a gap", WORLD.but(log_sources=(LOGS, "b"), logs=(logs(), logs("b", covered={})), required=frozenset({LOGS, "b"})), WRITE, "undetermined", "logGap"),
    ("which is no matter if it is not required", WORLD.but(log_sources=(LOGS, "b"), logs=(logs(), logs("b", covered={}))), WRITE, "unused", "silent"),
    ("nor if it selects other events", WORLD.but(log_sources=(LOGS, "b"), logs=(logs(), logs("b", covered={}, management=ManagementSelection())), required=frozenset({LOGS, "b"})), WRITE, "unused", "silent"),
    ("reads are not selected", WORLD.but(logs=writes()), READ, "undetermined", "managementEventsNotSelected"),
    ("writes are", WORLD.but(logs=writes()), WRITE, "unused", "silent"),
    ("what may be a write needs both", WORLD.but(logs=reads()), EITHER, "undetermined", "managementEventsNotSelected"),
    ("or a read", WORLD.but(logs=writes()), EITHER, "undetermined", "managementEventsNotSelected"),
    ("an event source is left out", WORLD.but(logs=(logs(management=ManagementSelection(True, True, frozenset({"ec2.amazonaws.com"}))),)), WRITE, "undetermined", "managementEventsNotSelected"),
    ("data events are not selected", WORLD.but(logs=(logs(data_types=frozenset()),)), DATA, "undetermined", "dataEventsNotSelected"),
    ("data events are", WORLD, DATA, "unused", "silent"),
    ("CloudTrail has no event", WORLD, NEVER, "undetermined", "notObservable"),
    ("no operation has the name", WORLD, PERMISSION_ONLY, "undetermined", "notObservable"),
    ("last-accessed data never came", WORLD.but(access=None, access_state=None), WRITE, "undetermined", "lastAccessedUnavailable"),
    ("it is old", WORLD.but(access_state=State.PARTIAL), WRITE, "undetermined", "lastAccessedUnavailable"),
    ("older than the end of the lookback", WORLD.but(access=replace(SILENT_ACCESS, collected_at=WINDOW.end - DAY)), WRITE, "undetermined", "lastAccessedUnavailable"),
    ("it does not list the service", WORLD.but(access=access(iam=None)), WRITE, "undetermined", "serviceNotReported"),
    ("a generation that is required", WORLD.but(required=WORLD.required | {GENERATION}, generation_state=OFF), WRITE, "undetermined", "policyGenerationIncomplete"),
    ("is no matter for other roles", WORLD.but(required=WORLD.required | {GENERATION}), WRITE, "unused", "silent"),
    # Age
    ("a young role", WORLD.but(created_at=WINDOW.start + DAY), WRITE, "undetermined", "roleYoungerThanLookback"),
    ("one of the first moment", WORLD.but(created_at=WINDOW.start), WRITE, "unused", "silent"),
    ("a young grant", WORLD.but(ages={"inline/p": GrantAge(Age.YOUNG, IN)}), WRITE, "undetermined", "grantYoungerThanLookback"),
    ("a grant of unknown age", WORLD.but(ages={"inline/p": GrantAge(Age.UNKNOWN)}), WRITE, "undetermined", "grantAgeUnknown"),
    # Vetoes
    ("an event that nobody can name", WORLD.but(unmapped=(unmapped("ec2"),)), WRITE, "undetermined", "unmappedEvent"),
    ("is of its service only", WORLD.but(unmapped=(unmapped("ec2"),)), GLOBAL, "unused", "silent"),
    ("and counts as long as uses do", WORLD.but(unmapped=(unmapped("ec2", BEFORE),)), WRITE, "undetermined", "unmappedEvent"),
    ("but no longer", WORLD.but(unmapped=(unmapped("ec2", ANCIENT),)), WRITE, "unused", "silent"),
    ("what a used action may need", WORLD.but(evidence=(used(RUN),)), TAGS, "undetermined", "dependentAction"),
    ("what an attempt may need", WORLD.but(evidence=(used(RUN, outcome="attempted"),)), TAGS, "undetermined", "dependentAction"),
    ("what the yearly job may need", WORLD.but(evidence=(used(RUN, BEFORE),)), TAGS, "undetermined", "dependentAction"),
    ("what a use by other grants may need", WORLD.but(policies=(inline("p", allow(TAGS)),), evidence=(used(RUN),)), TAGS, "undetermined", "dependentAction"),
    # Older use
    ("used before the lookback", WORLD.but(evidence=(used(WRITE, BEFORE),)), WRITE, "undetermined", "usedBeforeLookback"),
    ("attempted before it", WORLD.but(evidence=(used(WRITE, BEFORE, outcome="attempted"),)), WRITE, "undetermined", "usedBeforeLookback"),
    ("tracked before it", WORLD.but(access=access(iam=(BEFORE, {GLOBAL: BEFORE}))), GLOBAL, "undetermined", "usedBeforeLookback"),
    ("the service was, before it", WORLD.but(access=access(ec2=BEFORE)), WRITE, "undetermined", "usedBeforeLookback"),
    ("beyond memory", WORLD.but(evidence=(used(WRITE, ANCIENT),)), WRITE, "unused", "silent"),
    ("rare use goes", WORLD.but(evidence=(used(WRITE, BEFORE),), remove_rare=True), WRITE, "unused", "usedBeforeLookback"),
    ("if silence is proven", WORLD.but(evidence=(used(WRITE, BEFORE),), remove_rare=True, logs=(logs(covered={}),)), WRITE, "undetermined", "logGap"),
    # Qualifying sources
    ("logs alone", ONLY_LOGS, WRITE, "unused", "silent"),
    ("a service that was never attempted", ONLY_ACCESS, WRITE, "unused", "silent"),
    ("a tracked action that never was", ONLY_ACCESS.but(access=access(iam=(IN, {GLOBAL: None}))), GLOBAL, "unused", "silent"),
    ("one that was long ago", ONLY_ACCESS.but(access=access(iam=(IN, {GLOBAL: ANCIENT}))), GLOBAL, "unused", "silent"),
    ("an action that is not tracked", ONLY_ACCESS.but(access=access(ec2=(IN, {RUN: None}))), WRITE, "undetermined", "noQualifyingSource"),
    ("a service attempted long ago", ONLY_ACCESS.but(access=access(ec2=ANCIENT)), WRITE, "undetermined", "noQualifyingSource"),
    ("PassRole has no event", ONLY_ACCESS, PERMISSION_ONLY, "undetermined", "noQualifyingSource"),
    ("nor have others", ONLY_ACCESS, NEVER, "undetermined", "noQualifyingSource"),
    ("an old answer proves no silence", ONLY_ACCESS.but(access=replace(SILENT_ACCESS, collected_at=WINDOW.end - DAY), required=frozenset()), WRITE, "undetermined", "noQualifyingSource"),
    ("no source at all", ONLY_ACCESS.but(access=None, access_state=None, required=frozenset()), WRITE, "undetermined", "noQualifyingSource"),
    # Masked and unknown access
    ("a full Deny", WORLD.but(policies=(inline("p", allow(WRITE), deny(WRITE)),)), WRITE, "masked", "masked"),
    ("masks though it was used", WORLD.but(policies=(inline("p", allow(WRITE), deny(WRITE)),), evidence=(used(WRITE),)), WRITE, "masked", "masked"),
    ("a Deny of some resources", WORLD.but(policies=(inline("p", allow(WRITE), deny(WRITE, resource="arn:aws:ec2:::x")),)), WRITE, "unused", "silent"),
    ("a Deny under conditions", WORLD.but(policies=(inline("p", allow(WRITE), deny(WRITE, Condition={"Bool": {"a:b": "true"}})),)), WRITE, "unused", "silent"),
    ("a boundary", WORLD.but(boundary=managed("b", allow(READ))), WRITE, "masked", "masked"),
    ("an SCP", WORLD.but(scps=((document_of(allow(READ)),),)), WRITE, "masked", "masked"),
    ("a boundary that is unknown", WORLD.but(boundary=Policy("b", "customer", None, arn="arn:aws:iam::111111111111:policy/b")), WRITE, "undetermined", "policyUnknown"),
    ("a policy that is unknown", WORLD.but(policies=(*WORLD.policies, Policy("q", "inline", None))), WRITE, "undetermined", "policyUnknown"),
    ("but a use is a use", WORLD.but(policies=(*WORLD.policies, Policy("q", "inline", None)), evidence=(used(WRITE),)), WRITE, "used", "observed"),
]  # fmt: skip


@pytest.mark.parametrize(("world", "action", "verdict", "reason"), [r[1:] for r in TABLE], ids=[r[0] for r in TABLE])
def test_the_table(world, action, verdict, reason):
    assert world.verdicts()[action] == (verdict, reason)


def test_a_young_grant_beside_an_old_one():
    """Only where the old one allows the action everywhere could it have been used for the whole lookback."""
    young = {"inline/new": GrantAge(Age.YOUNG, IN)}
    for old, verdict in (
        (allow(WRITE), "unused"),
        (allow("ec2:*"), "unused"),
        (allow(WRITE, resource="arn:aws:ec2:*:*:instance/a"), "undetermined"),
        (allow(WRITE, Condition={"Bool": {"a:b": "true"}}), "undetermined"),
    ):
        world = WORLD.but(policies=(inline("p", old), inline("new", allow(WRITE))), ages=young)
        assert world.verdicts()[WRITE][0] == verdict, old


def finding(world, action):
    return next(f for f in world.assess().findings if f.bits & KNOWN.expand(action))


def test_details_say_what_people_can_wait_for():
    young = WORLD.but(ages={"inline/p": GrantAge(Age.YOUNG, datetime(2026, 6, 1, tzinfo=UTC))})
    assert finding(young, WRITE).detail == "changed on 2026-06-01, known from 2026-08-31 on"
    unknown = WORLD.but(ages={"inline/p": GrantAge(Age.UNKNOWN, datetime(2026, 6, 1, 0, 1, tzinfo=UTC))})
    assert finding(unknown, WRITE).detail == "seen since 2026-06-01, known from 2026-09-01 on"
    rare = WORLD.but(evidence=(used(WRITE, BEFORE), used(RUN, BEFORE - DAY), used(WRITE, BEFORE - 9 * DAY)))
    assert finding(rare, WRITE).detail == f"last on {BEFORE:%Y-%m-%d}"
    assert finding(rare, RUN).detail == f"last on {BEFORE - DAY:%Y-%m-%d}"
    assert "BrandNewCall" in finding(WORLD.but(unmapped=(unmapped("ec2"),)), WRITE).detail


def test_the_sources_are_those_that_saw_or_could_have_seen():
    assert finding(WORLD, WRITE).sources == (LOGS, LAST_ACCESSED)
    assert finding(WORLD.but(access=access(ec2=IN)), WRITE).sources == (LOGS,)
    both = WORLD.but(evidence=(used(GLOBAL),), access=access(iam=(IN, {GLOBAL.lower(): IN})))
    assert finding(both, GLOBAL).sources == (LOGS, LAST_ACCESSED)


def test_unreadable_policies_leave_evidence_incomplete_even_without_a_known_action():
    nothing = WORLD.but(policies=(Policy("q", "inline", None),)).assess()
    assert nothing.counts.granted == 0
    assert evidence_incomplete(nothing) == {"policyUnknown": 0}
    assert evidence_incomplete(WORLD.but(policies=()).assess()) == {}


def test_which_reasons_mean_that_a_required_source_did_not_deliver():
    assert evidence_incomplete(WORLD.but(logs=()).assess()) == {"logsUnavailable": 7}
    # An event without a name does not hide the gap beside it.
    assert "logGap" in evidence_incomplete(WORLD.but(unmapped=(unmapped("ec2"),), logs=(logs(covered={}),)).assess())
    assert evidence_incomplete(WORLD.assess()) == {}
    assert undetermined_by_reason(WORLD.assess()) == {"notObservable": 2, "unknownAction": 1}


# Properties over many worlds

TIMES = [WINDOW.end + DAY, IN, WINDOW.start, WINDOW.start - timedelta(seconds=1), BEFORE, WINDOW.memory, ANCIENT]
STATEMENTS = [
    allow(*ALL),
    allow("ec2:*"),
    allow(WRITE, DATA),
    allow("sqs:*", "apigateway:*"),
    allow(NOWHERE, "nosuch:*", READ),
    allow(RUN, TAGS, resource="arn:aws:ec2:*:*:instance/a"),
    deny(WRITE),
    deny("s3:*"),
    deny(READ, resource="arn:aws:ec2:*:*:instance/a"),
    deny("nosuch:*"),
]
times = st.sampled_from(TIMES)
actions = st.sampled_from([*ALL, NOWHERE, "s3:PutObject", "sqs:SendMessage", "ec2:NoSuchThing"])
evidence = st.builds(
    used,
    actions,
    times,
    outcome=st.sampled_from(["used", "used", "attempted", "denied"]),
    source=st.sampled_from([LOGS, "b"]),
)
services = st.dictionaries(
    st.sampled_from(["ec2", "s3", "iam", "apigateway", "cloudwatch", "sqs"]),
    st.tuples(st.none() | times, st.dictionaries(actions, st.none() | times, max_size=3)),
    max_size=6,
)
answers = services.map(lambda found: access(**found))


@st.composite
def log_coverages(draw, source):
    covered = {}
    for region in REGIONS:
        spans = draw(st.sampled_from(["whole", "whole", "whole", "gap", "none"]))
        if spans != "none":
            covered[region] = ((WINDOW.start, WINDOW.end),) if spans == "whole" else GAP["eu-west-1"]
    excluded = draw(st.sampled_from([frozenset(), frozenset({"ec2.amazonaws.com"})]))
    management = ManagementSelection(draw(st.booleans()) or draw(st.booleans()), draw(st.booleans()), excluded)
    data_types = draw(st.sampled_from([frozenset(), frozenset({"AWS::S3::Object"})]))
    state = draw(st.sampled_from([None, None, None, SourceState(source, OFF, "Denied", "no")]))
    regions = draw(st.sampled_from([REGIONS, REGIONS, REGIONS, None, ()]))
    return logs(source, regions, covered=covered, management=management, data_types=data_types, state=state)


@st.composite
def worlds(draw):
    texts = draw(st.lists(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=3), min_size=1, max_size=3))
    policies = tuple(inline(f"p{i}", *text) for i, text in enumerate(texts))
    if draw(st.integers(0, 9)) == 0:
        policies = (*policies, Policy("unknown", "inline", None))
    age = st.sampled_from([GrantAge(Age.OLD), GrantAge(Age.OLD), GrantAge(Age.YOUNG, IN), GrantAge(Age.UNKNOWN)])
    sources = draw(st.sampled_from([(), (LOGS,), (LOGS,), (LOGS, "b")]))
    required = {s for s in (*sources, LAST_ACCESSED, GENERATION) if draw(st.booleans())}
    return World(
        policies=policies,
        boundary=draw(
            st.sampled_from([None, None, managed("b", allow("*")), managed("b", allow("ec2:*", "nosuch:*"))])
        ),
        scps=draw(st.sampled_from([(), (), ((document_of(allow("*"), deny("iam:*")),),)])),
        created_at=draw(st.sampled_from([datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), IN])),
        evidence=tuple(draw(st.lists(evidence, max_size=5))),
        unmapped=tuple(draw(st.lists(st.builds(unmapped, st.sampled_from(["ec2", "s3"]), times), max_size=1))),
        access=draw(st.none() | answers | st.just(SILENT_ACCESS)),
        access_state=draw(st.sampled_from([State.COMPLETE, State.COMPLETE, State.PARTIAL, None])),
        generated=draw(st.none() | st.lists(actions, max_size=2).map(lambda a: generated(*a))),
        generation_state=draw(st.sampled_from([None, State.COMPLETE, OFF])),
        log_sources=sources,
        logs=tuple(draw(log_coverages(source)) for source in sources if draw(st.integers(0, 5))),
        required=frozenset(required),
        ages={p.key: draw(age) for p in policies},
        remove_rare=draw(st.booleans()),
    )


@given(worlds())
def test_every_granted_action_has_exactly_one_verdict(world):
    result, access_ = world.assess(), world.granted
    by_name = world.verdicts()  # fails where an action has two
    masked = {name for name, (verdict, _) in by_name.items() if verdict == "masked"}
    names = {*KNOWN.names_of(access_.granted | access_.masked), *access_.granted_unknown, *access_.masked_unknown}
    assert set(by_name) == names
    assert masked == {*KNOWN.names_of(access_.masked), *access_.masked_unknown}
    numbers = {v.value: sum(1 for verdict, _ in by_name.values() if verdict == v) for v in Verdict}
    assert {v.value: getattr(result.counts, v.value) for v in Verdict} == numbers
    assert result.counts.granted + result.counts.masked == len(names)
    assert result.counts.reduction_percentage == round(100 * numbers["unused"] / max(result.counts.granted, 1), 1)
    assert sum(undetermined_by_reason(result).values()) == numbers["undetermined"]


@given(worlds(), actions, st.sampled_from([IN, WINDOW.start, WINDOW.end + DAY]), st.sampled_from([LOGS, "x"]))
def test_any_observation_makes_used_and_nothing_else_unused(world, action, at, source):
    before, after = world.verdicts(), world.but(evidence=(*world.evidence, used(action, at, source=source))).verdicts()
    for name, (verdict, _) in after.items():
        if name == action:
            assert verdict in ("used", "masked")
        assert verdict != "unused" or before[name][0] == "unused"
        assert (verdict == "masked") == (before[name][0] == "masked")


def weakened(world, data):
    """The world with one thing less known, or one failure or event more."""
    draw = data.draw
    more = draw(
        st.sampled_from(
            [
                "source",
                "log",
                "access",
                "service",
                "unmapped",
                "attempted",
                "older",
                "age",
                "created",
                "policy",
                "generation",
            ]
        )
    )
    if more == "source":
        return world.but(log_sources=(*world.log_sources, "new"), required=world.required | {"new"})
    if more == "log" and world.logs:
        at = draw(st.integers(0, len(world.logs) - 1))
        log = world.logs[at]
        selection = log.management
        weaker = draw(
            st.sampled_from(
                [
                    None,
                    replace(log, regions=None),
                    replace(log, regions=(*(log.regions or ()), "eu-north-1")),
                    replace(log, covered={**log.covered, "us-east-1": ()}),
                    replace(log, covered={**log.covered, **GAP}),
                    replace(log, covered={r: s[:1] for r, s in log.covered.items()}),
                    replace(log, management=replace(selection, read=False)),
                    replace(log, management=replace(selection, write=False)),
                    replace(log, management=replace(selection, excluded_sources=frozenset({"iam.amazonaws.com"}))),
                    replace(log, data_types=frozenset()),
                    replace(log, state=SourceState(log.source, OFF, "Throttled", "later")),
                ]
            )
        )
        if weaker is not None and log.regions == () and weaker.regions:
            weaker = None  # a Region more where there was none would be something known
        kept = [*world.logs[:at], *([weaker] if weaker else []), *world.logs[at + 1 :]]
        return world.but(logs=tuple(kept))
    if more == "access":
        state = draw(st.sampled_from([State.PARTIAL, OFF, None]))
        # Where nobody requires it, what it saw may go with it; so there it only gets old.
        gone = LAST_ACCESSED in world.required and draw(st.booleans())
        return world.but(access=None if gone else world.access, access_state=state)
    if more == "service" and world.access is not None and LAST_ACCESSED in world.required:
        kept = dict(list(world.access.services.items())[1:])
        return world.but(access=replace(world.access, services=kept))
    if more == "unmapped":
        return world.but(unmapped=(*world.unmapped, unmapped(draw(st.sampled_from(["ec2", "iam"])), draw(times))))
    if more in ("attempted", "older"):
        outcome = "attempted" if more == "attempted" else "used"
        return world.but(evidence=(*world.evidence, used(draw(actions), draw(times), outcome=outcome)))
    if more == "age":
        age = draw(st.sampled_from([GrantAge(Age.UNKNOWN), GrantAge(Age.YOUNG, IN)]))
        return world.but(ages={**world.ages, draw(st.sampled_from(sorted(world.ages))): age})
    if more == "created":
        return world.but(created_at=IN)
    if more == "policy":
        return world.but(policies=(*world.policies, Policy("lost", "inline", None)))
    return world.but(required=world.required | {GENERATION}, generation_state=OFF)


@given(worlds(), st.data())
def test_knowing_less_never_makes_unused(world, data):
    before, after = world.unused(), weakened(world, data).unused()
    assert after <= before


@given(worlds())
def test_verdicts_are_those_of_the_rules_read_action_by_action(world):
    found = world.verdicts()
    for name in (*ALL, NOWHERE, "nosuch:*", "s3:PutObject", "sqs:SendMessage", "ec2:CreateVpc"):
        if name in found:
            assert found[name][0] == by_the_rules(world, name), (name, found[name])


def by_the_rules(world, name):
    """Semantics section 1 once more, for one action, as plainly as it is written."""
    bit, access_ = KNOWN.expand(name), world.granted
    if bit & access_.masked or name in access_.masked_unknown:
        return "masked"

    def meant(action):
        return action.lower() == name.lower() or (
            not bit and name == "nosuch:*" and action.lower().startswith("nosuch:")
        )

    # The same action in any spelling.
    mine = [e for e in world.evidence if meant(e.action)]
    tracked = [t for s in (world.access.services.values() if world.access else ()) for t in s.actions.values()]
    mine_tracked = [t for t in tracked if meant(t.action)]
    if any(e.outcome == "used" and e.last >= WINDOW.start for e in mine):
        return "used"
    if any(t.last is not None and t.last >= WINDOW.start for t in mine_tracked):
        return "used"
    if world.generated and any(meant(a) for a in world.generated.actions):
        return "used"
    if not access_.known or not bit:
        return "undetermined"
    # A required source is not complete for the action and the whole lookback.
    prefix = name.split(":")[0].lower()
    answered = world.access is not None and world.access_state is State.COMPLETE and prefix in world.access.services
    if LAST_ACCESSED in world.required and not answered:
        return "undetermined"
    if GENERATION in world.required and world.generation_state is OFF:
        return "undetermined"
    reports = {log.source: log for log in world.logs}
    required = [s for s in world.log_sources if s in world.required]
    if required:
        shown = [shows(reports.get(source), name) for source in required]
        if "incomplete" in shown or "complete" not in shown:
            return "undetermined"
    # Role or grant is younger than the lookback.
    if world.created_at > WINDOW.start or not old_enough(world, bit):
        return "undetermined"
    # What may have been a use, now or within memory.
    since = WINDOW.start if world.remove_rare else WINDOW.memory
    if any(e.outcome == "attempted" and e.last >= since for e in mine):
        return "undetermined"
    if any(prefix in u.services and u.last >= since for u in world.unmapped):
        return "undetermined"
    maybe = [e.action for e in world.evidence if e.outcome != "denied" and e.last >= since]
    maybe += [t.action for t in tracked if t.last is not None and t.last >= since]
    maybe += world.generated.actions if world.generated else ()
    if any(name in SEEN.dependent_actions(action) for action in maybe):
        return "undetermined"
    service = world.access.services.get(prefix) if world.access else None
    dates = [e.last for e in mine if e.outcome != "denied"] + [t.last for t in mine_tracked if t.last]
    dates += [service.last] if service and service.last and name.lower() not in _lower(service.actions) else []
    if not world.remove_rare and any(WINDOW.memory <= at < WINDOW.start for at in dates):
        return "undetermined"
    # A qualifying source could have seen it and did not.
    if any(shows(reports.get(source), name) == "complete" for source in world.log_sources):
        return "unused"
    in_service = service.actions.get(name) if service else None
    if any(t.last is None or t.last < WINDOW.start for t in mine_tracked):
        return "unused"
    if service and service.last is None and in_service is None and SEEN.visibility(name).kind in ("management", "data"):
        return "unused"
    return "undetermined"


def _lower(names):
    return {n.lower() for n in names}


def shows(log, name):
    """Whether one log source shows the action: complete, incomplete, or not (selected)."""
    seen = SEEN.visibility(name)
    if seen.kind not in ("management", "data"):
        return "not"
    if log is None or not log.regions or log.state is not None:
        return "incomplete"
    if seen.kind == "data":
        selected = seen.data_type in log.data_types
    else:
        wanted = {"read"} if seen.read_only and seen.read_only_certain else {"write"}
        wanted = {"read", "write"} if seen.read_only and not seen.read_only_certain else wanted
        logged = {kind for kind in ("read", "write") if getattr(log.management, kind)}
        selected = wanted <= logged and seen.event_source not in log.management.excluded_sources
    if not selected:
        return "not"
    regions = ["us-east-1"] if seen.kind == "management" and seen.global_service else log.regions
    return "complete" if all(log.covered.get(r) == ((WINDOW.start, WINDOW.end),) for r in regions) else "incomplete"


def old_enough(world, bit):
    """Every grant of the action is old, or an old one allows it everywhere and always."""
    grants = []
    for policy in world.policies:
        alone = world.but(policies=(policy,), boundary=None, scps=()).granted
        if policy.document and bit & alone.by_policy[policy.key]:
            everywhere = any(
                s["Effect"] == "Allow"
                and s["Resource"] == "*"
                and bit & World(policies=(inline("x", s),)).granted.granted
                for s in _statements(policy)
            )
            grants.append((world.ages[policy.key].age is Age.OLD, everywhere))
    return all(old for old, _ in grants) or any(old and everywhere for old, everywhere in grants)


def _statements(policy):
    import json

    return json.loads(policy.document)["Statement"]


# Counts, exemptions, thresholds


def exemption(*actions_, roles=(), expires="2026-06-30"):
    return Exemption.model_validate(
        {"roles": list(roles), "actions": list(actions_), "owner": "o", "reason": "r", "expires": expires}
    )


@pytest.mark.parametrize(
    ("given_exemptions", "exempted"),
    [
        ([exemption(WRITE)], {WRITE}),
        ([exemption("ec2:*", "iam:*")], {WRITE, READ, RUN, TAGS, GLOBAL}),
        ([exemption(WRITE, roles=["a?p"])], {WRITE}),
        ([exemption(WRITE, roles=["APP"])], set()),
        ([exemption(WRITE, roles=["arn:aws:iam::111111111111:role/app"])], {WRITE}),
        ([exemption(WRITE, roles=["arn:aws:iam::111111111111:role/app2", "b*"])], set()),
        ([exemption(WRITE, expires="2026-06-29")], set()),
        # Only what is unused can be exempted.
        ([exemption("*")], {WRITE, READ, EITHER, GLOBAL, DATA, RUN, TAGS}),
    ],
)
def test_exemptions(given_exemptions, exempted):
    result = WORLD.but(exemptions=tuple(given_exemptions), thresholds=Thresholds(unused_actions=0)).assess()
    assert set(KNOWN.names_of(result.exempted_bits)) == exempted
    assert result.exempted == len(exempted)
    assert distances(result, Thresholds(unused_actions=0))["unusedActions"] == 7 - len(exempted)
    assert result.unused_privileged == int(GLOBAL not in exempted)
    assert result.counts.unused == 7


@pytest.mark.parametrize(
    ("thresholds", "over"),
    [
        ({"unused_actions": 7}, ()),
        ({"unused_actions": 6}, ("unusedActions",)),
        ({"unused_share": 70}, ()),
        # 7 of 10 are 70 percent: over by however little is over.
        ({"unused_share": 69.99}, ("unusedShare",)),
        ({"unused_privileged_actions": 1}, ()),
        ({"unused_privileged_actions": 0}, ("unusedPrivilegedActions",)),
        ({"grant_drift": 1}, ()),
        ({"grant_drift": 0}, ("grantDrift",)),
        ({}, ()),
    ],
)
def test_thresholds(thresholds, over):
    none = {"unused_privileged_actions": None, "grant_drift": None}
    drift = GrantDrift(additions=("Allow x:y on *",))
    result = WORLD.but(thresholds=Thresholds(**{**none, **thresholds}), drift=drift).assess()
    assert (result.counts.unused, result.counts.granted) == (7, 10)
    assert result.out_of_line == over


def test_rare_use_is_counted_apart_either_way():
    rare = WORLD.but(evidence=(used(WRITE, BEFORE), used(RUN, BEFORE), used(GLOBAL)))
    for world, verdict in ((rare, "undetermined"), (rare.but(remove_rare=True), "unused")):
        assert rare_use(world.assess()) == 2
        assert world.verdicts()[WRITE][0] == verdict


def test_the_brief_s_figure_is_current_minus_generated():
    world = WORLD.but(generated=generated("ec2:*", "nosuch:Thing"))
    current, named, unused, share = generated_difference(world.generated, world.granted, KNOWN)
    assert (current, named, unused, share) == (10, KNOWN.service("ec2").bit_count(), 5, 50.0)
    assert world.assess().generated_difference == (current, named, unused, share)
    assert generated_difference(None, world.granted, KNOWN) is None


def test_what_is_used_without_a_grant_is_listed_apart():
    world = WORLD.but(
        policies=(inline("p", allow(WRITE, "nosuch:*"), deny(READ)),),
        evidence=(
            used(WRITE),
            used(DATA),
            used("nosuch:Thing"),
            used(GLOBAL, BEFORE),
            used("x:Y"),
            used(RUN, outcome="denied"),
        ),
    )
    result = world.assess()
    assert result.used_not_granted == (DATA, "x:Y")
    assert result.denied == (RUN,)


@pytest.mark.parametrize(("remove_rare", "kept"), [(False, [WRITE, READ, RUN]), (True, [WRITE, RUN])])
def test_what_a_plan_must_leave_possible(remove_rare, kept):
    evidence_ = (
        used(WRITE),
        used(READ, BEFORE),
        used(GLOBAL, ANCIENT),
        used(RUN, outcome="attempted"),
        used(TAGS, outcome="denied"),
    )
    result = WORLD.but(evidence=evidence_, remove_rare=remove_rare).assess()
    assert [e.action for e in result.uses] == kept
    removable = KNOWN.names_of(result.bits(Verdict.UNUSED))
    assert not set(kept) & set(removable)
