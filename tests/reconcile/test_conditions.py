"""Conditions after the rules of kstatus and of Flux, as properties of what our status builders give.

https://github.com/fluxcd/pkg/blob/main/runtime/conditions/check/fail.go
https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from plumbline.api.baseline import BaselineStatus
from plumbline.model.coverage import State
from plumbline.model.snapshot import Account
from plumbline.reconcile.conditions import Fact, conditions, stalled
from tests.api.crd_checker import refusals
from tests.assess.world import ACCOUNT, logs
from tests.reconcile.facts import DAY, NOW, READ, WRITE, Line, a_baseline, a_role

TYPES = ["Ready", "Compliant", "EvidenceComplete", "Stalled", "Superseded"]
fact = st.builds(
    Fact,
    st.sampled_from(TYPES),
    st.sampled_from(["True", "False", "Unknown"]),
    st.sampled_from(["One", "Two"]),
    st.text(),
)
facts = st.lists(fact, max_size=6)


@given(facts, facts, st.integers(1, 9), st.timedeltas(timedelta(0), timedelta(days=9)))
def test_transitions_and_generations(first, second, generation, later):
    before = conditions([], first, generation, NOW)
    after = conditions(before, second, generation + 1, NOW + later)
    old = {c.type: c for c in before}
    assert [c.type for c in after] == sorted({f.type for f in second})
    last = {f.type: f for f in second}
    for c in after:
        assert (c.status, c.reason) == (last[c.type].status, last[c.type].reason)
        assert c.observed_generation == generation + 1
        moved = c.type not in old or old[c.type].status != c.status
        assert (
            c.last_transition_time == (NOW + later).replace(microsecond=0)
            if moved
            else old[c.type].last_transition_time
        )
    assert conditions(after, second, generation + 1, NOW + later + DAY) == after


def test_long_messages_are_cut_to_what_a_condition_holds():
    (found,) = conditions([], [Fact("Ready", "True", "Assessed", "x" * 5000)], 1, NOW)
    assert len(found.message) == 4096
    assert found.message.endswith("…")


def follows_the_rules(found, generation):
    by_type = {c.type: c for c in found}
    assert len(by_type) == len(found)
    ready = by_type["Ready"]
    reconciling, stuck = by_type.get("Reconciling"), by_type.get("Stalled")
    # Abnormal conditions are there only while they are true.
    for abnormal in ("Reconciling", "Stalled", "AcceptedAccessUnknown", "ExemptionsExpired"):
        assert abnormal not in by_type or by_type[abnormal].status == "True"
    assert not (reconciling and stuck)
    assert not reconciling or ready.status != "True"
    assert not stuck or ready.status == "False"
    assert ready.status != "Unknown" or reconciling
    for c in found:
        assert c.observed_generation == generation
        assert c.message or c.status == "True" or c.type == "Superseded"


@st.composite
def lines(draw):
    roles = tuple(a_role(name) for name in draw(st.lists(st.sampled_from(["app", "web"]), unique=True)))
    thresholds = draw(st.sampled_from([{"unusedActions": 0}, {"unusedActions": 9}, {"grantDrift": None}]))
    spec = {"thresholds": thresholds, "mode": draw(st.sampled_from(["Report", "Propose"]))}
    if draw(st.booleans()):
        expired = {"actions": ["s3:*"], "owner": "o", "reason": "r", "expires": "2026-06-01"}
        spec["exemptions"] = [expired]
    account = draw(
        st.sampled_from([Line().account, Line().account, Account(ACCOUNT, error="no", error_reason="Denied")])
    )
    return Line(
        roles=roles,
        account=account,
        spec=spec,
        used=draw(st.sampled_from([{}, {"app": [READ, WRITE]}, {"app": [READ], "web": [READ, WRITE]}])),
        logs=draw(st.sampled_from([(logs(),), ()])),
        access_state=draw(st.sampled_from([State.COMPLETE, State.UNAVAILABLE])),
        organization_error=draw(st.sampled_from([None, None, "denied"])),
        status=draw(st.sampled_from([None, BaselineStatus(accepted_roles=2)])),
    )


@given(lines())
def test_every_status_follows_the_rules(line):
    status = line.new_status()
    follows_the_rules(status.conditions, line.baseline.metadata.generation)
    found = {c.type: c.status for c in status.conditions}
    assert found["Ready"] == "True"  # the spec was assessed, however much has drifted
    # Compliant is True only where all is known and no role is out of line.
    known = found["EvidenceComplete"] == "True" and "AcceptedAccessUnknown" not in found
    if found["Compliant"] == "True":
        assert status.roles
        assert not status.roles_out_of_line
        assert known or (found["EvidenceComplete"] == "True" and line.baseline.spec.thresholds.grant_drift is None)
    assert (found["Compliant"] == "False") == bool(status.roles_out_of_line)
    # What is written is what the API server takes.
    whole = line.baseline.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert refusals("LeastPrivilegeBaseline", {**whole, "status": status.wire()}) == []
    for proposed in line.proposed():
        follows_the_rules(proposed.proposal.status.conditions, 1)
        assert (
            refusals("RemediationProposal", proposed.proposal.model_dump(mode="json", by_alias=True, exclude_none=True))
            == []
        )
        found = {c.type for c in proposed.proposal.status.conditions}
        assert {"Ready", "Validated", "Approved", "Superseded"} <= found


def test_a_stalled_resource():
    baseline = a_baseline(generation=3)
    found = conditions([], stalled("LandscapeNotFound", "create it", "Compliant", "EvidenceComplete"), 3, NOW)
    follows_the_rules(found, baseline.metadata.generation)
    assert {c.type: c.status for c in found} == {
        "Ready": "False",
        "Stalled": "True",
        "Compliant": "Unknown",
        "EvidenceComplete": "Unknown",
    }
    # When it is assessed again, the condition goes.
    assert "Stalled" not in {c.type for c in conditions(found, [Fact("Ready", "True", "Assessed")], 3, NOW)}
