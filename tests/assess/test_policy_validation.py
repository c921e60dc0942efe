"""Which policies are validated, in which order, and when a finding is new, there and resolved."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.assess.policy_validation import (
    Unseen,
    carried,
    day_of,
    live_policies,
    registered,
    to_ask,
    worst_first,
)
from plumbline.model.coverage import SourceState, State
from plumbline.model.policy_validation import (
    SOURCE,
    LivePolicy,
    PolicyAnswer,
    PolicyFinding,
    PolicyValidations,
    RegisteredFinding,
    ValidatedPolicy,
)
from plumbline.model.snapshot import Account, Group, Policy, Principal, Snapshot
from plumbline.reconcile.policy_validation import validation_states

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
DAY = timedelta(days=1)
ONE, TWO = "111111111111", "222222222222"
TEXT = '{"Statement":[{"Action":"s3:GetObject","Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}'
DENY = '{"Statement":[{"Action":"s3:*","Effect":"Deny","Resource":"*"}],"Version":"2012-10-17"}'
FULL = '{"Statement":[{"Action":"*","Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}'
CUSTOM = f"arn:aws:iam::{ONE}:policy/custom"


def principal(name, *policies, account=ONE, **more):
    known = {"path": "/", "created_at": NOW, "kind": "role", "policies": policies, "trust": DENY} | more
    return Principal(f"arn:aws:iam::{account}:{known['kind']}/{name}", name, account=account, name=name, **known)


def managed(document=TEXT, arn=CUSTOM, kind="customer"):
    return Policy(arn.rpartition("/")[2], kind, document, arn)


def snapshot(*principals, accounts=None, error=None):
    found = accounts or [Account(ONE, collected_at=NOW)]
    return Snapshot("all", {a.id: a for a in found}, {p.arn: p for p in principals}, error)


def kinds(policies):
    return {one.key.replace("arn:aws:iam::", ""): one.kind for one in policies}


def test_all_policies_of_the_customer_are_live_and_none_of_aws():
    inline = Policy("own", "inline", TEXT)
    app = principal("app", managed(), inline, managed(arn="arn:aws:iam::aws:policy/ReadOnlyAccess", kind="aws"))
    bounded = principal("bounded", boundary=managed(arn=f"arn:aws:iam::{ONE}:policy/limit"))
    linked = principal("linked", path="/aws-service-role/x.amazonaws.com/")
    center = principal("center", inline, path="/aws-reserved/sso.amazonaws.com/")
    user = principal("jane", managed(), kind="user", trust=None)
    found = live_policies(snapshot(app, bounded, linked, center, user))
    assert kinds(found) == {
        f"{ONE}:policy/custom": "customer",
        f"{ONE}:policy/limit": "customer",
        f"{ONE}:role/app/inline/own": "inline",
        f"{ONE}:role/app/trust": "trust",
        f"{ONE}:role/bounded/trust": "trust",
        f"{ONE}:role/center/inline/own": "inline",
    }
    custom = next(one for one in found if one.key == CUSTOM)
    assert (custom.principals, custom.attached) == ((app.arn, user.arn), 2)
    types = {one.kind: one.type for one in found}
    assert types == {"customer": "IDENTITY_POLICY", "inline": "IDENTITY_POLICY", "trust": "RESOURCE_POLICY"}


def test_an_inline_policy_of_a_group_is_one_policy_of_all_its_users():
    shared = Policy("ops/own", "inline", TEXT)
    users = [principal(name, shared, kind="user", trust=None) for name in ("jane", "joe")]
    (found,) = live_policies(snapshot(*users))
    assert (found.key, found.attached) == (f"{ONE}:group/ops/inline/own", 2)


def test_policies_of_groups_without_users_are_live_too():
    own, custom = Policy("own", "inline", TEXT), managed()
    aws = managed(arn="arn:aws:iam::aws:policy/ReadOnlyAccess", kind="aws")
    ops = Group(f"arn:aws:iam::{ONE}:group/lead/ops", ONE, "ops", (own, custom, aws))
    of_user = principal("jane", replace(own, name="ops/own"), kind="user", trust=None)
    for users, attached in (((), 0), ((of_user,), 1)):
        found = {one.key: one for one in live_policies(replace(snapshot(*users), groups={ops.arn: ops}))}
        assert set(found) == {f"{ONE}:group/ops/inline/own", CUSTOM}
        assert found[f"{ONE}:group/ops/inline/own"].principals == tuple(one.arn for one in users)
        assert all(one.accounts == (ONE,) and one.document for one in found.values())
        assert found[f"{ONE}:group/ops/inline/own"].attached == attached


def test_scps_and_rcps_count_in_the_accounts_below_them_and_aws_s_own_are_left_out():
    accounts = [
        Account(ONE, ou_path=("r-1",), scp_levels=((FULL, DENY), (FULL,)), rcp_levels=((), (TEXT,)), collected_at=NOW),
        Account(TWO, ou_path=("r-1",), scp_levels=((FULL, DENY), (FULL,)), rcp_levels=(), collected_at=NOW),
    ]
    found = {one.kind: one for one in live_policies(snapshot(accounts=accounts))}
    assert found.keys() == {"scp", "rcp"}
    assert (found["scp"].name, found["scp"].accounts, found["scp"].attached) == ("SCP of r-1", (ONE, TWO), 2)
    assert (found["rcp"].name, found["rcp"].accounts) == (f"RCP of {ONE}", (ONE,))
    assert (found["scp"].type, found["rcp"].type) == ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")


@pytest.mark.parametrize(("error", "expected"), [("denied", [None]), (None, [])], ids=["asked", "nobody asked"])
def test_guardrails_that_an_organization_does_not_show_are_unread_and_not_absent(error, expected):
    account = Account(ONE, scp_levels=None, collected_at=NOW)
    assert [one.document for one in live_policies(snapshot(accounts=[account], error=error))] == expected


def test_an_account_that_is_suspended_is_asked_nothing_and_lacks_nothing():
    gone = Account(TWO, state="SUSPENDED", scp_levels=((DENY,),))
    known = snapshot(accounts=[Account(ONE, scp_levels=((DENY,),), collected_at=NOW), gone])
    (scp,) = live_policies(known)
    assert scp.accounts == (ONE,)
    checked = ValidatedPolicy(scp, SourceState(SOURCE, State.COMPLETE), PolicyAnswer(NOW))
    states = validation_states(PolicyValidations((checked,)), known)
    assert {account: state.state for account, state in states.items()} == {ONE: State.COMPLETE}
    assert day_of((), [checked], Unseen.of(known), NOW.date()).uncollected == 0


def policy(key, document=TEXT, kind="inline", accounts=(ONE,), principals=("a",)):
    return LivePolicy(key, key, kind, document, accounts, principals)


def test_each_document_is_asked_about_once_the_most_attached_first():
    many = policy("many", principals=("a", "b", "c"), accounts=(TWO,))
    same = policy("same", principals=("d",))
    trust = policy("trust", kind="trust", principals=("a", "b"))
    old = policy("old", DENY, principals=tuple("abcdefgh"))
    known = policy("known", FULL)
    unread = policy("unread", None)
    answers = {
        old.digest: PolicyAnswer(NOW - timedelta(days=30)),
        known.digest: PolicyAnswer(NOW - timedelta(days=30) + DAY / 24),
    }
    found = to_ask([same, many, trust, old, known, unread], answers, NOW)
    # The same text as trust policy is another question. One that was never asked comes before one that is old.
    assert [one.key for one in found] == ["same", "trust", "old"]
    assert found[0].accounts == (ONE, TWO)


def finding(code="A", type_="WARNING"):
    return PolicyFinding(type_, code, "text", "https://docs.aws.amazon.com/x")


def validated(key, *findings, state=State.COMPLETE, **more):
    answer = PolicyAnswer(NOW, findings) if state is not State.UNAVAILABLE else None
    return ValidatedPolicy(policy(key, **more), SourceState(SOURCE, state, "Throttled"), answer)


def seen(code="A", key="p", first=NOW - 9 * DAY, last=NOW - DAY, resolved=None, account=ONE):
    return RegisteredFinding(key, code, "WARNING", account, first, last, resolved)


KNOWN = seen()


@pytest.mark.parametrize(
    ("now", "unseen", "expected"),
    [
        (validated("p", finding()), Unseen(), replace(KNOWN, last_seen=NOW)),
        (validated("p"), Unseen(), replace(KNOWN, resolved_at=NOW)),
        (validated("p", state=State.UNAVAILABLE), Unseen(), KNOWN),
        (validated("p", finding(), state=State.PARTIAL), Unseen(), replace(KNOWN, last_seen=NOW)),
        (validated("p", state=State.PARTIAL), Unseen(), KNOWN),
        (None, Unseen(), replace(KNOWN, resolved_at=NOW)),
        (None, Unseen(frozenset({ONE})), KNOWN),
        (None, Unseen(frozenset({TWO}), told=frozenset({ONE, TWO})), replace(KNOWN, resolved_at=NOW)),
        (None, Unseen.of(snapshot(accounts=[Account(TWO, collected_at=NOW)], error="denied")), KNOWN),
        (None, Unseen.of(Snapshot("all", {}, {}, "denied")), KNOWN),
        (None, Unseen.of(snapshot(error="denied")), replace(KNOWN, resolved_at=NOW)),
        (None, Unseen.of(snapshot(accounts=[Account(TWO, collected_at=NOW)])), replace(KNOWN, resolved_at=NOW)),
        (None, Unseen.of(snapshot(accounts=[Account(ONE, state="SUSPENDED")])), replace(KNOWN, resolved_at=NOW)),
    ],
    ids=[
        "still there",
        "gone from the document",
        "not checked",
        "an old answer has it",
        "an old answer without it proves nothing",
        "the policy is gone",
        "its account is not collected",
        "another account is not collected",
        "the organization did not tell of its account",
        "the organization told nothing",
        "the organization did not tell all, but its account is read",
        "its account has left",
        "its account is suspended",
    ],
)
def test_a_finding_ends_only_where_that_is_known(now, unseen, expected):
    assert registered([KNOWN], [now] if now else [], unseen, NOW) == (expected,)


@pytest.mark.parametrize(
    ("unseen", "resolved"),
    [
        (Unseen(told=frozenset({ONE})), None),
        (Unseen(frozenset({ONE})), NOW),
        (Unseen.of(Snapshot("all", {}, {}, "denied")), None),
        # An account that is listed and lies outside of the organization: nobody's question.
        (Unseen.of(snapshot(accounts=[Account(ONE, scp_levels=None, rcp_levels=None, collected_at=NOW)])), NOW),
    ],
)
def test_a_finding_of_an_scp_ends_only_where_the_organization_tells_all(unseen, resolved):
    (found,) = registered([seen(key="scp/abc", account="")], [], unseen, NOW)
    assert found.resolved_at == resolved


def test_a_finding_that_comes_back_begins_anew_and_a_new_one_now():
    old = seen(resolved=NOW - DAY)
    found = registered([old], [validated("p", finding(), finding("B", "ERROR"), finding("B", "ERROR"))], Unseen(), NOW)
    assert [(one.code, one.first_seen, one.resolved_at) for one in found] == [("A", NOW, None), ("B", NOW, None)]
    again = registered(found, [validated("p", finding(), finding("B", "ERROR"))], Unseen(), NOW + DAY / 2)
    assert again == found  # the same day: nothing to write


def test_a_day_counts_documents_once_and_findings_of_what_was_not_collected_too():
    policies = [
        validated("p", finding()),
        validated("q", finding()),
        validated("r", state=State.UNAVAILABLE, document=DENY),
        validated("s", state=State.UNAVAILABLE, document=None),
    ]
    lost = seen(key="lost", account=TWO)
    unseen = Unseen(frozenset({TWO}))
    register = registered([lost, seen("GONE")], policies, unseen, NOW)
    day = day_of(register, policies, unseen, NOW.date())
    assert (day.checked, day.unchecked, day.uncollected) == (1, 2, 1)
    assert day.findings == {"ERROR": 0, "SECURITY_WARNING": 0, "WARNING": 3, "SUGGESTION": 0}


def test_a_day_on_which_the_organization_told_nothing_is_no_clean_one():
    lost = Snapshot("all", {}, {}, "denied")
    policies = [ValidatedPolicy(one, SourceState(SOURCE, State.UNAVAILABLE)) for one in live_policies(lost)]
    for known, uncollected in (([], 0), ([seen()], 1)):
        register = registered(known, policies, Unseen.of(lost), NOW)
        day = day_of(register, policies, Unseen.of(lost), NOW.date())
        assert (day.checked, day.unchecked, day.uncollected) == (0, 1, uncollected)
        assert day.findings["WARNING"] == len(known)


def test_what_changed_since_the_last_pass_is_not_checked():
    old, kept = Policy("old", "inline", TEXT), Policy("kept", "inline", FULL)
    before = [
        ValidatedPolicy(one, SourceState(SOURCE, State.COMPLETE), PolicyAnswer(NOW))
        for one in live_policies(snapshot(principal("app", old, kept)))
    ]
    now = snapshot(principal("app", replace(old, document=DENY), kept), principal("new", Policy("x", "inline", TEXT)))
    found = {one.policy.key.rpartition(":")[2]: (one.checked, one.state.reason) for one in carried(before, now)}
    assert found == {
        "role/app/inline/kept": (True, ""),
        "role/app/inline/old": (False, "ChangedSince"),
        "role/app/trust": (True, ""),
        "role/new/inline/x": (True, ""),  # a text that is known
        "role/new/trust": (True, ""),
    }


def test_the_worst_come_first():
    found = worst_first(
        [
            validated("clean"),
            validated("many", finding("A"), finding("B"), finding("C")),
            validated("wide", finding("A"), principals=("a", "b")),
            validated("slim", finding("A")),
            validated("grave", finding("X", "ERROR")),
        ]
    )
    assert [one.policy.key for one in found] == ["grave", "many", "wide", "slim"]
