"""Which findings a baseline has, which have ended, and of which nothing can be said: no data never resolves one."""

from dataclasses import replace

import pytest

from plumbline.model.coverage import State
from plumbline.model.finding import finding_key
from plumbline.reconcile.findings import findings_of
from tests.assess.world import ACCOUNT
from tests.iam.policies import allow, inline
from tests.reconcile.facts import DAY, NOW, READ, WRITE, Line, a_role

UNUSED = finding_key("default", "UnusedAccess", a_role().arn, "AROAAPP")
DRIFT = finding_key("default", "GrantDrift", a_role().arn, "AROAAPP")


def found(line, proposals=None):
    return findings_of(line.result(), proposals or {})


def test_a_role_out_of_line_is_a_finding_with_owner_and_remedy():
    line = Line(roles=(a_role(tags={"owner": "team-pay"}),), used={"app": [READ]})
    findings = found(line, {a_role().arn: "app-0123456789"})
    assert set(findings.open) == {UNUSED}
    one = findings.open[UNUSED]
    assert (one.kind, one.account, one.baseline) == ("UnusedAccess", ACCOUNT, "pay/base")
    assert one.title == "Role app has 1 unused permissions"
    assert "app-0123456789 in namespace pay" in one.remedy
    assert findings.resolves(DRIFT, ACCOUNT)
    assert not findings.resolves(UNUSED, ACCOUNT)


def test_drift_is_a_finding_of_its_own():
    line = Line(used={"app": [READ, WRITE]}).after()
    drifted = a_role("app", *a_role().policies, inline("hotfix", allow("s3:*")))
    findings = found(line.but(roles=(drifted,)))
    assert findings.open[DRIFT].severity == "HIGH"
    assert "s3:*" in findings.open[DRIFT].description


CASES = {
    # what is known now -> (unused access ended, drift ended)
    "all is used": (Line(used={"app": [READ, WRITE]}), (True, True)),
    "the role is gone": (Line(roles=()), (True, True)),
    "the role was made again": (Line(roles=(replace(a_role(), unique_id="AROANEW"),)), (True, True)),
    "last-accessed data is missing": (Line(access_state=State.UNAVAILABLE), (False, True)),
    "the account was not collected": (Line(account=replace(Line().account, error="denied", error_reason="AccessDenied")), (False, False)),
    "the policy cannot be read": (Line(roles=(a_role("app", replace(inline("p", allow(READ)), document=None)),)), (False, False)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_has_ended(case):
    line, expected = CASES[case]
    findings = found(line)
    assert (findings.resolves(UNUSED, ACCOUNT), findings.resolves(DRIFT, ACCOUNT)) == expected
    # Another account is none of the landscape; where not all could be listed, it may be one.
    assert findings.resolves("another", "999999999999")
    assert not found(line.but(organization_error="throttled")).resolves("another", "999999999999")


def drifted():
    """A role with accepted access and with drift."""
    line = Line(used={"app": [READ, WRITE]}).after()
    return line.but(roles=(a_role("app", *a_role().policies, inline("hotfix", allow("s3:*"))),))


def test_a_policy_that_becomes_unreadable_ends_no_drift():
    line = drifted()
    assert DRIFT in found(line).open
    hidden = a_role("app", *a_role().policies, replace(inline("hotfix", allow("s3:*")), document=None))
    findings = found(line.but(roles=(hidden,)))
    assert DRIFT not in findings.open
    assert not findings.resolves(DRIFT, ACCOUNT)


YOUNG = {
    "youth": lambda line: line.but(roles=(replace(a_role(), created_at=NOW - DAY),)),
    "silence": lambda line: line.but(logs=()),
}


@pytest.mark.parametrize("case", YOUNG)
def test_what_cannot_be_judged_now_ends_nothing(case):
    """The same access, of which nothing can be said any more; after a reduction nothing of it is left."""
    line = YOUNG[case](Line(used={"app": [READ]}))
    findings = found(line)
    assert UNUSED not in findings.open
    assert not findings.resolves(UNUSED, ACCOUNT)
    reduced = line.but(roles=tuple(replace(role, policies=(inline("p", allow(READ)),)) for role in line.roles))
    assert found(reduced).resolves(UNUSED, ACCOUNT)


def test_titles_do_not_follow_the_days():
    line = Line(used={"app": [READ]})
    assert found(line).open == found(line.after()).open
