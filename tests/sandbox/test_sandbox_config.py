"""The aggregator of AWS Config: all accounts from one, page by page, and nothing else than what IAM holds."""

import json

import pytest

from sandbox import organization as org
from sandbox.aws.config import RECORDER
from tests.sandbox.conftest import fails

pytestmark = pytest.mark.slow


@pytest.fixture
def config(aws):
    return aws.client("config", org.SECURITY)


def rows(config, expression, size=100):
    pages = config.get_paginator("select_aggregate_resource_config").paginate(
        ConfigurationAggregatorName=org.AGGREGATOR, Expression=expression, PaginationConfig={"PageSize": size}
    )
    return [json.loads(row) for page in pages for row in page["Results"]]


def test_items_are_those_of_iam(config, aws):
    where = f"resourceType = 'AWS::IAM::Role' AND accountId IN ('{org.PRODUCTION}', '{org.DEVELOPMENT}')"
    found = rows(config, f"SELECT arn, configuration WHERE {where}")
    assert rows(config, f"SELECT arn, configuration WHERE {where}", size=7) == found
    roles = aws.client("iam", org.PRODUCTION).get_account_authorization_details(MaxItems=1000)["RoleDetailList"]
    own = {one["arn"]: one["configuration"] for one in found if one["accountId"] == org.PRODUCTION}
    assert own.keys() == {role["Arn"] for role in roles}
    assert {one["accountId"] for one in found} == {org.PRODUCTION, org.DEVELOPMENT}
    assert all(
        {"assumeRolePolicyDocument", "rolePolicyList", "permissionsBoundary"} <= one.keys() for one in own.values()
    )
    assert not any("roleLastUsed" in one for one in own.values())


def test_items_are_counted_and_recorders_shown(config):
    kinds = "resourceType IN ('AWS::IAM::Role', 'AWS::IAM::User')"
    counts = {
        row["accountId"]: row["COUNT(*)"]
        for row in rows(config, f"SELECT accountId, COUNT(*) WHERE {kinds} GROUP BY accountId")
    }
    found = rows(config, f"SELECT arn WHERE {kinds}")
    assert counts == {account: sum(one["accountId"] == account for one in found) for account in org.ACCOUNTS}
    recorders = rows(config, f"SELECT configuration WHERE resourceType = '{RECORDER}' AND awsRegion = 'us-east-1'")
    assert {one["accountId"] for one in recorders} == set(org.ACCOUNTS)


def test_only_the_delegated_administrator_has_the_aggregator(config, aws):
    with fails("NoSuchConfigurationAggregatorException"):
        rows(aws.client("config", org.PRODUCTION), "SELECT arn WHERE resourceType = 'AWS::IAM::Role'")
    with fails("InvalidExpressionException"):
        rows(config, "SELECT arn")
