"""Drawings of any hops and any evidence: bounded, within their frame, and nothing is left out without being counted."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.reach import Hop
from plumbline.assess.window import Window
from plumbline.dashboard.coverage import SourceView
from plumbline.dashboard.paths_graph import DEPTH, HEIGHT, MOST, WIDTH, drawing
from plumbline.dashboard.timeline import timeline
from plumbline.model.evidence import (
    Evidence,
    LastAccessed,
    PrincipalUsage,
    ServiceAccess,
    TrackedAction,
    UnusedAccess,
)
from tests.reconcile.facts import a_role

NAMES = [f"arn:aws:iam::111111111111:role/{name}" for name in "abcdefghijklmno"] + ["*", "lambda.amazonaws.com"]
pairs = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES[:-2])), max_size=60, unique=True)
statuses = st.sampled_from(["confirmed", "conditional", "unconfirmed"])


def sides(hops):
    into, out = {}, {}
    for hop in hops:
        into.setdefault(hop.target, []).append(hop)
        out.setdefault(hop.source, []).append(hop)
    return into, out


@given(pairs, st.data())
def test_any_graph_is_drawn_within_its_frame(found, data):
    hops = [Hop(s, t, "trust", (), data.draw(statuses)) for s, t in found if s != t]
    into, out = sides(hops)
    drawn = drawing(NAMES[0], into, out)
    if drawn is None:
        assert not into.get(NAMES[0])
        assert not out.get(NAMES[0])
        return
    places = {(node.x, node.y) for node in drawn.nodes}
    assert len(places) == len(drawn.nodes)
    columns = {}
    for node in drawn.nodes:
        assert 0 <= node.x <= drawn.width - WIDTH
        assert 0 <= node.y <= drawn.height - HEIGHT
        columns.setdefault(node.x, []).append(node.y)
    assert len(columns) <= 2 * DEPTH + 1
    for rows in columns.values():
        assert len(rows) <= MOST + 1
        assert all(b - a >= HEIGHT for a, b in zip(sorted(rows), sorted(rows)[1:], strict=False))
    more = sum(int(node.title.split()[0].replace(",", "")) for node in drawn.nodes if node.kind == "more")
    named = [node for node in drawn.nodes if node.kind not in ("more", "focus")]
    assert len(named) + more == drawn.into + drawn.out
    direct = {hop.source for hop in into.get(NAMES[0], ())}
    assert {node.name for node in named} >= direct or len(direct) > MOST
    assert len(drawn.edges) >= len(named)


@given(pairs, st.randoms())
def test_the_same_hops_give_the_same_drawing(found, random):
    hops = [Hop(s, t, "trust", (), "confirmed") for s, t in found if s != t]
    one = drawing(NAMES[0], *sides(sorted(hops)))
    random.shuffle(hops)
    into, out = sides(hops)
    other = drawing(NAMES[0], *({name: sorted(some) for name, some in side.items()} for side in (into, out)))
    assert one == other


DAY = datetime(2026, 6, 30, tzinfo=UTC)
WINDOW = Window.of(DAY.date(), 90, timedelta(days=400))
times = st.integers(-500, 2).map(lambda n: DAY + timedelta(days=n))
intervals = st.lists(st.tuples(times, times).map(sorted).filter(lambda i: i[0] < i[1]), max_size=4)


@given(st.lists(st.tuples(times, times, st.sampled_from(["used", "attempted", "denied"])), max_size=20), intervals)
def test_any_evidence_is_drawn_within_its_frame_and_told_in_the_table(found, covered):
    evidence = tuple(
        Evidence("r", None, f"s{number % 5}:A", outcome, "logs", min(a, b), max(a, b))
        for number, (a, b, outcome) in enumerate(found)
    )
    merged = tuple((a, b) for a, b in sorted(covered))
    source = SourceView("logs", "partial", "", "", merged)
    line = timeline(a_role(), PrincipalUsage(evidence), WINDOW, (source,), ())
    for row in (*line.coverage, *line.services):
        for span in row.spans:
            assert 0 <= span.low <= span.high <= 1
    assert len(line.seen) == len(evidence)
    shown = {row.name for row in line.services}
    assert shown == {one.action.partition(":")[0] for one in evidence if one.last >= line.start}


def test_dates_of_iam_and_of_findings_of_unused_access_are_told_with_their_source():
    at = {
        source: WINDOW.start + timedelta(days=days) for days, source in enumerate(("last-accessed", "unused-access"), 1)
    }
    said = {
        source: {"ec2": ServiceAccess("ec2", day, {"ec2:RunInstances": TrackedAction("ec2:RunInstances", day)})}
        for source, day in at.items()
    }
    usage = PrincipalUsage(
        last_accessed=LastAccessed("r", None, WINDOW.end, said["last-accessed"]),
        unused_access=UnusedAccess("r", "arn:analyzer", 90, WINDOW.start, services=said["unused-access"]),
    )
    line = timeline(a_role(), usage, WINDOW, (), ())
    assert [(one.action, one.last, one.source) for one in line.seen] == [
        ("ec2:RunInstances", at[source], source) for source in ("unused-access", "last-accessed")
    ]


@given(intervals)
def test_what_is_not_covered_is_drawn_as_a_gap(covered):
    merged = []
    for low, high in sorted(covered):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    source = SourceView("logs", "partial", "", "", tuple(merged))
    line = timeline(a_role(), PrincipalUsage(), WINDOW, (source,), ())
    gaps = [span for span in line.coverage[0].spans if span.kind == "gap"]
    length = line.end - line.start
    uncovered = (
        WINDOW.end
        - WINDOW.start
        - sum((max(timedelta(), min(high, WINDOW.end) - max(low, WINDOW.start)) for low, high in merged), timedelta())
    )
    assert abs(sum(span.high - span.low for span in gaps) * length - uncovered) < timedelta(seconds=1)


def test_service_accounts_are_told_by_name_and_cluster():
    role, eks = NAMES[0], "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
    sources = {
        f"{eks}/serviceaccount/payments/api": ("payments/api", "EKS 0123456789…6789ABCDEF"),
        f"{eks}/serviceaccount/*": ("any service account", "EKS 0123456789…6789ABCDEF"),
        "arn:aws:eks:eu-west-1:111111111111:cluster/prod/serviceaccount/web/a": ("web/a", "EKS prod"),
    }
    drawn = drawing(role, {role: [Hop(source, role, "federation", (), "conditional") for source in sources]}, {})
    assert {node.name: (node.title, node.subtitle) for node in drawn.nodes if node.kind == "workload"} == sources
