"""The planted organization as files, as one gets them with AWS's own command line: account details, organization, and Pod
Identity associations."""

import json
from pathlib import Path

import boto3

from sandbox import organization as org
from sandbox.planted.accounts import ACCOUNTS, DARK, DATA
from sandbox.planted.federation import CLUSTER

KINDS = {"SERVICE_CONTROL_POLICY": "serviceControlPolicies", "RESOURCE_CONTROL_POLICY": "resourceControlPolicies"}


def exported(folder):
    """The options that name the files."""
    options = []
    for account in ACCOUNTS:
        if account.id != DARK:
            iam = _client("iam", account.id)
            pages = list(iam.get_paginator("get_account_authorization_details").paginate())
            options += ["--account-details", _saved(folder / f"{account.name}.json", [*pages, _boundaries(iam, pages)])]
    organization = {"id": org.ORGANIZATION_ID, "managementAccount": org.MANAGEMENT, "root": _root()}
    options += ["--organization", _saved(folder / "organization.json", organization)]
    return [*options, "--pod-identity", _saved(folder / "associations.json", _associations())]


def _client(service, account):
    session = boto3.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/plumbline/{org.MEMBER_ROLE_NAME}",
        RoleSessionName="export",
        ExternalId=org.EXTERNAL_ID,
    )["Credentials"]
    return boto3.client(
        service,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


def _saved(path, data):
    Path(path).write_text(json.dumps(data, default=str))
    return path


def _boundaries(iam, pages):
    """One more page with what is merely a boundary, which the others leave out."""
    told = {policy["Arn"] for page in pages for policy in page["Policies"]}
    principals = [one for page in pages for one in (*page["RoleDetailList"], *page["UserDetailList"])]
    used = {one["PermissionsBoundary"]["PermissionsBoundaryArn"] for one in principals if "PermissionsBoundary" in one}
    return {"Policies": [_policy(iam, arn) for arn in sorted(used - told)]}


def _policy(iam, arn):
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    return policy | {"PolicyVersionList": [version]}


def _root():
    organizations = boto3.client("organizations")

    def pages(operation, key, **parameters):
        return [one for page in organizations.get_paginator(operation).paginate(**parameters) for one in page[key]]

    def policies(target):
        return {
            name: [
                json.loads(organizations.describe_policy(PolicyId=policy["Id"])["Policy"]["Content"])
                for policy in pages("list_policies_for_target", "Policies", TargetId=target, Filter=kind)
            ]
            for kind, name in KINDS.items()
        }

    def unit(identifier):
        accounts = pages("list_accounts_for_parent", "Accounts", ParentId=identifier)
        units = pages("list_organizational_units_for_parent", "OrganizationalUnits", ParentId=identifier)
        return {
            "id": identifier,
            "accounts": [{"id": one["Id"], "name": one["Name"], **policies(one["Id"])} for one in accounts],
            "organizationalUnits": [unit(one["Id"]) for one in units],
            **policies(identifier),
        }

    return unit(pages("list_roots", "Roots")[0]["Id"])


def _associations():
    eks = _client("eks", DATA)
    listed = eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"]
    return [
        eks.describe_pod_identity_association(clusterName=CLUSTER, associationId=one["associationId"]) for one in listed
    ]
