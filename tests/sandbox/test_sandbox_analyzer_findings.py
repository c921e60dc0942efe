"""What the sandbox's analyzers find: the same store of events that tells last-accessed information."""

import pytest

from sandbox import organization as org
from sandbox.protocol import model

pytestmark = pytest.mark.slow

PRODUCTION = org.PRODUCTION


def unused(client, name="unused", age=90, kind="ACCOUNT_UNUSED_ACCESS", exclusions=()):
    configuration = {"unusedAccess": {"unusedAccessAge": age}}
    if exclusions:
        configuration["unusedAccess"]["analysisRule"] = {"exclusions": [{"accountIds": list(exclusions)}]}
    return client.create_analyzer(analyzerName=name, type=kind, configuration=configuration)["arn"]


def listed(client, arn, operation="list_findings_v2", **more):
    pages = client.get_paginator(operation).paginate(analyzerArn=arn, PaginationConfig={"PageSize": 7}, **more)
    return [one for page in pages for one in page["findings"]]


def details(client, arn, finding):
    pages = client.get_paginator("get_finding_v2").paginate(
        analyzerArn=arn, id=finding["id"], PaginationConfig={"PageSize": 3}
    )
    return [one for page in pages for one in page["findingDetails"]]


def test_a_list_tells_no_configuration(aws):
    client = aws.client("accessanalyzer", PRODUCTION)
    unused(client)
    (summary,) = client.list_analyzers()["analyzers"]
    assert "configuration" not in summary
    assert client.get_analyzer(analyzerName="unused")["analyzer"]["configuration"]["unusedAccess"] == {
        "unusedAccessAge": 90
    }


def test_the_owner_cannot_be_excluded_and_the_age_not_be_changed(aws, refused):
    client = aws.client("accessanalyzer", org.SECURITY)
    with refused("ValidationException", 400):
        unused(client, kind="ORGANIZATION_UNUSED_ACCESS", exclusions=[org.SECURITY])
    arn = unused(client, kind="ORGANIZATION_UNUSED_ACCESS")
    before = {one["resourceOwnerAccount"] for one in listed(client, arn)}
    assert org.DEVELOPMENT in before
    rule = {"exclusions": [{"accountIds": [org.DEVELOPMENT]}]}
    client.update_analyzer(
        analyzerName="unused", configuration={"unusedAccess": {"unusedAccessAge": 90, "analysisRule": rule}}
    )
    assert {one["resourceOwnerAccount"] for one in listed(client, arn)} == before - {org.DEVELOPMENT}
    with refused("ValidationException", 400):
        client.update_analyzer(analyzerName="unused", configuration={"unusedAccess": {"unusedAccessAge": 30}})


def test_findings_say_what_last_accessed_information_says(aws):
    client, iam = aws.client("accessanalyzer", PRODUCTION), aws.client("iam", PRODUCTION)
    arn = unused(client)
    permissions = [f for f in listed(client, arn) if f["findingType"] == "UnusedPermission"]
    finding = max(permissions, key=lambda f: len(details(client, arn, f)))
    assert finding["resourceType"] == "AWS::IAM::Role"
    told = {
        d["unusedPermissionDetails"]["serviceNamespace"]: d["unusedPermissionDetails"]
        for d in details(client, arn, finding)
    }
    job = iam.generate_service_last_accessed_details(Arn=finding["resource"], Granularity="ACTION_LEVEL")["JobId"]
    while True:
        answer = iam.get_service_last_accessed_details(JobId=job, MaxItems=1000)
        if answer["JobStatus"] == "COMPLETED":
            break
    created = client.get_analyzer(analyzerName="unused")["analyzer"]["createdAt"]
    compared = 0
    for service in answer["ServicesLastAccessed"]:
        last, name = service.get("LastAuthenticated"), service["ServiceNamespace"]
        if last is None or (created - last).days >= 90:
            assert "actions" not in told[name]
            assert told[name].get("lastAccessed") == last
            compared += 1
            continue
        silent = {
            f"{name}:{a['ActionName']}"
            for a in service.get("TrackedActionsLastAccessed", ())
            if a.get("LastAccessedTime") is None or (created - a["LastAccessedTime"]).days >= 90
        }
        assert {a["action"] for a in told.get(name, {}).get("actions", ())} == silent
        compared += bool(silent)
    assert compared
    assert set(told) <= {service["ServiceNamespace"] for service in answer["ServicesLastAccessed"]}


def test_each_type_of_finding_is_there_and_fits_its_shape(aws):
    client = aws.client("accessanalyzer", PRODUCTION)
    arn = unused(client)
    found = listed(client, arn)
    assert {f["findingType"] for f in found} == {
        "UnusedIAMRole",
        "UnusedIAMUserAccessKey",
        "UnusedIAMUserPassword",
        "UnusedPermission",
    }
    members = model("accessanalyzer").shape_for("FindingDetails").members
    assert {key for f in found for one in details(client, arn, f) for key in one} <= set(members)
    # Those that are younger than the age are not evaluated.
    assert not any("trainee" in f["resource"] for f in found)
    only = listed(client, arn, filter={"findingType": {"eq": ["UnusedIAMRole"]}, "status": {"eq": ["ACTIVE"]}})
    assert {f["findingType"] for f in only} == {"UnusedIAMRole"}
    assert listed(client, arn, filter={"status": {"eq": ["ARCHIVED"]}}) == []


def test_outsiders_of_the_zone_of_trust_are_found(aws, refused):
    client, admin = aws.client("accessanalyzer", PRODUCTION), aws.client("accessanalyzer", org.SECURITY)
    own = client.create_analyzer(analyzerName="own", type="ACCOUNT")["arn"]
    all_of = admin.create_analyzer(analyzerName="all", type="ORGANIZATION")["arn"]
    near = {(f["resource"], *f["principal"].values()) for f in listed(client, own, "list_findings")}
    far = {(f["resource"], *f["principal"].values()) for f in listed(admin, all_of, "list_findings")}
    assert any(org.OUTSIDER in principal for _, principal in far)
    # Between accounts of the organization nobody is an outsider.
    assert {one for one in far if one[0].split(":")[4] == PRODUCTION} < near
    wrong = unused(client)
    with refused("ValidationException", 400):
        client.list_findings(analyzerArn=wrong)
    with refused("ResourceNotFoundException", 404):
        client.list_findings_v2(analyzerArn=all_of)
    with refused("ResourceNotFoundException", 404):
        client.get_finding_v2(analyzerArn=own, id="none")
