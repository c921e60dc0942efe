"""Whose name stands beside drift: changes of the role itself and of its policies, since the access was accepted."""

from dataclasses import replace
from datetime import timedelta

import pytest

from plumbline.assess.drift_changes import MOST, changes_behind, changes_of
from plumbline.model.assessment import DriftChange, GrantDrift
from plumbline.model.evidence import GrantChange
from plumbline.model.snapshot import Policy, Snapshot
from tests.assess.world import ACCOUNT
from tests.iam.policies import allow, inline
from tests.reconcile.facts import DAY, NOW, a_role

MANAGED = f"arn:aws:iam::{ACCOUNT}:policy/team/shared"
HOTFIX = inline("hotfix", allow("s3:*"))
ROLE = replace(
    a_role("app", HOTFIX, Policy("shared", "customer", HOTFIX.document, MANAGED)),
    arn=f"arn:aws:iam::{ACCOUNT}:role/pay/app",
    path="/pay/",
)
DRIFT = GrantDrift(additions=("Allow s3:* on *",), policies=("inline/hotfix", MANAGED))


def change(event="PutRolePolicy", target=f"arn:aws:iam::{ACCOUNT}:role/app", policy="inline/hotfix", at=NOW, by="x"):
    return GrantChange(target.split(":")[4], event, target, policy, at, by)


CASES = {
    "the policy was put": (change(), True),
    "the role was made, with its path": (change("CreateRole", ROLE.arn, None), True),
    "a managed policy was attached": (change("AttachRolePolicy", policy=MANAGED), True),
    "another policy was attached": (change("AttachRolePolicy", policy="arn:aws:iam::aws:policy/ReadOnlyAccess"), False),
    "a policy was taken, perhaps with a Deny": (change("DeleteRolePolicy", policy="inline/gone"), True),
    "the boundary was taken": (change("DeleteRolePermissionsBoundary", policy=None), True),
    "a version of its managed policy": (change("CreatePolicyVersion", MANAGED, MANAGED), True),
    "a version of another policy": (change("CreatePolicyVersion", MANAGED + "2", MANAGED + "2"), False),
    "whom it trusts": (change("UpdateAssumeRolePolicy", policy="trust"), False),
    "another role": (change(target=f"arn:aws:iam::{ACCOUNT}:role/web"), False),
    "a user of the same name": (change("PutUserPolicy", f"arn:aws:iam::{ACCOUNT}:user/app"), False),
    "the same name in another account": (change(target="arn:aws:iam::999999999999:role/app"), False),
    "before it was accepted": (change(at=NOW - 2 * DAY), False),
}


@pytest.mark.parametrize("case", CASES)
def test_which_changes_may_have_brought_drift(case):
    made, counts = CASES[case]
    found = changes_behind(DRIFT, ROLE, [made], [], NOW - DAY)
    assert found == ((DriftChange(made),) if counts else ())
    assert changes_behind(GrantDrift(), ROLE, [made], [], None) == ()


def test_what_the_logs_show_is_no_announcement_any_more():
    one, two = change(), change(at=NOW + DAY)
    assert changes_behind(DRIFT, ROLE, [one], [one, two], None) == (
        DriftChange(two, announced=True),
        DriftChange(one),
    )


def test_access_beyond_the_limits_has_no_policy_of_its_own():
    made = change("AttachRolePolicy", policy="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert changes_behind(replace(DRIFT, policies=()), ROLE, [made], [], None) == (DriftChange(made),)


def test_the_newest_are_kept():
    many = [change(at=NOW + timedelta(minutes=n)) for n in range(9)]
    assert [one.change for one in changes_behind(DRIFT, ROLE, many, [], None)] == many[: -MOST - 1 : -1]


def test_changes_of_many_roles():
    snapshot = Snapshot("default", {}, {ROLE.arn: ROLE, a_role("web").arn: a_role("web")})
    made = [made for made, _ in CASES.values()]
    found = set(changes_of(snapshot, [ROLE.arn], made))
    assert {arn for _, arn in found} == {ROLE.arn}
    named = {case for case, (made, _) in CASES.items() if (made, ROLE.arn) in found}
    assert set(CASES) - named == {
        "a version of another policy",
        "another role",
        "a user of the same name",
        "the same name in another account",
    }
