"""Which findings of Access Analyzer are linked, and as what; one that could not be read has not ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.model.analyzers import Analyzer, Finding, FindingList, Inspected, Listing
from plumbline.model.coverage import SourceState, State
from plumbline.model.finding import Related, RelatedFindings
from plumbline.reconcile.analyzers import AnalyzersFound
from plumbline.reconcile.related import related_findings
from tests.reconcile.facts import a_role

NOW = datetime(2026, 6, 30, tzinfo=UTC)
ROLE = a_role()
ACCOUNT, REGION = "100000000002", "eu-west-1"
FAILED = SourceState("unused-access", State.UNAVAILABLE, "AccessDenied", "no")


def analyzer(type_="ORGANIZATION_UNUSED_ACCESS", name="all", **more):
    arn = f"arn:aws:access-analyzer:{REGION}:{ACCOUNT}:analyzer/{name}"
    return replace(Analyzer(arn, name, type_, ACCOUNT, REGION, "ACTIVE", NOW), **more)


def finding(type_="UnusedPermission", id_="id-1", **more):
    made = Finding(id_, "", type_, ROLE.arn, "AWS::IAM::Role", ROLE.account, NOW, NOW)
    return replace(made, **more)


def found(*lists, failed=None):
    analyzers = tuple(one.analyzer for one in lists)
    return AnalyzersFound((), Inspected({(ACCOUNT, REGION): Listing(ACCOUNT, REGION, analyzers, failed)}), lists)


def related(*lists, principals=(ROLE,), failed=None):
    return related_findings(found(*lists, failed=failed), {one.arn: one for one in principals})


PRODUCT = f"arn:aws:securityhub:{REGION}::product/aws/access-analyzer"


@pytest.mark.parametrize(
    ("type_", "kind", "more", "link"),
    [
        ("ORGANIZATION_UNUSED_ACCESS", "UnusedPermission", {}, "/UnusedPermissions"),
        ("ACCOUNT", "ExternalAccess", {}, ""),
        ("ORGANIZATION", "ExternalAccess", {}, ""),
        # For these nobody says as what Security Hub has them.
        ("ORGANIZATION_UNUSED_ACCESS", "UnusedIAMRole", {}, None),
        ("ACCOUNT_UNUSED_ACCESS", "UnusedPermission", {"managed_by": "securityhub"}, None),
    ],
)
def test_only_documented_forms_are_linked(type_, kind, more, link):
    one = analyzer(type_, **more)
    (told,) = related(FindingList(one, (finding(kind),))).of[ROLE.arn]
    assert told == (Related("id-1") if link is None else Related("id-1", PRODUCT, f"{one.arn}/{ROLE.arn}{link}"))


def test_unused_access_comes_first_and_other_roles_and_errors_are_left_out():
    external = analyzer("ACCOUNT", "a")
    lists = (
        FindingList(external, (finding("ExternalAccess", "id-2"),)),
        FindingList(
            analyzer(),
            (
                finding(),
                finding(id_="old", analyzed_at=ROLE.created_at - timedelta(days=1)),
                finding(id_="broken", error="ACCESS_DENIED"),
                finding(id_="other", resource=f"{ROLE.arn}-other"),
            ),
        ),
    )
    told = related(*lists)
    assert [one.id for one in told.of[ROLE.arn]] == ["id-1", "id-2"]
    assert told.of.keys() == {ROLE.arn}
    assert told.complete
    assert related(*reversed(lists)) == told


def test_what_could_not_be_read_may_be_there():
    whole, listed = FindingList(analyzer(), (finding(),)), analyzer(name="other")
    assert related(whole).complete
    assert not related(whole, FindingList(listed, failed=FAILED)).complete
    assert not related(whole, failed=FAILED).complete
    # One that is not active is not read.
    unread = found(whole)
    both = Listing(ACCOUNT, REGION, (whole.analyzer, replace(listed, status="FAILED")))
    unread = replace(unread, inspected=Inspected({(ACCOUNT, REGION): both}))
    assert not related_findings(unread, {ROLE.arn: ROLE}).complete


def test_without_analyzers_nothing_is_linked():
    assert related_findings(None, {ROLE.arn: ROLE}) == RelatedFindings()
