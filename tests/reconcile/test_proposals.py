"""One long-lived proposal for each role; nothing is superseded for want of data; people's decisions hold."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.api.proposal import Decision
from plumbline.model.snapshot import ROLE_TEMPLATE, Account, digest_of
from plumbline.plan import ProofError
from plumbline.reconcile import proposals as module
from plumbline.reconcile.children import role_key
from plumbline.reconcile.resources import STATUS_BYTES, size_of
from tests.api.crd_checker import refusals
from tests.assess.world import ACCOUNT, WINDOW, logs
from tests.iam.policies import allow, inline, managed
from tests.reconcile.facts import DAY, NOW, READ, WRITE, Line, a_role, condition, conditions_of

LOST = Account(ACCOUNT, ou_path=("r-root",), error="no", error_reason="Denied")
GAP = (logs(covered={"us-east-1": ((WINDOW.start, WINDOW.end),)}),)


def only(line):
    (proposed,) = line.proposed()
    return proposed


def decided(line, state="Rejected", digest=None):
    """The line after a person has decided on the plan of each of its proposals, or on another."""
    existing = {}
    for name, proposal in line.existing.items():
        decision = Decision(state=state, plan_digest=digest or proposal.status.plan_digest, by="someone", reason="r")
        existing[name] = proposal.model_copy(update={"spec": proposal.spec.model_copy(update={"decision": decision})})
    return line.but(existing=existing)


def later(line, days=1, **changes):
    """The next day, with the logs grown with it."""
    now = NOW + days * DAY
    whole = (logs(covered=dict.fromkeys(("eu-west-1", "us-east-1"), ((NOW - 300 * DAY, now),))),)
    return line.after(**{"now": now, "as_of": now.date(), "logs": whole, **changes})


@given(st.text(max_size=80), st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_names_are_kubernetes_names_and_differ_where_roles_do(name, arn, unique_id):
    made = role_key(name, arn, unique_id)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?", made)
    assert made == role_key(name, arn, unique_id)
    assert made != role_key(name, arn, f"{unique_id}x")
    assert made != role_key(name, f"{arn}x", unique_id)


def test_the_name_never_depends_on_the_content():
    one, other = only(Line()), only(Line(used={"app": [READ]}))
    assert one.proposal.metadata.name == other.proposal.metadata.name
    assert one.proposal.status.plan_digest != other.proposal.status.plan_digest
    again = only(Line(roles=(replace(a_role(), unique_id="AROAOTHER"),)))
    assert again.proposal.metadata.name != one.proposal.metadata.name


def test_what_a_proposal_says():
    line = Line(used={"app": [READ]}, roles=(a_role(tags={"team": "payments"}),))
    proposed = only(line)
    status = proposed.proposal.status
    assert proposed.open
    assert (status.removed_actions, status.reduction_percentage, status.owner) == (1, 50.0, "payments")
    (row,) = status.unused
    assert (row.service, row.count, row.actions, row.truncated) == ("ec2", 1, [WRITE], 0)
    # The start of the silence that the sources cover.
    assert row.since == WINDOW.start == datetime(2026, 3, 31, tzinfo=UTC)
    assert (row.reason, row.sources) == ("silent for 90 days", ["cloudtrail-logs", "last-accessed"])
    (change,) = status.changes
    assert proposed.documents == {change.document_digest: change.document}
    assert change.document_digest == digest_of([change.document])
    assert WRITE in change.diff
    assert WRITE not in change.document
    assert (status.proof.contained, status.proof.replayed_uses, status.as_of) == (True, 1, "2026-06-30")
    assert conditions_of(status) == {"Ready": "True", "Validated": "True", "Approved": "Unknown", "Superseded": "False"}
    metadata = proposed.proposal.metadata
    assert metadata.labels == {"plumbline.dev/baseline": "base", "app.kubernetes.io/managed-by": "plumbline"}
    (owner,) = metadata.owner_references
    assert (owner.kind, owner.name, owner.controller, owner.block_owner_deletion) == ("LeastPrivilegeBaseline", "base", True, False)  # fmt: skip


def test_rare_use_that_goes_is_said():
    (row,) = only(
        Line(used={"app": [READ]}, used_before={"app": [WRITE]}, spec={"rareUse": "remove"})
    ).proposal.status.unused
    assert row.reason == "silent for 90 days, used before"


def test_exempted_access_is_neither_listed_nor_removed():
    exemption = {"actions": [WRITE], "owner": "o", "reason": "r", "expires": "2026-12-31"}
    status = only(Line(spec={"exemptions": [exemption]})).proposal.status
    assert [row.actions for row in status.unused] == [[READ]]
    assert WRITE in status.changes[0].document


@pytest.mark.parametrize("days", [1, 4])
def test_the_same_facts_write_nothing_on_another_day(days):
    line = Line(used={"app": [READ]}, roles=(a_role(), a_role("web")))
    first = [p.proposal for p in line.proposed()]
    assert [p.proposal.model_dump_json() for p in line.proposed()] == [p.model_dump_json() for p in first]
    next_day = later(line, days)
    assert [p.proposal for p in next_day.proposed()] == first
    # New facts, new day.
    changed = later(line, days, used={"app": [READ], "web": [READ]}).proposed()
    assert {p.proposal.status.as_of for p in changed} == {"2026-06-30", (NOW + days * DAY).date().isoformat()}


def test_the_cap_opens_the_worst_and_lets_open_ones_keep_their_place():
    roles = (a_role("a"), a_role("b", inline("p", allow("ec2:*"))), a_role("c"))
    line = Line(roles=roles, spec={"limits": {"openProposals": 1}})
    assert [p.proposal.spec.role_arn[-1] for p in line.proposed()] == ["b"]
    # Another one becomes worse: the open one stays, nothing comes and goes.
    worse = (a_role("a", inline("p", allow("ec2:*", "s3:*", "iam:*"))), *roles[1:])
    after = line.after(roles=worse)
    assert [(p.proposal.spec.role_arn[-1], p.open) for p in after.proposed()] == [("b", True)]
    # It is settled: the place is free.
    settled = line.after(roles=(worse[0], a_role("b", inline("p", allow(READ))), roles[2]), used={"b": [READ]})
    assert {(p.proposal.spec.role_arn[-1], p.open) for p in settled.proposed()} == {("a", True), ("b", False)}
    assert Line(roles=roles, spec={"limits": {"openProposals": 0}}).proposed() == []
    # A lower cap closes none of those that are open.
    lowered = Line(roles=roles).after(spec={"limits": {"openProposals": 1}})
    assert [p.open for p in lowered.proposed()] == [True, True, True]


def test_open_ones_whose_evidence_is_incomplete_take_their_place_in_the_cap():
    line = Line(roles=(a_role("a"),), spec={"limits": {"openProposals": 1}}).after()
    both = line.but(roles=(a_role("a", replace(inline("p"), document=None)), a_role("b")))
    assert [(p.proposal.spec.role_arn[-1], p.open) for p in both.proposed()] == [("a", True)]


def test_a_rejected_plan_is_closed_until_the_facts_change():
    line = decided(Line(used={"app": [READ]}).after())
    proposed = only(line)
    assert not proposed.open
    assert condition(proposed.proposal.status, "Approved").reason == "Rejected"
    assert line.new_status().open_proposals == 0
    assert line.new_status().roles_reported[0].proposal == ""
    # It stays so, and takes no place in the cap.
    line = decided(Line(roles=(a_role("a"), a_role("b"))).after(), "Rejected").but(
        spec={"limits": {"openProposals": 1}}
    )
    assert [p.open for p in line.after().proposed()] == [False, False]
    changed = later(decided(Line(used={"app": [READ]}).after()), used={})
    assert only(changed).open
    assert condition(only(changed).proposal.status, "Approved").reason == "DecisionForOtherPlan"
    assert changed.new_status().open_proposals == 1


def test_a_source_that_fails_opens_no_rejected_plan():
    """With a gap less is unused, so the plan would be another one."""
    role = a_role("app", inline("p", allow(READ, WRITE, "iam:ListUsers")))
    line = decided(Line(roles=(role,)).after())
    gap = line.but(logs=GAP)
    assert gap.result().out_of_line
    assert not only(gap).open
    assert only(gap).proposal.status == only(line).proposal.status or only(gap).proposal == next(
        iter(line.existing.values())
    )
    # One that nobody has closed shrinks to what is still proven.
    opened = only(Line(roles=(role,)).after(logs=GAP))
    assert opened.open
    assert opened.proposal.status.removed_actions == 1


@pytest.mark.parametrize(
    ("state", "digest", "status", "reason"),
    [
        ("Approved", None, "True", "Approved"),
        ("Rejected", None, "False", "Rejected"),
        ("Approved", "0" * 64, "Unknown", "DecisionForOtherPlan"),
        ("Rejected", "0" * 64, "Unknown", "DecisionForOtherPlan"),
    ],
)
def test_a_decision_is_for_exactly_one_digest(state, digest, status, reason):
    proposed = only(decided(Line().after(), state, digest))
    found = condition(proposed.proposal.status, "Approved")
    assert (found.status, found.reason) == (status, reason)
    assert proposed.open == (reason != "Rejected")
    assert proposed.proposal.spec.decision.state == state  # what people wrote stays as they wrote it


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"used": {"app": [READ, WRITE]}}, "WithinThresholds"),
        ({"spec": {"thresholds": {"unusedActions": 9}}}, "WithinThresholds"),
        ({"roles": ()}, "NotTargeted"),
        ({"allowed": ()}, "NotTargeted"),
        ({"spec": {"targets": {"names": ["other"]}}}, "NotTargeted"),
        ({"spec": {"mode": "Report"}}, "ModeChanged"),
        ({"roles": (a_role(role_template="t"),)}, "NotEditable"),
        # Out of line by drift alone: nothing could be removed.
        ({"used": {"app": [READ, WRITE, "s3:GetObject"]}, "roles": (a_role("app", inline("p", allow(READ, WRITE, "s3:GetObject"))),)}, "NothingToRemove"),
    ],
)  # fmt: skip
def test_superseded_where_it_is_known(changes, reason):
    line = Line().after(**changes)
    proposed = only(line)
    assert not proposed.open
    assert condition(proposed.proposal.status, "Superseded").status == "True"
    assert condition(proposed.proposal.status, "Superseded").reason == reason
    # Once said, it is not said again.
    assert [p.proposal for p in line.after().proposed()] == [proposed.proposal]


@pytest.mark.parametrize(
    "changes",
    [
        {"logs": ()},
        {"account": LOST},
        {"account": replace(LOST, error=None, error_reason=None, state="SUSPENDED"), "roles": ()},
        {"account": replace(Line().account, id=""), "roles": (), "organization_error": "denied"},
        {"account": replace(Line().account, ou_path=()), "roles": (), "organization_error": "denied"},
        {"roles": (a_role("app", replace(inline("p"), document=None)),)},
        # Beyond the threshold for drift, but nothing is proven unused any more.
        {"logs": (), "roles": (a_role("app", inline("p", allow(READ, WRITE, "iam:ListUsers"))),)},
    ],
)
def test_nothing_is_superseded_for_want_of_data(changes):
    line = Line().after(**changes)
    proposed = only(line)
    status = proposed.proposal.status
    assert proposed.open
    assert conditions_of(status)["Superseded"] == "False"
    assert condition(status, "Validated").reason == "EvidenceIncomplete"
    assert status.plan_digest == only(Line()).proposal.status.plan_digest
    # When the data is back, so is the proposal as it was.
    back = line.after(logs=Line().logs, account=Line().account, roles=Line().roles, organization_error=None)
    assert only(back).proposal == only(Line()).proposal


def test_a_superseded_one_stays_so_without_data_and_opens_again_with_its_cause():
    line = Line().after(used={"app": [READ, WRITE]}).after()
    assert condition(only(line).proposal.status, "Superseded").status == "True"
    blind = line.but(used={}, logs=())
    assert (only(blind).open, only(blind).proposal) == (False, only(line).proposal)
    assert only(line.but(used={})).open


def test_a_superseded_one_beyond_the_cap_is_left_as_it_is():
    line = Line().after(used={"app": [READ, WRITE]}).after()
    capped = line.but(used={}, spec={"limits": {"openProposals": 0}})
    assert (only(capped).open, only(capped).proposal) == (False, only(line).proposal)


def test_what_cannot_be_planned_is_said():
    shared = managed("shared", allow(READ, WRITE), attachment_count=3)
    line = Line(roles=(a_role("app", shared),), used={"app": [READ]})
    proposed = only(line)
    status = proposed.proposal.status
    assert condition(status, "Validated").reason == "NothingPlannable"
    assert [n.reason for n in status.not_plannable] == ["sharedPolicy"]
    assert (status.changes, proposed.documents) == ([], {})


def test_a_plan_that_cannot_be_proven_is_no_plan_and_stops_no_other(monkeypatch):
    def plan_role(principal, **arguments):
        if principal.name == "app":
            raise ProofError("inline/p", "contradiction")
        return original(principal, **arguments)

    original = module.plan_role
    monkeypatch.setattr(module, "plan_role", plan_role)
    by_name = {
        p.proposal.spec.role_arn[-3:]: p.proposal.status for p in Line(roles=(a_role(), a_role("web"))).proposed()
    }
    assert condition(by_name["app"], "Validated").reason == "ProofFailed"
    assert (by_name["app"].proof.contained, by_name["app"].changes) == (False, [])
    assert condition(by_name["web"], "Validated").reason == "Proven"


def test_a_role_that_another_baseline_of_the_namespace_governed_keeps_its_decision():
    line = decided(Line().after())
    (name, old), *_ = line.existing.items()
    foreign = old.model_copy(update={"spec": old.spec.model_copy(update={"baseline_ref": {"name": "other"}})})
    proposed = only(line.but(existing={name: foreign}))
    assert proposed.proposal.spec.baseline_ref.name == "base"
    assert not proposed.open


@settings(max_examples=settings.default.max_examples // 5)  # each plans some hundred policies
@given(st.integers(1, 120), st.integers(0, 3), st.sampled_from(["é", "x"]), st.booleans())
def test_a_proposal_is_small_enough_for_an_object(number, wide, letter, shared):
    sid = {"Sid": letter * 900}
    many = [inline(f"p{i}", allow(READ, WRITE, **sid)) for i in range(number)]
    broad = [managed(f"m{i}", allow("ec2:*", "s3:*", "iam:*", **sid), attachment_count=1 + shared) for i in range(wide)]
    role = a_role("app", *many, *broad)
    # Two thousand actions of many services.
    role = replace(
        role, policies=(*role.policies, inline("all", allow("ec2:*", "iam:*", "apigateway:*", "cloudwatch:*")))
    )
    line = Line(roles=(role,), used={"app": [READ]})
    proposed = only(line)
    status = proposed.proposal.status
    assert size_of(status) <= STATUS_BYTES + 8192
    assert (
        refusals("RemediationProposal", proposed.proposal.model_dump(mode="json", by_alias=True, exclude_none=True))
        == []
    )
    for row in status.unused:
        assert row.count == len(row.actions) + row.truncated
    assert set(proposed.documents) >= {c.document_digest for c in status.changes if c.document_digest}
    if not shared:
        assert len(status.changes) + status.changes_truncated >= number
    assert [p.proposal.status for p in line.after().proposed()] == [status]


def test_the_day_of_a_lookback_is_not_the_day_of_the_role():
    """Since when it was silent follows the lookback of the baseline."""
    (row,) = only(Line(used={"app": [READ]}, spec={"lookback": "30d"})).proposal.status.unused
    assert row.since == WINDOW.end - timedelta(days=30)


def test_a_proposal_outlives_that_nobody_says_whether_a_template_made_its_role():
    line = Line()
    open_one = only(line)
    untold = (a_role(unknown=frozenset({ROLE_TEMPLATE})),)
    kept = only(later(line, roles=untold))
    assert kept.open
    assert condition(kept.proposal.status, "Validated").status == "Unknown"
    assert "owner of this role is not known" in condition(kept.proposal.status, "Validated").message
    assert kept.proposal.status.plan_digest == open_one.proposal.status.plan_digest
    made = only(later(line, roles=(a_role(role_template="arn:aws:iam::1:role-template/t"),)))
    assert (made.open, condition(made.proposal.status, "Superseded").reason) == (False, "NotEditable")
    # Nothing is proposed anew either.
    assert list(Line(roles=untold).proposed()) == []
