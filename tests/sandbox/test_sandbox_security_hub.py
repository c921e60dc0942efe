"""The sandbox's unified Security Hub: findings of its own analyzer, and policies that are recommended about them."""

import json

import pytest

from sandbox import organization as org

pytestmark = pytest.mark.slow

PRODUCTION, DEVELOPMENT, SECURITY = org.PRODUCTION, org.DEVELOPMENT, org.SECURITY


def listed(hub, **filters):
    """`filters`: field with __ for a dot -> the value that it has."""
    wanted = [
        {"FieldName": name.replace("__", "."), "Filter": {"Value": value, "Comparison": "EQUALS"}}
        for name, value in filters.items()
    ]
    given = {"Filters": {"CompositeFilters": [{"StringFilters": wanted, "Operator": "AND"}]}} if wanted else {}
    return [one for page in hub.get_paginator("get_findings_v2").paginate(**given) for one in page["Findings"]]


def uids(hub, title="UnusedPermission"):
    return {one["resources"][0]["uid"]: one["metadata"]["uid"] for one in listed(hub, finding_info__title=title)}


def recommended(hub, uid):
    """Its status and steps, of all pages."""
    pages = list(hub.get_paginator("get_recommended_policy_v2").paginate(MetadataUid=uid))
    return pages[0], [one["UnusedPermissions"] for page in pages for one in page.get("RecommendationSteps", ())]


@pytest.fixture
def hub(aws):
    made = aws.client("securityhub", PRODUCTION)
    made.enable_security_hub_v2()
    return made


def test_it_has_an_analyzer_of_its_own_and_its_findings(aws, hub):
    client = aws.client("accessanalyzer", PRODUCTION)
    (analyzer,) = client.list_analyzers()["analyzers"]
    assert analyzer["managedBy"] == "securityhubv2.amazonaws.com"
    pages = client.get_paginator("list_findings_v2").paginate(analyzerArn=analyzer["arn"])
    found = [one for page in pages for one in page["findings"]]
    assert set(uids(hub)) == {one["resource"] for one in found if one["findingType"] == "UnusedPermission"}
    assert len(listed(hub, metadata__product__name="IAM Access Analyzer")) == len(found)
    (role, uid), *_ = uids(hub).items()
    about = listed(hub, resources__uid=role)
    assert {one["resources"][0]["uid"] for one in about} == {role}
    # Beside it one of a control and an exposure.
    assert len({one["metadata"]["uid"] for one in about} - {uid}) == 2
    # It takes no place of those that customers make.
    configuration = {"unusedAccess": {"unusedAccessAge": 30}}
    client.create_analyzer(analyzerName="own", type="ACCOUNT_UNUSED_ACCESS", configuration=configuration)


def test_a_policy_is_made_read_in_pages_and_kept(aws, hub, sandbox):
    sandbox.settings(recommendationPolls=2)
    found = uids(hub)
    most = 0
    for role, uid in found.items():
        hub.generate_recommended_policy_v2(MetadataUid=uid)
        statuses = [hub.get_recommended_policy_v2(MetadataUid=uid)["Status"] for _ in range(2)]
        first, steps = recommended(hub, uid)
        assert [*statuses, first["Status"]] == ["IN_PROGRESS", "IN_PROGRESS", "SUCCEEDED"]
        assert first["ResourceArn"] == role
        assert all(json.loads(one.get("RecommendedPolicy", "{}")) is not None for one in steps)
        assert {one["RecommendedAction"] for one in steps} <= {"CREATE_POLICY", "DETACH_POLICY"}
        most = max(most, len(steps))
    assert most > 1  # more than a page
    hub.generate_recommended_policy_v2(MetadataUid=uid)
    assert hub.get_recommended_policy_v2(MetadataUid=uid)["Status"] == "IN_PROGRESS"


def test_what_cannot_be_recommended(aws, hub, refused, sandbox):
    found = uids(hub)
    role, uid = next(iter(found.items()))
    with refused("ResourceNotFoundException", 404):
        hub.get_recommended_policy_v2(MetadataUid=uid)
    for title in ("UnusedIAMRole", "IAM.21"):
        other = next(iter(uids(hub, title).values()))
        with refused("InvalidInputException", 400):
            hub.generate_recommended_policy_v2(MetadataUid=other)
        with refused("InvalidInputException", 400):
            hub.get_recommended_policy_v2(MetadataUid=other)
    sandbox.settings(recommendationFails=role, recommendationPolls=0)
    hub.generate_recommended_policy_v2(MetadataUid=uid)
    failed = hub.get_recommended_policy_v2(MetadataUid=uid)
    assert (failed["Status"], failed["Error"]["Code"]) == ("FAILED", "UNSUPPORTED")


def test_only_the_administrator_sees_other_accounts(aws, hub, refused):
    uid = next(iter(uids(hub).values()))
    member, administrator = aws.client("securityhub", DEVELOPMENT), aws.client("securityhub", SECURITY)
    with refused("AccessDeniedException", 403):
        member.get_findings_v2()
    for one in (member, administrator):
        one.enable_security_hub_v2()
    assert not set(uids(member)) & set(uids(hub))
    with refused("AccessDeniedException", 403):
        member.generate_recommended_policy_v2(MetadataUid=uid)
    assert uids(administrator).items() >= uids(hub).items()
    administrator.generate_recommended_policy_v2(MetadataUid=uid)
    assert hub.get_recommended_policy_v2(MetadataUid=uid)["Status"] == "IN_PROGRESS"


def test_filters_are_limited(aws, hub, refused):
    one = {"FieldName": "resources.uid", "Filter": {"Value": "x", "Comparison": "EQUALS"}}
    assert hub.get_findings_v2(Filters={"CompositeFilters": [{"StringFilters": [one] * 20}]})["Findings"] == []
    with refused("ValidationException", 400):
        hub.get_findings_v2(Filters={"CompositeFilters": [{"StringFilters": [one] * 21}]})
    with refused("ValidationException", 400):
        hub.get_findings_v2(Filters={"CompositeFilters": [{"StringFilters": [one]}] * 11})
