"""Which roles a baseline may see, and that it learns nothing of the others."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.api.baseline import BaselineSpec
from plumbline.api.landscape import AllowedTargets
from plumbline.assess.targets import Claim, Selection, governing, may_target, not_editable, owner_unknown, select
from plumbline.model.snapshot import LAST_USED, ROLE_TEMPLATE, Account, Snapshot
from tests.iam.policies import role

A, B, LOST, CLOSED = "111111111111", "222222222222", "333333333333", "444444444444"
ACCOUNTS = {
    A: Account(A, ou_path=("r-root", "ou-root-prodprod")),
    B: Account(B, ou_path=("r-root", "ou-root-devdevde")),
    LOST: Account(
        LOST, ou_path=("r-root",), error="User arn:aws:iam::9:role/secret is not authorized", error_reason="Denied"
    ),
    CLOSED: Account(CLOSED, ou_path=("r-root",), state="SUSPENDED"),
}


def arn(account, name):
    return f"arn:aws:iam::{account}:role/{name}"


def make(account, name, kind="role", **tags):
    path, _, short = ("/" + name).rpartition("/")
    known = role(kind=kind)
    return replace(
        known, arn=f"arn:aws:iam::{account}:{kind}/{name}", account=account, name=short, path=f"{path}/", tags=tags
    )


PRINCIPALS = [
    make(A, "app", team="pay"),
    make(A, "team/app-b", team="payments"),
    make(A, "team/sub/other"),
    make(B, "app", team="pay"),
    make(B, "teamwork/x"),
    make(A, "app-user", kind="user"),
]
SNAPSHOT = Snapshot("default", ACCOUNTS, {p.arn: p for p in PRINCIPALS})
EVERYTHING = AllowedTargets(namespaces=["pay"], accounts=["*"])


def chosen(targets, allowed=(EVERYTHING,), namespace="pay", snapshot=SNAPSHOT, accounts=()):
    spec = BaselineSpec.model_validate({"targets": targets})
    return select(spec, namespace, snapshot, allowed, dict(accounts))


def short(selection):
    return {name.split("::")[1].replace(":role/", "/")[0] + name.split("role/")[1] for name in selection.selected}


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ({"names": ["*"]}, {"1app", "1team/app-b", "1team/sub/other", "2app", "2teamwork/x"}),
        ({"names": ["app*"]}, {"1app", "1team/app-b", "2app"}),
        ({"names": ["ap?", "x"]}, {"1app", "2app", "2teamwork/x"}),
        ({"names": ["APP"]}, set()),
        ({"paths": ["/team/"]}, {"1team/app-b", "1team/sub/other"}),
        ({"accounts": [B]}, {"2app", "2teamwork/x"}),
        ({"organizationalUnits": ["ou-root-prodprod"]}, {"1app", "1team/app-b", "1team/sub/other"}),
        ({"organizationalUnits": ["r-root"], "names": ["app"]}, {"1app", "2app"}),
        ({"accounts": [A], "names": ["app*"], "tags": {"team": "pay*"}}, {"1app", "1team/app-b"}),
        ({"accounts": [A], "tags": {"team": "pay"}}, {"1app"}),
        ({"accounts": [A], "tags": {"team": "[p]ay"}}, set()),
        ({"accounts": [A], "tags": {"owner": "*"}}, set()),
        ({"arns": [arn(B, "app")]}, {"2app"}),
        # Named roles need meet nothing else; exclusions hold for all.
        ({"arns": [arn(B, "app")], "paths": ["/team/"]}, {"2app", "1team/app-b", "1team/sub/other"}),
        ({"names": ["*"], "exclude": {"names": ["app*"]}}, {"1team/sub/other", "2teamwork/x"}),
        ({"names": ["*"], "exclude": {"paths": ["/team/"], "tags": {"team": "pay"}}}, {"2teamwork/x"}),
        ({"arns": [arn(B, "app")], "names": ["app"], "exclude": {"arns": [arn(B, "app")]}}, {"1app"}),
        ({"serviceAccounts": [{"name": "web"}]}, {"1app"}),
    ],
)
def test_what_is_selected(targets, expected):
    assert short(chosen(targets, accounts={"web": arn(A, "app")})) == expected


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ([], set()),
        ([{"namespaces": ["other"], "accounts": ["*"]}], set()),
        ([{"namespaces": ["pay"]}], set()),
        ([{"namespaces": ["pay"], "accounts": ["*"], "rolePaths": []}], set()),
        ([{"namespaces": ["pay"], "accounts": [B]}], {"2app", "2teamwork/x"}),
        ([{"namespaces": ["pay"], "organizationalUnits": ["ou-root-devdevde"]}], {"2app", "2teamwork/x"}),
        ([{"namespaces": ["pay"], "accounts": ["*"], "rolePaths": ["/team/"]}], {"1team/app-b", "1team/sub/other"}),
        (
            [
                {"namespaces": ["pay"], "accounts": [A], "rolePaths": ["/team/"]},
                {"namespaces": ["x", "pay"], "accounts": [B]},
            ],
            {"1team/app-b", "1team/sub/other", "2app", "2teamwork/x"},
        ),
    ],
)
def test_allowed_targets_limit_every_way_to_name_a_role(allowed, expected):
    entries = [AllowedTargets.model_validate(entry) for entry in allowed]
    assert short(chosen({"names": ["*"]}, entries)) == expected
    for principal in PRINCIPALS[:5]:
        one = chosen({"arns": [principal.arn]}, entries)
        by_account = chosen({"serviceAccounts": [{"name": "web"}]}, entries, accounts={"web": principal.arn})
        assert one.selected == by_account.selected
        assert bool(one.selected) == (short(one) <= expected and one.selected != ())
        assert (principal.arn in chosen({"names": ["*"]}, entries).selected) == bool(one.selected)


names = st.sampled_from(["app", "team/app-b", "gone", "team/gone"])
entries = st.builds(
    AllowedTargets,
    namespaces=st.just(["pay"]),
    accounts=st.lists(st.sampled_from([A, B, LOST, CLOSED]), max_size=2),
    organizational_units=st.sampled_from([[], ["ou-root-prodprod"]]),
    role_paths=st.sampled_from([["/"], ["/team/"], []]),
)


@given(st.lists(entries, max_size=2), st.sampled_from([A, B, LOST, CLOSED, "999999999999"]), names)
def test_what_is_not_allowed_reads_as_what_does_not_exist(allowed, account, name):
    target = arn(account, name)
    missing = chosen({"arns": [arn(A, "nowhere")]}).unassessed[0]
    if not may_target(allowed, target, SNAPSHOT):
        for snapshot in (SNAPSHOT, Snapshot("default", {}, {}), replace(SNAPSHOT, principals={})):
            (told,) = chosen({"arns": [target]}, allowed, snapshot=snapshot).unassessed
            assert told.reason == missing.reason
            assert told.message.replace(target, "") == missing.message.replace(arn(A, "nowhere"), "")
        (told,) = chosen({"serviceAccounts": [{"name": "web"}]}, allowed, accounts={"web": target}).unassessed
        assert told.message.replace("serviceAccount/web", "") == missing.message.replace(arn(A, "nowhere"), "")


def told(selection):
    return {u.target: u.reason for u in selection.unassessed}


def test_what_cannot_be_assessed_is_said():
    assert told(chosen({"arns": [arn(LOST, "app")]})) == {arn(LOST, "app"): "AccountNotCollected"}
    assert told(chosen({"arns": [arn(CLOSED, "app")]})) == {arn(CLOSED, "app"): "AccountNotCollected"}
    assert told(chosen({"names": ["app"]})) == {f"account/{LOST}": "AccountNotCollected"}
    assert told(chosen({"accounts": [A]})) == {}
    assert told(chosen({"accounts": [A, "999999999999"]})) == {"account/999999999999": "NotFoundOrNotAllowed"}
    only_a = [AllowedTargets(namespaces=["pay"], accounts=[A])]
    assert told(chosen({"accounts": [A, B, LOST]}, only_a)) == {
        f"account/{B}": "NotFoundOrNotAllowed",
        f"account/{LOST}": "NotFoundOrNotAllowed",
    }
    assert told(chosen({"names": ["app"]}, only_a)) == {}
    # A user is no role.
    assert told(chosen({"arns": [arn(A, "app-user")]})) == {arn(A, "app-user"): "NotFoundOrNotAllowed"}


@pytest.mark.parametrize(
    "annotation", [None, "", "app", "arn:aws:iam::1:role/x", "arn:aws:iam::111111111111:user/x", 7, "a:b"]
)
def test_service_accounts_without_a_role(annotation):
    selection = chosen({"serviceAccounts": [{"name": "web"}]}, accounts={"web": annotation} if annotation != "" else {})
    assert told(selection) == {"serviceAccount/web": "NoRoleAnnotation"}
    assert "spec.targets.arns" in selection.unassessed[0].message


def test_texts_for_a_namespace_name_no_foreign_principal():
    broken = replace(SNAPSHOT, organization_error="arn:aws:sts::9:assumed-role/secret is not authorized")
    for targets in ({"names": ["*"]}, {"arns": [arn(LOST, "app")]}, {"organizationalUnits": ["r-root"]}):
        for unassessed in chosen(targets, snapshot=broken).unassessed:
            assert "secret" not in unassessed.message


def unplaced(account):
    return replace(account, ou_path=())


@pytest.mark.parametrize(
    ("accounts", "targets", "allowed", "hidden"),
    [
        # The list could not be read: what else there may be is unknown, unless all that is named is there.
        ([unplaced(ACCOUNTS[A])], {"names": ["*"]}, EVERYTHING, True),
        ([unplaced(ACCOUNTS[A])], {"accounts": [A]}, EVERYTHING, False),
        ([unplaced(ACCOUNTS[A])], {"accounts": [A]}, AllowedTargets(namespaces=["pay"], organizational_units=["r-root"]), True),
        # Only some OUs could not be read: that matters where OUs decide.
        ([ACCOUNTS[A], unplaced(ACCOUNTS[B])], {"names": ["*"]}, EVERYTHING, False),
        ([ACCOUNTS[A], unplaced(ACCOUNTS[B])], {"organizationalUnits": ["r-root"]}, EVERYTHING, True),
        # Only guardrails could not be read.
        ([ACCOUNTS[A], ACCOUNTS[B]], {"organizationalUnits": ["r-root"]}, EVERYTHING, False),
    ],
)  # fmt: skip
def test_an_organization_that_could_not_be_read_hides_targets(accounts, targets, allowed, hidden):
    snapshot = Snapshot("default", {a.id: a for a in accounts}, SNAPSHOT.principals, organization_error="denied")
    selection = chosen(targets, [allowed], snapshot=snapshot)
    assert (told(selection).get("organization") == "OrganizationNotRead") is hidden
    assert selection.seen == {a.id for a in accounts if a.ou_path}


def test_accounts_whose_roles_are_all_shown():
    assert chosen({"names": ["*"]}).seen == {A, B}


def claim(key, *selected, exact=(), day=1):
    return Claim(key, datetime(2026, 1, day, tzinfo=UTC), Selection(frozenset(exact), (*selected, *exact), ()))


@pytest.mark.parametrize(
    ("claims", "winner"),
    [
        ([claim("a/a", "r"), claim("b/b", exact=["r"], day=9)], "b/b"),
        ([claim("a/a", "r", day=2), claim("b/b", "r", day=1)], "b/b"),
        ([claim("a/b", "r"), claim("a/a", "r"), claim("b/a", "r")], "a/a"),
        ([claim("a/a", exact=["r"], day=3), claim("z/z", exact=["r"], day=2), claim("b/b", "r")], "z/z"),
        ([claim("a/a", "r"), replace(claim("z/z", "r"), created_at=None)], "z/z"),
    ],
)
def test_one_baseline_governs_whatever_the_order(claims, winner):
    for order in permutations(claims):
        assert governing(order) == {"r": winner}


@pytest.mark.parametrize(
    ("principal", "reason"),
    [
        (make(A, "app"), None),
        (make(A, "aws-service-role/x.amazonaws.com/AWSServiceRoleForX"), "serviceLinkedRole"),
        (make(A, "aws-reserved/sso.amazonaws.com/AWSReservedSSO_x"), "reservedRole"),
        (replace(make(A, "app"), role_template="t"), "roleTemplate"),
        (replace(make(A, "app"), unknown=frozenset({ROLE_TEMPLATE})), "roleTemplateUnknown"),
        (replace(make(A, "app"), unknown=frozenset({LAST_USED})), None),
        (replace(make(A, "aws-reserved/x"), unknown=frozenset({ROLE_TEMPLATE})), "reservedRole"),
        (make(A, "team/aws-service-role/app"), None),
    ],
)
def test_roles_that_are_never_edited(principal, reason):
    told_why = not_editable(principal)
    assert (told_why or "").split(":")[0] == (reason or "")
    assert owner_unknown(principal) is (reason == "roleTemplateUnknown")
