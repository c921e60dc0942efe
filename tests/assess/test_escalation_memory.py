"""What is remembered of the last analysis is what would be found anew, and only changed accounts are judged again."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.escalation import escalations
from plumbline.assess.escalation_memory import Memory
from plumbline.model.snapshot import Account
from tests.assess.test_escalation import ADMIN, READER, named, trusts
from tests.iam.policies import allow, deny, document_of, inline

IDS = ("111111111111", "222222222222", "333333333333")
POLICIES = (
    ADMIN,
    READER,
    inline("pass", allow("iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction")),
    inline("put", allow("iam:PutRolePolicy", "iam:AttachRolePolicy")),
    inline("assume", allow("sts:AssumeRole")),
    inline("no", deny("iam:*")),
    replace(READER, name="lost", document=None),
)


def world():
    """Accounts and principals of an organization; each role is trusted by the account before its own."""
    accounts = {account: Account(account) for account in IDS}
    people = []
    for at, account in enumerate(IDS):
        before = IDS[at - 1]
        people += [
            named("app", POLICIES[2], POLICIES[4], account=account, trust=trusts({"Service": "lambda.amazonaws.com"})),
            named("ops", POLICIES[3], account=account, trust=trusts({"AWS": before})),
            named("admin", ADMIN, account=account, trust=trusts({"Service": "lambda.amazonaws.com"})),
            named("dev", POLICIES[4], account=account, kind="user"),
        ]
    return {p.arn: p for p in people}, accounts


def change(principals, accounts, pick):
    """One thing changed."""
    arn = pick.choice(sorted(principals))
    own = principals[arn]
    account = own.account
    kind = pick.randrange(7)
    if kind == 0:
        principals[arn] = replace(own, policies=tuple(pick.sample(POLICIES, 2)))
    elif kind == 1 and own.kind == "role":
        principals[arn] = replace(own, trust=pick.choice([None, trusts({"AWS": pick.choice(IDS)}), own.trust]))
    elif kind == 2:
        levels = pick.choice([(), None, ((document_of(allow("s3:*")),),)])
        accounts[account] = replace(accounts[account], scp_levels=levels) if account in accounts else Account(account)
    elif kind == 3:
        accounts.pop(account, None)
    elif kind == 4:
        principals.pop(arn)
    elif kind == 5:
        principals[arn] = replace(own, tags={"team": pick.choice("ab")})
    else:
        principals[arn] = replace(own, boundary=pick.choice([None, READER, POLICIES[-1]]))


@given(st.integers(0, 9999))
def test_what_is_remembered_is_what_would_be_found_anew(seed):
    pick = random.Random(seed)
    principals, accounts = world()
    memory = Memory()
    for _ in range(4):
        assert escalations(principals, accounts, memory=memory) == escalations(principals, accounts)
        change(principals, accounts, pick)


def test_only_what_a_change_may_concern_is_judged_again():
    principals, accounts = world()
    memory = Memory()
    escalations(principals, accounts, memory=memory)
    assert memory.judged == len(principals)
    used = {arn: replace(p, last_used_at=p.created_at) for arn, p in principals.items()}
    escalations(used, {key: replace(a, name="") for key, a in accounts.items()}, memory=memory)
    assert memory.judged == 0  # when a role was last used is no matter
    arn = f"arn:aws:iam::{IDS[1]}:role/ops"
    escalations(principals | {arn: replace(principals[arn], policies=(ADMIN,))}, accounts, memory=memory)
    assert memory.judged == 8  # its own account, and the one from which there is a hop into it


@pytest.mark.parametrize("gone", IDS)
def test_an_account_that_left_is_forgotten(gone):
    principals, accounts = world()
    memory = Memory()
    escalations(principals, accounts, memory=memory)
    left = {arn: p for arn, p in principals.items() if p.account != gone}
    assert escalations(left, accounts, memory=memory) == escalations(left, accounts)
    escalations(principals, accounts, memory=memory)
    assert memory.judged >= 4
