"""EKS of the sandbox: clusters where they were made, and associations that tell their role only one by one."""

import pytest

from sandbox import organization as org

pytestmark = pytest.mark.slow

ROLE = f"arn:aws:iam::{org.PRODUCTION}:role/pods"
TARGET = f"arn:aws:iam::{org.PAYMENTS}:role/target"


@pytest.fixture
def eks(aws):
    client = aws.client("eks", org.PRODUCTION)
    client.create_cluster(name="shop", roleArn=ROLE, resourcesVpcConfig={})
    return client


def associate(client, name, **more):
    given = {"clusterName": "shop", "namespace": "payments", "serviceAccount": name, "roleArn": ROLE} | more
    return client.create_pod_identity_association(**given)["association"]


def test_clusters_are_listed_in_their_account_and_region(aws, eks, refused):
    assert eks.list_clusters()["clusters"] == ["shop"]
    assert aws.client("eks", org.PRODUCTION, region=org.SECOND_REGION).list_clusters()["clusters"] == []
    assert aws.client("eks", org.PAYMENTS).list_clusters()["clusters"] == []
    with refused("ResourceInUseException", 409):
        eks.create_cluster(name="shop", roleArn=ROLE, resourcesVpcConfig={})
    eks.delete_cluster(name="shop")
    with refused("ResourceNotFoundException", 404):
        eks.list_pod_identity_associations(clusterName="shop")


def test_a_list_leaves_the_role_out(eks):
    made = associate(eks, "api", targetRoleArn=TARGET, disableSessionTags=True)
    (listed,) = eks.list_pod_identity_associations(clusterName="shop")["associations"]
    assert listed.keys() == {"clusterName", "namespace", "serviceAccount", "associationArn", "associationId"}
    told = eks.describe_pod_identity_association(clusterName="shop", associationId=listed["associationId"])
    assert told["association"] == made
    assert (made["roleArn"], made["targetRoleArn"], made["disableSessionTags"]) == (ROLE, TARGET, True)
    assert made["externalId"] == f"us-east-1/{org.PRODUCTION}/shop/payments/api"
    assert made["associationArn"].startswith(f"arn:aws:eks:us-east-1:{org.PRODUCTION}:podidentityassociation/shop/a-")


def test_what_cannot_be_associated(eks, refused):
    made = associate(eks, "api")
    with refused("ResourceInUseException", 409):
        associate(eks, "api")
    with refused("InvalidParameterException", 400):
        associate(eks, "web", roleArn=TARGET)
    eks.delete_pod_identity_association(clusterName="shop", associationId=made["associationId"])
    with refused("ResourceNotFoundException", 404):
        eks.describe_pod_identity_association(clusterName="shop", associationId=made["associationId"])


def test_lists_come_in_pages(eks, sandbox):
    sandbox.settings(eksPageSize=2)
    for name in "abc":
        associate(eks, name)
    pages = list(eks.get_paginator("list_pod_identity_associations").paginate(clusterName="shop"))
    assert [len(page["associations"]) for page in pages] == [2, 1]
