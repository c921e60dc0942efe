"""More accounts than workers: each is asked one call at a time, several side by side, and none waits for one that fails."""

import json
import re
import threading
from collections import Counter
from datetime import UTC, datetime

import pytest

from plumbline.api.landscape import LandscapeSpec, PodIdentity
from plumbline.aws.errors import Denied, Invalid, QuotaExceeded, Throttled, Transient
from plumbline.inventory.collect import CONCURRENT_ACCOUNTS, collect, collect_again
from plumbline.inventory.pod_identity import collect_pod_identity
from tests.cli.accounts import ACCOUNT, details, role, trust
from tests.inventory.in_flight import InFlight

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
MANY = [f"{n:012}" for n in range(1, 3 * CONCURRENT_ACCOUNTS + 2)]
PAGES = 3
PODS = trust({"Service": "pods.eks.amazonaws.com"})
LINE = re.compile(r"inventory: account ([0-9]{12}) (\w+) \(([0-9]+) of ([0-9]+)(?:, ([0-9]+) failed)?\)")


class Aws:
    """Accounts with some pages of roles each. `fails`: (account, operation, page) -> error; None instead of an account: of
    each."""

    def __init__(self):
        self.fails, self.asked = {}, Counter()
        self.answer = self._answer

    def _answer(self, operation, page, *, account):
        self.asked[account, operation] += 1
        for who in (account, None):
            if (error := self.fails.get((who, operation, page))) is not None:
                raise error
        named = f"app{page}"
        if operation == "GetAccountAuthorizationDetails":
            found = details(roles=[role(named, trusts=PODS)], IsTruncated=page < PAGES - 1)
            return json.loads(json.dumps(found).replace(ACCOUNT, account))
        if operation == "ListRoles":
            return {"Roles": [{"Arn": f"arn:aws:iam::{account}:role/{named}", "RoleId": f"AROA{named}"}]}
        return {"Regions": [{"RegionName": "us-east-1"}], "clusters": []}

    def pages(self, _, operation, *, account, **__):
        for page in range(PAGES):
            yield self.answer(operation, page, account=account)


@pytest.fixture
def aws():
    return Aws()


def spec(**more):
    return LandscapeSpec.model_validate({"accounts": {"ids": MANY}, "memberRole": {"name": "reader"}} | more)


def roles_of(snapshot):
    return Counter(one.account for one in snapshot.principals.values())


def told(lines):
    """(account, outcome, done, of how many, failed) of each line about an account."""
    found = [LINE.fullmatch(line) for line in lines if line.startswith("inventory: account ")]
    return [(m[1], m[2], int(m[3]), int(m[4]), int(m[5] or 0)) for m in found]


def test_no_account_has_more_than_one_call_under_way(aws):
    aws.answer = meter = InFlight(aws.answer, CONCURRENT_ACCOUNTS)
    snapshot = collect(aws, spec(), "all", NOW)
    assert roles_of(snapshot) == dict.fromkeys(MANY, PAGES)
    assert meter.most_of_all == CONCURRENT_ACCOUNTS
    assert meter.most_of_account == dict.fromkeys(MANY, 1)


def test_nor_when_some_are_looked_at_again_or_their_clusters_are_asked(aws):
    snapshot, regions = collect(aws, spec(), "all", NOW), PodIdentity(regions=["us-east-1", "eu-west-1"])
    for again in (
        lambda: collect_again(aws, snapshot, MANY, NOW),
        lambda: collect_pod_identity(aws, snapshot, regions),
    ):
        aws.answer = meter = InFlight(aws._answer, CONCURRENT_ACCOUNTS)
        assert again()
        assert (meter.most_of_all, meter.most_of_account) == (CONCURRENT_ACCOUNTS, dict.fromkeys(MANY, 1))
    assert aws.asked[MANY[-1], "ListClusters"] == PAGES * 2


ERRORS = {
    "AccessDenied": lambda account: Denied("no", account=account),
    "Throttled": lambda account: Throttled("later", account=account),
    "QuotaExceeded": lambda account: QuotaExceeded("enough", account=account),
    "Transient": lambda account: Transient("broken", account=account),
    "Invalid": lambda account: Invalid("odd", account=account),
}


@pytest.mark.parametrize("operation", ["GetAccountAuthorizationDetails", "ListRoles"])
@pytest.mark.parametrize("page", [0, PAGES - 1])
def test_accounts_that_fail_take_no_other_down(aws, operation, page):
    """Among them all with which the workers begin, each by another error, at once or midway."""
    failing = {*MANY[:CONCURRENT_ACCOUNTS], *MANY[::3]}
    for at, account in enumerate(sorted(failing)):
        aws.fails[account, operation, page] = list(ERRORS.values())[at % len(ERRORS)](account)
    snapshot = collect(aws, spec(), "all", NOW)
    assert {a.id for a in snapshot.accounts.values() if a.error} == failing
    assert {a.id for a in snapshot.accounts.values() if a.collected_at} == set(MANY) - failing
    assert all(a.error_reason and a.collected_at is None for a in snapshot.accounts.values() if a.error)
    assert roles_of(snapshot) == dict.fromkeys(sorted(set(MANY) - failing), PAGES)  # half an account is none
    assert list(snapshot.accounts) == MANY


def test_an_account_that_fails_when_it_is_looked_at_again_stays_as_it_was(aws):
    before = collect(aws, spec(), "all", NOW)
    failing = set(MANY[: CONCURRENT_ACCOUNTS + 1])
    for account in failing:
        aws.fails[account, "ListRoles", 1] = Throttled("later", account=account)
    later = NOW.replace(hour=7)
    after = collect_again(aws, before, MANY, later)
    assert {a.id for a in after.accounts.values() if a.collected_at == later} == set(MANY) - failing
    assert not [a for a in after.accounts.values() if a.error]
    assert after.principals == before.principals


def test_progress_only_grows_ends_at_all_and_counts_what_failed(aws):
    failing = {MANY[0], MANY[5], MANY[-1]}
    for account in failing:
        aws.fails[account, "ListRoles", 0] = Denied("no", account=account)
    lines = []
    collect(aws, spec(), "all", NOW, lines.append)
    found = told(lines)
    assert [done for _, _, done, _, _ in found] == list(range(1, len(MANY) + 1))
    assert {total for _, _, _, total, _ in found} == {len(MANY)}
    assert {account: outcome for account, outcome, *_ in found} == {
        account: "AccessDenied" if account in failing else "collected" for account in MANY
    }
    failed = [number for *_, number in found]
    assert failed == sorted(failed)
    assert failed[-1] == len(failing)


def test_a_slow_account_at_the_beginning_holds_up_no_progress(aws):
    """It is answered only when all others have been told."""
    lines, told_all, others, answer = [], threading.Event(), len(MANY) - 1, aws.answer

    def slowly(operation, page, *, account):
        if account == MANY[0] and operation == "GetAccountAuthorizationDetails" and page == 0:
            assert told_all.wait(20), told(lines)
        return answer(operation, page, account=account)

    def progress(line):
        lines.append(line)
        if len(told(lines)) == others:
            told_all.set()

    aws.answer = slowly
    collect(aws, spec(), "all", NOW, progress)
    assert told(lines)[-1] == (MANY[0], "collected", len(MANY), len(MANY), 0)
