"""AWS Config's aggregator, which moto does not query: the organization's IAM as configuration items, from one account.

The items are those that IAM holds at the moment; settings turn what is recorded, how old it is and what gets lost.
https://docs.aws.amazon.com/config/latest/APIReference/API_SelectAggregateResourceConfig.html
"""

import json
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sandbox import organization as org
from sandbox.aws.iam import details
from sandbox.aws.registry import operation, page
from sandbox.protocol import AwsError, Call
from sandbox.world import World

Json = dict[str, Any]
TYPES = {
    "UserDetailList": "AWS::IAM::User",
    "RoleDetailList": "AWS::IAM::Role",
    "GroupDetailList": "AWS::IAM::Group",
    "Policies": "AWS::IAM::Policy",
}
RECORDER = "AWS::Config::ConfigurationRecorder"
_QUERY = re.compile(r"SELECT (?P<fields>.+?) WHERE (?P<where>.+?)(?: GROUP BY (?P<group>\w+))?")
_TERM = re.compile(r"(\w+) (?:=|IN) (\('[^)]*'\)|'[^']*')")


def _aggregator(call: Call) -> None:
    name = call.params.get("ConfigurationAggregatorName") or call.params["ConfigurationAggregatorNames"][0]
    if (call.account, call.region, name) != (org.SECURITY, org.HOME_REGION, org.AGGREGATOR):
        message = f"The configuration aggregator does not exist: {name}"
        raise AwsError("NoSuchConfigurationAggregatorException", message, 400)


@operation("config", "DescribeConfigurationAggregators")
def describe_configuration_aggregators(world: World, call: Call) -> Json:
    _aggregator(call)
    arn = f"arn:aws:config:{org.HOME_REGION}:{org.SECURITY}:config-aggregator/config-aggregator-sandbox1"
    found: Json = {"ConfigurationAggregatorName": org.AGGREGATOR, "ConfigurationAggregatorArn": arn}
    if world.settings.configFilter:
        kinds = {"Type": "INCLUDE", "Value": world.settings.configFilter}
        found["AggregatorFilters"] = {"ResourceType": kinds}
    return {"ConfigurationAggregators": [found]}


@operation("config", "DescribeConfigurationAggregatorSourcesStatus")
def describe_configuration_aggregator_sources_status(world: World, call: Call) -> Json:
    """The organization, and each account in each of its Regions."""
    _aggregator(call)
    at = world.now() - timedelta(hours=world.settings.configHoursOld)
    organization = {"SourceId": org.ORGANIZATION_ID, "SourceType": "ORGANIZATION", "AwsRegion": org.HOME_REGION}
    entries = [organization | {"LastUpdateStatus": "SUCCEEDED", "LastUpdateTime": at}]
    for account in sorted(org.ACCOUNTS):
        status = world.settings.configStatus.get(account, "SUCCEEDED")
        for region in world.regions(account) if status != "absent" else ():
            entry = {"SourceId": account, "SourceType": "ACCOUNT", "AwsRegion": region, "LastUpdateTime": at}
            failed = {"LastErrorCode": "AccessDenied", "LastErrorMessage": "Not authorized"}
            entries.append(entry | {"LastUpdateStatus": status} | (failed if status == "FAILED" else {}))
    listed, token = page(entries, call.params.get("Limit") or 100, call.params.get("NextToken"))
    return {"AggregatedSourceStatusList": listed} | ({"NextToken": token} if token else {})


@operation("config", "SelectAggregateResourceConfig")
def select_aggregate_resource_config(world: World, call: Call) -> Json:
    """The subset of SQL in which the operator asks; all fields of an item whichever are named."""
    _aggregator(call)
    found = _QUERY.fullmatch(call.params["Expression"])
    if found is None:
        raise AwsError("InvalidExpressionException", "Unable to parse the query expression.", 400)
    wanted = {name: set(re.findall(r"'([^']*)'", values)) for name, values in _TERM.findall(found["where"])}
    items = [one for one in _items(world) if all(one[name] in values for name, values in wanted.items())]
    token = call.params.get("NextToken")
    if found["group"]:
        counts = Counter(one[found["group"]] for one in items)
        rows = [{found["group"]: value, "COUNT(*)": count} for value, count in sorted(counts.items())]
        listed, following = page(rows, call.params.get("Limit") or 500, token)
    else:
        listed, following = page(items, call.params.get("Limit") or 25, token)
        if world.settings.configLosesPages:
            following = None
    return {"Results": [json.dumps(row) for row in listed]} | ({"NextToken": following} if following else {})


def _items(world: World) -> list[Json]:
    at = _text(world.behaviour.ago(20))
    found = []
    for account in sorted(org.ACCOUNTS):
        found.append(_recorder(account, at) | world.settings.configRecorder.get(account, {}))
        for name, raw in details(account, {"User", "Role", "Group", "LocalManagedPolicy"}, all_policies=True):
            found.append(_item(account, TYPES[name], raw, at) | world.settings.configItems.get(raw["Arn"], {}))
    left_out = world.settings.configLeavesOut
    return [one for one in found if one["arn"] not in left_out and one["resourceType"] not in left_out]


def _item(account: str, kind: str, raw: Json, at: str) -> Json:
    prefix = kind.rpartition("::")[2]
    tags = [{"tag": f"{t['Key']}={t['Value']}", "key": t["Key"], "value": t["Value"]} for t in raw.get("Tags") or ()]
    configuration = _renamed({key: value for key, value in raw.items() if key not in ("Tags", "RoleLastUsed")})
    if prefix in ("Role", "User"):
        configuration.setdefault("permissionsBoundary", None)
    return {
        "version": "1.3",
        "accountId": account,
        "awsRegion": "global",
        "arn": raw["Arn"],
        "resourceType": kind,
        "resourceId": raw[f"{prefix}Id"],
        "resourceName": raw[f"{prefix}Name"],
        "configurationItemCaptureTime": at,
        "configurationItemStatus": "OK",
        "configuration": configuration,
        "tags": tags,
    }


def _recorder(account: str, at: str) -> Json:
    group = {"AllSupported": True, "IncludeGlobalResourceTypes": True, "ResourceTypes": []}
    return {
        "version": "1.3",
        "accountId": account,
        "awsRegion": org.HOME_REGION,
        "arn": f"arn:aws:config:{org.HOME_REGION}:{account}:configuration-recorder/default",
        "resourceType": RECORDER,
        "resourceId": "default",
        "resourceName": "default",
        "configurationItemCaptureTime": at,
        "configurationItemStatus": "OK",
        "configuration": {"Name": "default", "Recording": True, "RecordingGroup": group},
        "tags": [],
    }


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _renamed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one) for one in value]
    return _text(value) if isinstance(value, datetime) else value


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
