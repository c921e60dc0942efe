"""Security Hub CSPM's imports: enabled for each account and Region, with the limits that moto does not know.

https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html
"""

import json
from typing import Any

from sandbox.aws.registry import operation, page
from sandbox.protocol import AwsError, Call
from sandbox.world import World

BATCH, BATCH_BYTES, FINDING_BYTES, RELATED = 100, 6_000_000, 240_000, 10
_LENGTHS = {"Id": 512, "GeneratorId": 512, "Title": 256, "Description": 1024}
Json = dict[str, Any]


def _hub(world: World, call: Call) -> dict[str, Json]:
    """The findings of the account and Region by id."""
    found: dict[str, Json] | None = world.jobs.get(f"hub/{call.account}/{call.region}")
    if found is None:
        raise AwsError("InvalidAccessException", f"Account {call.account} is not subscribed to AWS Security Hub", 401)
    return found


@operation("securityhub", "EnableSecurityHub")
def enable_security_hub(world: World, call: Call) -> Json:
    world.jobs.setdefault(f"hub/{call.account}/{call.region}", {})
    return {}


@operation("securityhub", "BatchImportFindings")
def batch_import_findings(world: World, call: Call) -> Json:
    known = _hub(world, call)
    findings = call.params["Findings"]
    if not 1 <= len(findings) <= BATCH or len(call.body) > BATCH_BYTES:
        raise AwsError("InvalidInputException", f"1 to {BATCH} findings and at most {BATCH_BYTES} bytes", 400)
    failed = []
    for finding in findings:
        problem = _problem(world, call, finding)
        if problem:
            failed.append({"Id": finding["Id"], "ErrorCode": "InvalidInput", "ErrorMessage": problem})
            continue
        old = known.get(finding["Id"])
        if old is None or old["UpdatedAt"] < finding["UpdatedAt"]:  # an older one is taken, and changes nothing
            known[finding["Id"]] = {"Workflow": {"Status": "NEW"}, **(old or {}), **finding}
    return {"FailedCount": len(failed), "SuccessCount": len(findings) - len(failed), "FailedFindings": failed}


def _problem(world: World, call: Call, finding: Json) -> str:
    product = f":securityhub:{call.region}:{call.account}:product/{call.account}/default"
    if finding["AwsAccountId"] != call.account or not finding["ProductArn"].endswith(product):
        return "AwsAccountId and ProductArn must be those of the caller"
    if any(len(finding.get(name, "")) > most for name, most in _LENGTHS.items()):
        return "a field is too long"
    if len(json.dumps(finding)) > FINDING_BYTES:
        return "the finding is too large"
    related = finding.get("FindingProviderFields", {}).get("RelatedFindings")
    if related is not None and not 1 <= len(related) <= RELATED:
        return f"RelatedFindings must have 1 to {RELATED} items"
    fields = finding.get("ProductFields", {})
    if len(fields) > 50 or any(len(key) > 128 or len(value) > 2048 for key, value in fields.items()):
        return "ProductFields are too many or too long"
    if not finding["Resources"]:
        return "Resources must not be empty"
    refused = world.settings.securityHubRefuses
    return "Internal failure; try again" if refused and finding["Id"].endswith(refused) else ""


@operation("securityhub", "GetFindings")
def get_findings(world: World, call: Call) -> Json:
    """All of the account and Region; of the filters only those by record state are known."""
    states = {one["Value"] for one in call.params.get("Filters", {}).get("RecordState", ())}
    found = [one for _, one in sorted(_hub(world, call).items()) if not states or one["RecordState"] in states]
    listed, token = page(found, min(call.params.get("MaxResults", 100), 100), call.params.get("NextToken"))
    return {"Findings": listed, **({"NextToken": token} if token else {})}
