"""Credential reports of the sandbox: their states, what is in them, and the last use of access keys."""

import csv

import pytest

from sandbox import organization as org
from sandbox.aws.credentials import COLUMNS
from sandbox.estate import USERS

pytestmark = pytest.mark.slow

PRODUCTION, ANALYTICS = org.PRODUCTION, org.ANALYTICS


def user(name, account=PRODUCTION):
    return next(u for u in USERS if (u.name, u.account) == (name, account))


def rows(answer):
    text = answer["Content"].decode()
    assert not text.endswith("\n")
    return {row["user"]: row for row in csv.DictReader(text.splitlines())}


def test_a_report_is_made_on_demand_and_kept_for_four_hours(aws, sandbox, refused):
    client = aws.client("iam", PRODUCTION)
    with refused("ReportNotPresent", 410):
        client.get_credential_report()
    assert client.generate_credential_report()["State"] == "STARTED"
    assert client.generate_credential_report()["State"] == "INPROGRESS"
    with refused("ReportInProgress", 404):
        client.get_credential_report()
    first = client.get_credential_report()
    assert client.generate_credential_report()["State"] == "COMPLETE"
    assert client.get_credential_report() == first | {
        "ResponseMetadata": client.get_credential_report()["ResponseMetadata"]
    }
    sandbox.settings(daysPassed=5 / 24)
    with refused("ReportExpired", 410):
        client.get_credential_report()
    assert client.generate_credential_report()["State"] == "STARTED"


def test_what_a_report_says(aws, sandbox):
    sandbox.settings(credentialReportPolls=0)
    client = aws.client("iam", PRODUCTION)
    client.generate_credential_report()
    found = rows(client.get_credential_report())
    names = list(found)
    assert names[0] == "<root_account>"
    assert names[1:] == sorted(names[1:], key=str.lower)
    assert tuple(found["alice"]) == COLUMNS
    assert found["<root_account>"]["password_last_changed"] == "not_supported"
    assert found["visitor"]["password_enabled"] == "true"
    assert found["visitor"]["password_last_used"] == "no_information"
    assert found["visitor"]["access_key_1_last_used_date"] == "N/A"
    assert found["alice"]["password_last_used"].startswith("2026-06-")
    assert found["ci-legacy"]["password_last_used"] == "N/A"
    export = found["report-export"]
    assert export["access_key_1_last_used_date"].startswith("2025-12-12T")
    assert (export["access_key_1_last_used_service"], export["access_key_1_last_used_region"]) == ("s3", "us-east-1")
    assert (export["access_key_2_active"], export["access_key_2_last_rotated"][:10]) == ("false", "2025-05-26")


def test_one_account_has_a_report_that_has_expired(aws, refused):
    client = aws.client("iam", ANALYTICS)
    with refused("AccessDenied", 403):
        client.generate_credential_report()
    with refused("ReportExpired", 410):
        client.get_credential_report()


def test_a_report_can_be_made_to_fail(aws, sandbox, refused):
    sandbox.settings(credentialReportFails={PRODUCTION: "ReportInProgress"})
    client = aws.client("iam", PRODUCTION)
    client.generate_credential_report()
    for _ in range(3):
        with refused("ReportInProgress", 404):
            client.get_credential_report()


def test_keys_are_listed_in_pages_with_their_last_use(aws, refused):
    client, export = aws.client("iam", PRODUCTION), user("report-export")
    pages = list(
        client.get_paginator("list_access_keys").paginate(UserName=export.name, PaginationConfig={"PageSize": 1})
    )
    assert [[(k["AccessKeyId"], k["Status"]) for k in page["AccessKeyMetadata"]] for page in pages] == [
        [(export.access_key, "Active")],
        [(export.former_key, "Inactive")],
    ]
    used = client.get_access_key_last_used(AccessKeyId=export.access_key)
    assert used["UserName"] == export.name
    assert f"{used['AccessKeyLastUsed']['LastUsedDate']:%Y-%m-%d}" == "2025-12-12"
    never = client.get_access_key_last_used(AccessKeyId=export.former_key)["AccessKeyLastUsed"]
    assert never == {"ServiceName": "N/A", "Region": "N/A"}
    with refused("NoSuchEntity", 404):
        client.list_access_keys(UserName="nobody")
    with refused("NoSuchEntity", 404):
        client.get_access_key_last_used(AccessKeyId="AKIAIOSFODNN7EXAMPLE")
