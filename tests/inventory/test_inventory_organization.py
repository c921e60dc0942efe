"""Accounts and guardrails out of the answers of Organizations, with what the sandbox does not have."""

from datetime import UTC, datetime

import pytest

from plumbline.api.landscape import LandscapeSpec
from plumbline.aws.errors import Denied
from plumbline.inventory.collect import collect
from tests.cli.accounts import details

NOW = datetime(2026, 6, 30, tzinfo=UTC)
BOTH = ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]


class Sessions:
    """A small organization: root, one OU in another, accounts as given. `fails`: (operation, target) that are denied."""

    def __init__(self, accounts, enabled=BOTH, contents=None, fails=()):
        self.accounts, self.enabled, self.contents, self.fails = accounts, enabled, contents or {}, set(fails)
        self.parents = {a["Id"]: "ou-b" for a in accounts} | {"ou-b": "ou-a", "ou-a": "r-x"}
        self.asked = []

    def _denied(self, operation, target):
        self.asked.append((operation, target))
        if (operation, target) in self.fails:
            raise Denied("no", service="organizations", operation=operation, code="AccessDeniedException")

    def call(self, service, operation, *, role_arn, **parameters):
        assert (service, role_arn) == ("organizations", None)
        self._denied(operation, parameters.get("PolicyId"))
        if operation == "DescribeOrganization":
            return {"Organization": {"Id": "o-x", "MasterAccountId": "100000000001"}}
        name = parameters["PolicyId"]
        return {"Policy": {"Content": self.contents.get(name, f'{{"Statement": [], "Id": "{name}"}}')}}

    def pages(self, service, operation, *, account=None, **parameters):
        if service in {"iam", "account"}:
            self.asked.append((operation, account))
            yield details(IsTruncated=False) | {"Roles": [], "Regions": [{"RegionName": "us-east-1"}]}
            return
        target = parameters.get("TargetId") or parameters.get("ChildId")
        self._denied(operation, target)
        if operation == "ListAccounts":
            yield from ({"Accounts": [account]} for account in self.accounts)
        elif operation == "ListRoots":
            types = [{"Type": kind, "Status": "ENABLED"} for kind in self.enabled]
            yield {"Roots": [{"Id": "r-x", "PolicyTypes": [*types, {"Type": BOTH[0], "Status": "PENDING_DISABLE"}]}]}
        elif operation == "ListParents":
            yield {"Parents": [{"Id": self.parents[target]}]}
        else:
            yield {"Policies": [{"Id": f"p-{target}-{parameters['Filter'][0].lower()}"}]}


def account(number, paths=("r-x", "ou-a", "ou-b"), **more):
    identifier = f"10000000000{number}"
    told = {"Paths": ["/".join(["o-x", *paths, identifier]) + "/"]} if paths else {}
    return {"Id": identifier, "Name": f"n{number}", "State": "ACTIVE", "Status": "ACTIVE"} | told | more


def run(sessions, **more):
    spec = {"accounts": {"organization": more}, "memberRole": {"name": "reader"}}
    return collect(sessions, LandscapeSpec.model_validate(spec), "all", NOW)


def levels(*names):
    return tuple((f'{{"Id":"p-{name}","Statement":[]}}',) for name in names)


def test_paths_are_walked_where_aws_does_not_tell_them():
    told, walked = Sessions([account(2), account(3)]), Sessions([account(2, None), account(3, None)])
    assert run(told) == run(walked)
    found = run(told).accounts["100000000002"]
    assert found.ou_path == ("r-x", "ou-a", "ou-b")
    assert found.scp_levels == levels("r-x-s", "ou-a-s", "ou-b-s", "100000000002-s")
    assert found.rcp_levels == levels("r-x-r", "ou-a-r", "ou-b-r", "100000000002-r")
    assert not [name for name, _ in told.asked if name == "ListParents"]
    # Each OU's parent is asked once, for all accounts in it.
    assert sorted(target for name, target in walked.asked if name == "ListParents") == [
        "100000000002", "100000000003", "ou-a", "ou-b",
    ]  # fmt: skip


def test_since_when_an_account_belongs_to_the_organization():
    joined = datetime(2026, 6, 1, 12, tzinfo=UTC)
    told, untold = run(Sessions([account(2, JoinedTimestamp=joined), account(3)])).accounts.values()
    assert (told.joined_at, untold.joined_at) == (joined, None)


def test_an_account_that_cannot_be_placed_has_unknown_guardrails():
    found = run(Sessions([account(2, None), account(3)], fails=[("ListParents", "100000000002")]))
    lost, other = found.accounts.values()
    assert (lost.ou_path, lost.scp_levels, lost.rcp_levels) == ((), None, None)
    assert len(other.scp_levels) == 4
    assert "OUs of account 100000000002" in found.organization_error
    assert lost.error is None  # its roles are read all the same


@pytest.mark.parametrize(
    ("enabled", "scp", "rcp"),
    [(BOTH, 4, 4), (BOTH[:1], 4, 0), (BOTH[1:], 0, 4), ([], 0, 0)],
    ids=["both", "SCP", "RCP", "none"],
)
def test_a_kind_that_is_not_enabled_binds_nobody(enabled, scp, rcp):
    sessions = Sessions([account(2)], enabled=enabled)
    (found,) = run(sessions).accounts.values()
    assert (len(found.scp_levels), len(found.rcp_levels)) == (scp, rcp)
    assert len([1 for name, _ in sessions.asked if name == "ListPoliciesForTarget"]) == scp + rcp


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_guardrail_that_is_no_document_is_unknown(content):
    found = run(Sessions([account(2), account(3, ("r-x",))], contents={"p-ou-a-s": content}))
    below, beside = found.accounts.values()
    assert (below.scp_levels, len(below.rcp_levels)) == (None, 4)
    assert len(beside.scp_levels) == 2
    assert "p-ou-a-s is no JSON object" in found.organization_error


@pytest.mark.parametrize(
    ("fields", "state", "entered"),
    [
        ({}, "ACTIVE", True),
        ({"State": "SUSPENDED"}, "SUSPENDED", False),
        ({"State": "CLOSED", "Status": "SUSPENDED"}, "CLOSED", False),
        ({"State": "PENDING_ACTIVATION", "Status": "ACTIVE"}, "PENDING_ACTIVATION", False),
        ({"State": None, "Status": "PENDING_CLOSURE"}, "PENDING_CLOSURE", False),
        ({"State": None, "Status": "ACTIVE"}, "ACTIVE", True),
    ],
)
def test_only_active_accounts_are_entered(fields, state, entered):
    sessions = Sessions([account(2, **fields)])
    (found,) = run(sessions).accounts.values()
    assert (found.state, found.collected_at) == (state, NOW if entered else None)
    assert found.error is None
    assert (("GetAccountAuthorizationDetails", "100000000002") in sessions.asked) == entered


def test_accounts_that_are_made_or_closed_follow_by_themselves():
    sessions = Sessions([account(2), account(3)])
    assert list(run(sessions).accounts) == ["100000000002", "100000000003"]
    sessions.accounts = [account(2), account(3, State="CLOSED", Status="SUSPENDED"), account(4)]
    sessions.parents["100000000004"] = "ou-b"
    sessions.asked.clear()
    found = run(sessions).accounts
    assert {name: one.state for name, one in found.items()} == {
        "100000000002": "ACTIVE",
        "100000000003": "CLOSED",
        "100000000004": "ACTIVE",
    }
    entered = {where for name, where in sessions.asked if name == "GetAccountAuthorizationDetails"}
    assert entered == {"100000000002", "100000000004"}


def test_the_management_account_is_bound_by_nothing_and_excluded_ones_are_not_there():
    sessions = Sessions([account(1), account(2), account(3)])
    found = run(sessions, excludeAccounts=["100000000003"])
    assert list(found.accounts) == ["100000000001", "100000000002"]
    first = found.accounts["100000000001"]
    assert (first.management, first.scp_levels, first.rcp_levels) == (True, (), ())
    assert ("ListPoliciesForTarget", "100000000001") not in sessions.asked
    assert not [target for _, target in sessions.asked if target == "100000000003"]
