"""Policy validation played by a script: what is not answered is never clean, and what is known is not asked again."""

import re
import threading
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.api.policy_validation import PolicyValidation
from plumbline.aws.errors import Denied, Invalid, Throttled, Transient
from plumbline.inventory.policy_validation import ACCOUNTS, BATCH, CONCURRENT_ACCOUNTS, PATIENCE, validate
from plumbline.model.policy_validation import LivePolicy
from plumbline.store.policy_validation import load_policy_answers
from tests.inventory.in_flight import InFlight

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
ONE, TWO, THREE = "111111111111", "222222222222", "333333333333"


def policy(name, accounts=(ONE,), kind="inline", document=None, attached=1):
    principals = tuple(f"arn:{name}:{n}" for n in range(attached))
    return LivePolicy(name, name, kind, document or f'{{"Sid":"{name}"}}', accounts, principals)


def raw(code="A", type_="WARNING", **more):
    path = [{"value": "Statement"}, {"index": 0}, {"value": "Action"}, {"index": 2}]
    link = "https://docs.aws.amazon.com/a"
    known = {"findingType": type_, "issueCode": code, "findingDetails": "text", "learnMoreLink": link}
    return known | {"locations": [{"path": path, "span": {}}, {"path": path}]} | more


class Script:
    """What AWS answers. `pages`: document -> pages of findings; `refuses`: (account, document or None) -> error.
    `after`: account -> how many calls it answers before it refuses."""

    def __init__(self):
        self.pages, self.refuses, self.after, self.asked = {}, {}, {}, []
        self.lock = threading.Lock()

    def call(self, service, operation, *, account, region, policyDocument, policyType, nextToken="0", **more):  # noqa: N803
        assert (service, operation) == ("access-analyzer", "ValidatePolicy")
        with self.lock:
            self.asked.append((account, policyDocument, policyType, more.get("validatePolicyResourceType"), region))
            refused = self.refuses.get((account, policyDocument)) or self.refuses.get((account, None))
            number = sum(one[0] == account for one in self.asked)
        if refused and number > self.after.get(account, 0):
            raise refused
        pages = self.pages.get(policyDocument, [[]])
        if pages == "broken":
            return {}
        at = int(nextToken)
        return {"findings": pages[at]} | ({"nextToken": str(at + 1)} if at + 1 < len(pages) else {})

    def documents(self):
        return [one[1] for one in self.asked]


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def run(engine, script):
    def run(*policies, now=NOW, progress=lambda _: None, **spec):
        script.asked.clear()
        return validate(script, engine, "all", PolicyValidation(**spec), policies, now=now, progress=progress)

    return run


def said(found):
    return {one.policy.key: (one.state.state.value, one.state.reason) for one in found}


COMPLETE = ("complete", "")


def test_what_aws_says_is_told_and_asked_only_once_until_its_checks_have_grown(run, script):
    app = policy("app")
    script.pages[app.document] = [[raw(), raw("B", "ERROR")], [raw("C", "SUGGESTION")]]
    (found,) = run(app)
    assert [(one.code, one.places) for one in found.findings] == [
        ("A", ("Statement[0].Action[2]",)),
        ("B", ("Statement[0].Action[2]",)),
        ("C", ("Statement[0].Action[2]",)),
    ]
    assert found.checked
    assert len(script.asked) == 2
    assert run(app) == (found,)
    assert script.asked == []
    assert run(app, now=NOW + timedelta(days=30, seconds=-1)) == (found,)
    assert script.asked == []
    script.pages[app.document] = [[raw("NEW")]]
    (later,) = run(app, now=NOW + timedelta(days=30))
    assert list(later.codes) == ["NEW"]


def test_each_kind_is_asked_for_what_it_is(run, script):
    run(
        policy("a"), policy("b", kind="trust"), policy("c", kind="scp"), policy("d", kind="rcp", accounts=(TWO,)),
        region="eu-central-1",
    )  # fmt: skip
    assert sorted(one[2:] for one in script.asked if one[3] is None) == [
        ("IDENTITY_POLICY", None, "eu-central-1"),
        ("RESOURCE_CONTROL_POLICY", None, "eu-central-1"),
        ("SERVICE_CONTROL_POLICY", None, "eu-central-1"),
    ]
    (trust,) = [one for one in script.asked if one[3]]
    assert trust[2:4] == ("RESOURCE_POLICY", "AWS::IAM::AssumeRolePolicyDocument")


def test_one_text_of_many_policies_is_asked_about_once(run, script):
    same = [policy(f"p{n}", document="{}", accounts=(ONE,) if n else (TWO,)) for n in range(5)]
    script.pages["{}"] = [[raw()]]
    assert [list(one.codes) for one in run(*same)] == [["A"]] * 5
    assert len(script.asked) == 1


def test_an_account_that_refuses_takes_no_other_down(run, script):
    script.refuses[ONE, None] = Denied("no", service="access-analyzer", operation="ValidatePolicy", account=ONE)
    found = run(policy("a"), policy("b"), policy("c", accounts=(TWO,)), policy("shared", accounts=(ONE, TWO)))
    denied = ("unavailable", "AccessDenied")
    assert said(found) == {"a": denied, "b": denied, "c": COMPLETE, "shared": COMPLETE}
    assert all(not one.findings and one.answer is None for one in found[:2])
    assert [one[0] for one in script.asked].count(ONE) == 1


def test_what_was_answered_before_a_throttle_is_kept_and_the_rest_follows(run, script, engine):
    script.refuses[ONE, None], script.after[ONE] = Throttled("slow"), 2
    policies = [policy(f"p{n}", attached=5 - n) for n in range(5)]
    found = run(*policies)
    throttled = ("unavailable", "Throttled")
    assert list(said(found).values()) == [COMPLETE, COMPLETE, throttled, throttled, throttled]
    assert len(load_policy_answers(engine, "all")) == 2
    script.refuses.clear()
    assert set(said(run(*policies)).values()) == {COMPLETE}
    assert script.documents() == [one.document for one in policies[2:]]


def test_the_bound_is_spent_on_the_most_attached_and_said(run, script):
    policies = [policy(f"p{n}", attached=n + 1) for n in range(4)]
    found = run(*policies, callsPerPass=2)
    bound = ("unavailable", "BoundReached")
    assert said(found) == {"p0": bound, "p1": bound, "p2": COMPLETE, "p3": COMPLETE}
    assert "policyValidation.callsPerPass" in found[0].state.remedy
    assert set(said(run(*policies, callsPerPass=2)).values()) == {COMPLETE}


def test_pages_count_as_calls_and_what_is_begun_is_ended(run, script, engine):
    big = policy("big", attached=9)
    script.pages[big.document] = [[raw()], [raw("B")], [raw("C")]]
    found = run(big, policy("small"), callsPerPass=2)
    assert said(found) == {"big": COMPLETE, "small": ("unavailable", "BoundReached")}
    assert len(script.asked) == 3
    assert [len(one.findings) for one in load_policy_answers(engine, "all").values()] == [3]
    assert said(run(big, policy("small"), callsPerPass=2)) == {"big": COMPLETE, "small": COMPLETE}


@pytest.mark.parametrize(
    ("pages", "refused", "reason"),
    [
        ("broken", None, "MalformedAnswer"),
        ([[raw(type_="OMEN")]], None, "MalformedAnswer"),
        ([[{"issueCode": "A"}]], None, "MalformedAnswer"),
        ([[]], Invalid("no policy", account=ONE), "InvalidRequest"),
        ([[]], Transient("down", account=ONE), "ServiceError"),
    ],
)
def test_one_document_that_fails_stops_no_other(run, script, pages, refused, reason):
    bad, good = policy("bad", attached=2), policy("good")
    script.pages[bad.document] = pages
    if refused:
        script.refuses[ONE, bad.document] = refused
    assert said(run(bad, good)) == {"bad": ("unavailable", reason), "good": COMPLETE}


def test_an_account_out_of_order_is_left_alone_after_a_while(run, script):
    script.refuses[ONE, None] = Transient("down", account=ONE)
    found = run(*(policy(f"p{n}") for n in range(PATIENCE + 3)))
    assert {state for state, _ in said(found).values()} == {"unavailable"}
    assert len(script.asked) == PATIENCE


def test_an_old_answer_is_used_meanwhile_and_proves_no_more_than_it_has(run, script):
    app = policy("app")
    script.pages[app.document] = [[raw()]]
    run(app)
    script.refuses[ONE, None] = Throttled("slow")
    (found,) = run(app, now=NOW + timedelta(days=31))
    assert said([found]) == {"app": ("partial", "Throttled")}
    assert "The answer of 2026-06-30 is used meanwhile" in found.state.message
    assert (list(found.codes), found.checked) == (["A"], False)


def test_a_document_that_cannot_be_read_is_not_asked_and_not_clean(run, script):
    (found,) = run(LivePolicy("a", "a", "inline", None, (ONE,), ("x",)))
    assert said([found]) == {"a": ("unavailable", "Unreadable")}
    assert script.asked == []


def test_answers_about_what_is_gone_are_forgotten_when_they_are_old(run, engine):
    run(policy("gone"), policy("stays"))
    run(policy("stays"))
    assert len(load_policy_answers(engine, "all")) == 2  # an account may only have failed
    run(policy("stays"), now=NOW + timedelta(days=30))
    assert len(load_policy_answers(engine, "all")) == 1


# Many accounts

MANY = [f"{n:012}" for n in range(1, 3 * CONCURRENT_ACCOUNTS + 2)]
LINE = re.compile(r"policy validation: ([0-9]+) of ([0-9]+) documents(?:, ([0-9]+) not answered)?")


def counted(lines):
    """(done, of how many, not answered) of each line."""
    return [tuple(int(number or 0) for number in LINE.fullmatch(line).groups()) for line in lines]


def many(each=2):
    return [policy(f"{account}/{n}", (account,)) for account in MANY for n in range(each)]


def test_accounts_that_refuse_take_no_other_down_however_many_there_are(run, script):
    """The first ones would fill all workers."""
    refusing = {*MANY[:CONCURRENT_ACCOUNTS], *MANY[::3]}
    script.refuses = {(account, None): Denied("no", account=account) for account in refusing}
    found = run(*many())
    assert {one.policy.key for one in found if not one.checked} == {
        f"{account}/{n}" for account in refusing for n in range(2)
    }
    assert {one.state.reason for one in found if not one.checked} == {"AccessDenied"}


def test_accounts_are_asked_side_by_side_and_each_one_call_at_a_time(run, script):
    script.call = meter = InFlight(script.call, CONCURRENT_ACCOUNTS)
    assert all(one.checked for one in run(*many(5)))
    assert meter.most_of_all == CONCURRENT_ACCOUNTS
    assert set(meter.most_of_account.values()) == {1}
    assert meter.most_of_account.keys() == set(MANY)


def test_progress_only_grows_and_ends_at_all_with_what_failed(run, script):
    shared = [policy(f"shared/{n}", tuple(MANY[n : n + ACCOUNTS + 1])) for n in range(4)]
    script.refuses = {(account, None): Denied("no", account=account) for account in MANY[:3]}
    script.pages["broken"] = "broken"
    lines = []
    found = run(*many(), *shared, policy("broken", (MANY[-1],), document="broken"), progress=lines.append)
    told = counted(lines)
    assert told == sorted(told)
    assert {total for _, total, _ in told} == {len(found)}
    # Three accounts with two each; the shared ones that are asked about in no account but these; and the broken answer.
    assert told[-1] == (len(found), len(found), sum(not one.checked for one in found))
    assert told[-1][2] == 3 * 2 + 1 + 1


def test_progress_is_told_while_a_long_account_is_asked(run, script):
    lines = []
    policies = [policy(f"{n:04}") for n in range(2 * BATCH + 1)]
    run(*policies, progress=lines.append)
    assert [done for done, _, _ in counted(lines)] == [BATCH, 2 * BATCH, 2 * BATCH + 1]
    assert run(*policies, progress=lines.append)
    assert len(lines) == 3  # nothing was due


def test_what_the_bound_leaves_out_is_counted(run, script):
    lines = []
    run(*many(1), callsPerPass=10, progress=lines.append)
    assert counted(lines)[-1] == (len(MANY), len(MANY), len(MANY) - 10)
