"""Twins: what one role uses is kept for all that share its policy or tag, and nothing else changes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.api.baseline import Pool
from plumbline.assess.pools import USED_BY_TWIN, Member, pooled
from plumbline.iam.granted import granted
from plumbline.model.assessment import Finding, Verdict
from plumbline.model.snapshot import Policy
from tests.iam.policies import allow, inline
from tests.reconcile.facts import POLICY, READ, WRITE, Line, a_role

AWS = Policy("ReadOnly", "aws", POLICY.document, "arn:aws:iam::aws:policy/ReadOnly")
OTHER = inline("q", allow(READ, WRITE, "s3:GetObject"))


def unused(line):
    return {
        a.principal.name: (a.counts.used, a.counts.unused, a.counts.undetermined) for a in line.result().assessments
    }


def two(first, second, pool, used):
    return Line(roles=(first, second), used={first.name: used}, spec={"pool": pool} if pool else {})


BY_POLICY, BY_TAG = {"by": "policy"}, {"by": "tag", "tag": "app"}
TAGGED = {"tags": {"app": "x"}}
# (busy, quiet, pool) -> used, unused and undetermined of the quiet role
CASES = {
    "no pool": (a_role("busy"), a_role("quiet"), None, (0, 2, 0)),
    "the same policy": (a_role("busy"), a_role("quiet"), BY_POLICY, (0, 1, 1)),
    "another name of the policy": (a_role("busy"), a_role("quiet", replace(POLICY, name="r")), BY_POLICY, (0, 1, 1)),
    "another policy": (a_role("busy"), a_role("quiet", OTHER), BY_POLICY, (0, 3, 0)),
    "the same AWS managed policy": (a_role("busy", AWS), a_role("quiet", AWS), BY_POLICY, (0, 2, 0)),
    "the same tag": (a_role("busy", **TAGGED), a_role("quiet", OTHER, **TAGGED), BY_TAG, (0, 2, 1)),
    "another value": (a_role("busy", **TAGGED), a_role("quiet", tags={"app": "y"}), BY_TAG, (0, 2, 0)),
    "no tag": (a_role("busy"), a_role("quiet"), BY_TAG, (0, 2, 0)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_quiet_role_keeps(case):
    busy, quiet, pool, expected = CASES[case]
    found = unused(two(busy, quiet, pool, [READ]))
    assert found["quiet"] == expected
    assert found["busy"] == unused(two(busy, quiet, None, [READ]))["busy"]


def test_the_reason_names_the_twin_and_the_plan_keeps_the_action():
    line = two(a_role("busy"), a_role("quiet"), BY_POLICY, [READ])
    quiet = next(a for a in line.result().assessments if a.principal.name == "quiet")
    (finding,) = [f for f in quiet.findings if f.reason == USED_BY_TWIN]
    assert finding.detail == f"used by {a_role('busy').arn}"
    (proposal,) = [p for p in line.proposed() if p.proposal.spec.role_arn.endswith("quiet")]
    texts = list(proposal.documents.values())
    assert [text for text in texts if READ in text and WRITE not in text]


@pytest.mark.parametrize(("by", "tag"), [("tag", ""), ("policy", "app")])
def test_a_pool_that_contradicts_itself_is_refused(by, tag):
    with pytest.raises(ValueError, match="set or remove tag"):
        Pool(by=by, tag=tag)


VERDICTS = st.sampled_from([Verdict.USED, Verdict.UNUSED, Verdict.UNDETERMINED, Verdict.MASKED])


@given(st.lists(st.tuples(st.lists(VERDICTS, min_size=4, max_size=4), st.sampled_from("xy")), max_size=5))
def test_only_unused_actions_that_a_twin_uses_move(drawn):
    """Four actions of up to five roles in two pools."""
    members = []
    for number, (judged, value) in enumerate(drawn):
        role = a_role(f"r{number}", tags={"app": value})
        findings = tuple(Finding(verdict, "x", 1 << at) for at, verdict in enumerate(judged))
        members.append(Member(role, granted(role, ()), findings))
    found = pooled(members, Pool(by="tag", tag="app"))
    for number, (judged, value) in enumerate(drawn):
        after = {f.bits: f for f in found[members[number].principal.arn]}
        assert set(after) == {1 << at for at in range(4)}
        for at, verdict in enumerate(judged):
            twins = [o[0][at] for n, o in enumerate(drawn) if n != number and o[1] == value]
            moves = verdict is Verdict.UNUSED and Verdict.USED in twins
            assert after[1 << at].verdict is (Verdict.UNDETERMINED if moves else verdict)
            assert (after[1 << at].reason == USED_BY_TWIN) == moves
