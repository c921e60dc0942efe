"""What the status of a baseline says, and that no data never means clean."""

from dataclasses import replace

import pytest

from plumbline.api.baseline import BaselineStatus
from plumbline.api.routing import Routing
from plumbline.assess.owners import Owners
from plumbline.assess.targets import Claim, Selection
from plumbline.model.coverage import State
from plumbline.model.snapshot import TAGS, Account, Policy
from plumbline.reconcile.baseline_status import same_but_time
from plumbline.reconcile.resources import STATUS_BYTES, size_of
from tests.assess.world import ACCOUNT, logs
from tests.iam.policies import allow, deny, inline
from tests.reconcile.facts import DAY, NOW, READ, WRITE, Line, a_role, condition, conditions_of

LOOSE = {"thresholds": {"unusedActions": 9}}
LOST = Account(ACCOUNT, ou_path=("r-root",), error="secret", error_reason="Denied")


@pytest.mark.parametrize(
    ("line", "ready", "compliant", "reason", "complete"),
    [
        (Line(), "True", "False", "RolesOutOfLine", "True"),
        (Line(spec=LOOSE), "True", "True", "WithinThresholds", "True"),
        (Line(used={"app": [READ, WRITE]}), "True", "True", "WithinThresholds", "True"),
        # An outage moves it to Unknown, never to True.
        (Line(logs=()), "True", "Unknown", "EvidenceIncomplete", "False"),
        (Line(access_state=State.UNAVAILABLE), "True", "Unknown", "EvidenceIncomplete", "False"),
        (Line(account=LOST), "True", "Unknown", "EvidenceIncomplete", "False"),
        (Line(roles=()), "True", "Unknown", "NoRoles", "True"),
        (Line(roles=(), organization_error="denied", account=replace(Line().account, ou_path=())), "True", "Unknown", "EvidenceIncomplete", "False"),
        (Line(spec={"targets": {"arns": ["arn:aws:iam::999999999999:role/app"]}}), "True", "Unknown", "EvidenceIncomplete", "False"),
        (Line(roles=(a_role("app", Policy("p", "inline", None)),), spec=LOOSE), "True", "Unknown", "EvidenceIncomplete", "False"),
        (Line(roles=(a_role("app", Policy("p", "inline", "{}")),), spec=LOOSE), "True", "Unknown", "EvidenceIncomplete", "False"),
        # Missing evidence hides no drift.
        (Line(roles=(a_role(), a_role("web", Policy("p", "inline", None)))), "True", "False", "RolesOutOfLine", "False"),
    ],
)  # fmt: skip
def test_conditions(line, ready, compliant, reason, complete):
    status = line.new_status()
    found = conditions_of(status)
    assert (found["Ready"], found["Compliant"], found["EvidenceComplete"]) == (ready, compliant, complete)
    assert condition(status, "Compliant").reason == reason


def test_figures_and_who_is_listed():
    line = Line(
        roles=(a_role("app"), a_role("web"), a_role("dim", Policy("p", "inline", None)), a_role("ok")),
        used={"web": [READ], "ok": [READ, WRITE]},
        spec={"limits": {"reports": 2}},
    )
    status = line.new_status()
    assert (status.roles, status.roles_out_of_line, status.roles_undetermined) == (4, 2, 1)
    assert (status.counts.used, status.counts.unused, status.counts.undetermined) == (3, 3, 0)
    assert status.reduction_percentage == 50.0
    # The worst first; the rest is counted.
    assert [r.role_arn.split("/")[1] for r in status.roles_reported] == ["app", "web"]
    assert status.roles_truncated == 1
    worst = status.roles_reported[0]
    assert (worst.unused, worst.over, worst.distance) == (2, ["unusedActions"], {"unusedActions": 2.0, "unusedPrivilegedActions": 0.0, "grantDrift": 0.0})  # fmt: skip
    assert worst.proposal == next(
        p.proposal.metadata.name for p in line.proposed() if "app" in p.proposal.spec.role_arn
    )
    assert line.but(spec={}).new_status().roles_reported[2].why_undetermined == {"policyUnknown": 0}


@pytest.mark.parametrize(("spec", "unused", "undetermined"), [({}, 1, 1), ({"rareUse": "remove"}, 2, 0)])
def test_rare_use_is_counted_apart(spec, unused, undetermined):
    status = Line(spec=spec, used_before={"app": [WRITE]}).new_status()
    assert (status.counts.unused, status.counts.undetermined) == (unused, undetermined)
    assert status.counts.rare_use == status.roles_reported[0].rare_use == 1


def test_roles_governed_elsewhere_are_counted_without_a_name():
    arn = Line().roles[0].arn
    line = Line(others=(Claim("secret/other", NOW, Selection(frozenset({arn}), (arn,), ())),))
    status = line.new_status()
    assert (status.roles, status.governed_elsewhere, line.proposed()) == (0, 1, [])
    assert "secret" not in status.model_dump_json()


def test_texts_name_no_principal_outside_the_targets():
    line = Line(account=LOST, spec={"targets": {"names": ["*"], "arns": [Line().roles[0].arn]}})
    assert line.new_status().unassessed
    assert "secret" not in line.new_status().model_dump_json()


def test_expired_exemptions_are_said_and_count_again():
    def status(expires):
        exemption = {"actions": ["ec2:*"], "owner": "team", "reason": "r", "expires": expires}
        return Line(spec={"exemptions": [exemption]}).new_status()

    assert conditions_of(status("2026-06-30")).get("ExemptionsExpired") is None
    assert conditions_of(status("2026-06-30"))["Compliant"] == "True"
    assert "ec2:* of team expired on 2026-06-29" in condition(status("2026-06-29"), "ExemptionsExpired").message
    assert conditions_of(status("2026-06-29"))["Compliant"] == "False"


def test_the_same_facts_give_the_same_bytes_and_nothing_to_write():
    line = Line(roles=(a_role(), a_role("web")))
    assert line.new_status().model_dump_json() == line.new_status().model_dump_json()
    later = line.after(now=NOW + DAY, as_of=(NOW + DAY).date())
    later = later.but(logs=(logs(covered=dict.fromkeys(("eu-west-1", "us-east-1"), ((NOW - 300 * DAY, NOW),))),))
    assert same_but_time(later.status, later.new_status())
    assert not same_but_time(None, later.new_status())
    assert not same_but_time(later.status, later.but(used={"app": [READ]}).new_status())


@pytest.mark.slow
@pytest.mark.parametrize("reports", [50, 200])
def test_a_status_stays_small_enough_for_an_object(reports):
    wide = [allow("ec2:*", Condition={"StringEquals": {"a:b": f"{'ü' * 400}{i}"}}) for i in range(6)]
    before = {f"r{i}": a_role(f"r{i}", inline("p", allow(READ))) for i in range(210)}
    first = Line(roles=tuple(before.values())).after()
    roles = tuple(replace(r, policies=(inline("p", *wide),)) for r in before.values())
    missing = [f"arn:aws:iam::999999999999:role/{'x' * 300}/{i}" for i in range(60)]
    spec = {"targets": {"names": ["*"], "arns": missing}, "limits": {"reports": reports}}
    status = first.but(roles=roles, spec=spec, existing={}).new_status()
    assert size_of(status) <= STATUS_BYTES + 8192
    assert len(status.roles_reported) + status.roles_truncated == status.roles_out_of_line == 210
    assert len(status.unassessed) + status.unassessed_truncated == 60
    assert status.roles_reported


STACK = {"aws:cloudformation:stack-name": "pay"}
RULES = [
    {"arn": "arn:aws:iam::*:role/web*", "owner": "web"},
    {"arn": "*/a??", "owner": "apps"},
    {"arn": "*", "owner": "rest"},
]
OWNERS = {
    # tags, routing -> owner
    "the first tag": ({"owner": "a", "team": "b"}, {}, "a"),
    "the second": ({"team": "b"}, {}, "b"),
    "an empty tag is none": ({"owner": "", "team": "b"}, {}, "b"),
    "the default": ({}, {}, "platform"),
    "the first rule that matches": ({}, {"owners": RULES}, "apps"),
    "a tag beats a rule": ({"team": "b"}, {"owners": RULES}, "b"),
    "no rule matches": ({}, {"owners": RULES[:1]}, "platform"),
    "the stack": (STACK, {"stack": True}, f"stack pay of account {ACCOUNT}"),
    "the stack is not asked for": (STACK, {}, "platform"),
    "a rule beats the stack": (STACK, {"stack": True, "owners": RULES}, "apps"),
    "the account's contact": ({}, {"accountContact": True}, "aws@example.com"),
    "the stack beats it": (STACK, {"accountContact": True, "stack": True}, f"stack pay of account {ACCOUNT}"),
}


@pytest.mark.parametrize("case", OWNERS)
def test_owners(case):
    tags, routing, owner = OWNERS[case]
    account = replace(Line().account, email="aws@example.com")
    line = Line(roles=(a_role(tags=tags),), account=account, spec={"routing": {"defaultOwner": "platform"} | routing})
    (reported,) = line.new_status().roles_reported
    assert reported.owner == owner
    (proposed,) = line.proposed()
    assert proposed.proposal.status.owner == owner


def test_whose_baseline_names_nobody_is_asked_of_the_landscape():
    line = Line(routing=Routing(defaultOwner="platform"))
    assert line.new_status().roles_reported[0].owner == "platform"
    own = line.but(spec={"routing": {"defaultOwner": "payments"}})
    assert own.new_status().roles_reported[0].owner == "payments"


def test_where_tags_are_not_known_nobody_is_named():
    line = Line(roles=(a_role(unknown=frozenset({TAGS})),), routing=Routing(defaultOwner="platform"))
    assert line.new_status().roles_reported[0].owner == ""


def test_what_is_no_principal_has_an_owner_too():
    account = replace(Line().account, email="aws@example.com")
    routing = Routing.model_validate(
        {"owners": [{"arn": "arn:aws:s3:::pay-*", "owner": "pay"}], "accountContact": True}
    )
    owners = Owners({}, {ACCOUNT: account}, routing)
    assert owners.of("arn:aws:s3:::pay-logs", ACCOUNT) == "pay"
    assert owners.of("arn:aws:s3:::logs", ACCOUNT) == "aws@example.com"
    assert owners.of("arn:aws:s3:::logs") == ""
    assert owners.of(f"arn:aws:sqs:eu-west-1:{ACCOUNT}:jobs") == "aws@example.com"
    assert owners.of("no ARN") == ""
    # Nobody knows its tags, which come first; where nobody asks for tags, the rest counts.
    gone = f"arn:aws:iam::{ACCOUNT}:role/gone"
    assert owners.of(gone) == ""
    assert Owners({}, {ACCOUNT: account}, routing.model_copy(update={"owner_tags": []})).of(gone) == "aws@example.com"


def test_nobody_is_known():
    line = Line(account=replace(Line().account, email=""), spec={"routing": {"accountContact": True}})
    assert line.new_status().roles_reported[0].owner == ""


def test_a_deny_that_masks_is_counted_apart():
    line = Line(roles=(a_role("app", inline("p", allow(READ, WRITE), deny(WRITE))),))
    assert (line.new_status().counts.masked, line.new_status().counts.unused) == (1, 1)


def test_service_linked_roles_and_management_accounts_are_spared_by_scps():
    blocked = replace(Line().account, scp_levels=(('{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}',),))
    for account, masked in (
        (blocked, 2),
        (replace(blocked, management=True), 0),
        (replace(blocked, scp_levels=None), 0),
    ):
        assert Line(account=account).new_status().counts.masked == masked
    linked = a_role(path="/aws-service-role/x.amazonaws.com/")
    assert Line(account=blocked, roles=(linked,)).new_status().counts.masked == 0


def test_old_statuses_without_what_is_new_are_read():
    old = BaselineStatus.model_validate({"rolesReported": [{"roleArn": "x"}], "gone": 1})
    assert old.roles_reported[0].live_digest == ""
