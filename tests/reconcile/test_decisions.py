"""What people have rejected is remembered, comes back closed, and can be taken back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from plumbline.api.proposal import Decision
from plumbline.reconcile.decisions import heard
from plumbline.store.rejections import Rejection
from tests.assess.world import WINDOW, logs
from tests.reconcile.facts import NOW, READ, Line, a_role, condition

SECOND = timedelta(seconds=1)
GAP = (logs(covered={"us-east-1": ((WINDOW.start, WINDOW.end),)}),)


def only(line):
    (proposed,) = line.proposed()
    return proposed.proposal


def with_decision(proposal, state="Rejected", digest=None, by="jane", reason="needed"):
    decision = state and Decision(state=state, plan_digest=digest or proposal.status.plan_digest, by=by, reason=reason)
    return proposal.model_copy(update={"spec": proposal.spec.model_copy(update={"decision": decision or None})})


def remembered(proposal, at=NOW):
    (found,), withdrawn = heard([proposal], {}, at)
    assert withdrawn == []
    return {found.role: found}


def test_a_rejection_is_heard_once_and_again_when_it_says_something_else():
    proposal = with_decision(only(Line()))
    known = remembered(proposal)
    (rejection,) = known.values()
    assert rejection == Rejection(proposal.spec.role_arn, "AROAAPP", proposal.status.plan_digest, "jane", "needed", NOW)
    assert heard([proposal], known, NOW + SECOND) == ([], [])
    (changed,), withdrawn = heard([with_decision(proposal, by="joe")], known, NOW + SECOND)
    assert (changed.by, changed.at, withdrawn) == ("joe", NOW + SECOND, [])


@pytest.mark.parametrize("decision", [("Approved", None), ("Rejected", "0" * 64), (None, None)])
def test_what_is_no_rejection_of_this_plan_is_not_remembered(decision):
    assert heard([with_decision(only(Line()), *decision)], {}, NOW) == ([], [])


def test_the_same_plan_comes_back_closed_and_takes_no_place():
    known = remembered(with_decision(only(Line())))
    again = Line(rejections=known, spec={"limits": {"openProposals": 1}}, roles=(a_role(), a_role("web")))
    by_name = {p.proposal.spec.role_arn[-3:]: p for p in again.proposed()}
    assert (by_name["app"].open, by_name["web"].open) == (False, True)
    said = condition(by_name["app"].proposal.status, "Approved")
    assert (said.status, said.reason) == ("False", "RejectedBefore")
    assert "rejected by jane on 2026-06-30: needed" in said.message
    assert by_name["app"].proposal.spec.decision is None  # only people write it
    assert again.new_status().open_proposals == 1
    # It says so again, and writes nothing.
    after = again.after()
    assert {p.proposal.model_dump_json() for p in after.proposed()} == {
        p.model_dump_json() for p in after.existing.values()
    }
    assert heard(after.existing.values(), known, NOW) == ([], [])


def test_another_plan_or_another_role_of_the_name_is_opened():
    known = remembered(with_decision(only(Line())))
    for line in (
        Line(rejections=known, used={"app": [READ]}),
        Line(rejections=known, roles=(replace(a_role(), unique_id="X"),)),
    ):
        (proposed,) = line.proposed()
        assert condition(proposed.proposal.status, "Approved").reason == "NoDecision"


def test_a_source_that_fails_opens_nothing_of_a_role_with_a_rejected_plan():
    role = a_role("app", *Line().roles[0].policies)
    known = remembered(with_decision(only(Line(roles=(role,)))))
    assert Line(roles=(role,), rejections=known, logs=GAP).proposed() == []
    # Nor does it change one that is there.
    after = Line(roles=(role,), rejections=known).after(logs=GAP)
    assert [p.open for p in after.proposed()] == [False]


def test_a_rejection_is_taken_back_by_approving_or_by_withdrawing_it_where_it_is_shown():
    shown = Line(rejections={}).after()
    ((name, proposal),) = shown.existing.items()
    rejected = shown.but(existing={name: with_decision(proposal)}).after()
    known = remembered(rejected.existing[name])
    withdrawn = with_decision(rejected.existing[name], state=None)
    assert heard([withdrawn], known, NOW) == ([], [withdrawn_role := next(iter(known))])
    assert withdrawn_role == (proposal.spec.role_arn, "AROAAPP")
    # One that came back closed has nothing to withdraw; approving it is a word of its own.
    back = only(Line(rejections=known).after())
    assert heard([back], known, NOW) == ([], [])
    approved = with_decision(back, state="Approved")
    assert heard([approved], known, NOW) == ([], [withdrawn_role])
    assert only(Line(existing={name: approved})).status.conditions[0].reason == "Approved"
