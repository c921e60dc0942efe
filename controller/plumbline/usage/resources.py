"""The ARNs that a call was about, from the record's resources and its request parameters.

Only ARNs that the record gives or that follow from it without guessing: a name whose ARN holds something more (the path
of a role, the suffix of a secret) gives none. Formats: Service Authorization Reference, "Resource types defined by".
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

# Service -> request parameter in lower case -> ARN format. A value that already is an ARN is taken as it is.
_FORMATS: Mapping[str, Mapping[str, str]] = {
    "athena": {"workgroup": "arn:{p}:athena:{r}:{a}:workgroup/{v}"},
    "cloudformation": {},
    "codebuild": {"projectname": "arn:{p}:codebuild:{r}:{a}:project/{v}"},
    "codecommit": {"repositoryname": "arn:{p}:codecommit:{r}:{a}:{v}"},
    "dynamodb": {"tablename": "arn:{p}:dynamodb:{r}:{a}:table/{v}"},
    "ec2": {
        "groupid": "arn:{p}:ec2:{r}:{a}:security-group/{v}",
        "imageid": "arn:{p}:ec2:{r}::image/{v}",
        "instanceid": "arn:{p}:ec2:{r}:{a}:instance/{v}",
        "networkinterfaceid": "arn:{p}:ec2:{r}:{a}:network-interface/{v}",
        "snapshotid": "arn:{p}:ec2:{r}:{a}:snapshot/{v}",
        "subnetid": "arn:{p}:ec2:{r}:{a}:subnet/{v}",
        "volumeid": "arn:{p}:ec2:{r}:{a}:volume/{v}",
        "vpcid": "arn:{p}:ec2:{r}:{a}:vpc/{v}",
    },
    "ecr": {"repositoryname": "arn:{p}:ecr:{r}:{a}:repository/{v}"},
    "firehose": {"deliverystreamname": "arn:{p}:firehose:{r}:{a}:deliverystream/{v}"},
    "kinesis": {"streamname": "arn:{p}:kinesis:{r}:{a}:stream/{v}"},
    "kms": {"keyid": "arn:{p}:kms:{r}:{a}:key/{v}"},
    "lambda": {"functionname": "arn:{p}:lambda:{r}:{a}:function:{v}"},
    "logs": {"loggroupname": "arn:{p}:logs:{r}:{a}:log-group:{v}"},
    "sns": {"topicname": "arn:{p}:sns:{r}:{a}:{v}"},
    "sqs": {"queuename": "arn:{p}:sqs:{r}:{a}:{v}"},
    "ssm": {
        "name": "arn:{p}:ssm:{r}:{a}:parameter/{v}",
        "names": "arn:{p}:ssm:{r}:{a}:parameter/{v}",
        "path": "arn:{p}:ssm:{r}:{a}:parameter/{v}",
    },
    "states": {},
}
# The parameter `name` is a parameter's name in these operations of AWS Systems Manager only.
_SSM_PARAMETERS = ("GetParameter", "PutParameter", "DeleteParameter", "LabelParameter", "UnlabelParameter")
_MAX_FOUND = 100


def partition_of(region: str) -> str:
    """The AWS partition of a Region."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def from_record(resources: Any) -> list[str]:
    """The ARNs in a record's `resources`."""
    if not isinstance(resources, list):
        return []
    found = [item.get("ARN") or item.get("arn") for item in resources if isinstance(item, dict)]
    return [arn for arn in found if isinstance(arn, str) and arn.startswith("arn:")]


def resource_arns(
    service: str, operation: str, parameters: Mapping[str, Any], listed: Iterable[str], *, account: str, region: str
) -> tuple[str, ...]:
    """The sorted ARNs of one call, at most 100; empty when they are unknown."""
    where = {"p": partition_of(region), "r": region, "a": account}
    found = set(listed)
    if service == "s3":
        found |= set(_s3(parameters, where["p"]))
        objects = {arn for arn in found if "/" in arn}
        # An object's record also lists its bucket, which the call was not about.
        found = objects or found
    elif service == "sqs":
        found |= set(_sqs(parameters, where))
    found |= set(_by_format(service, operation, parameters, where))
    if service == "logs" and isinstance(stream := parameters.get("logStreamName"), str) and stream:
        found |= {f"{arn}:log-stream:{stream}" for arn in found if ":log-group:" in arn}
    return tuple(sorted(found)[:_MAX_FOUND])


def bucket_of(object_arn: str) -> str:
    """The bucket's ARN of an object's ARN."""
    return object_arn.partition("/")[0]


def copy_source(parameters: Mapping[str, Any], partition: str) -> tuple[str, bool] | None:
    """(ARN of the object that CopyObject or UploadPartCopy reads, whether a version is named).

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html (x-amz-copy-source)
    """
    value = parameters.get("x-amz-copy-source")
    if not isinstance(value, str) or not value:
        return None
    name, _, query = unquote(value).partition("?versionId=")
    arn = name if name.startswith("arn:") else f"arn:{partition}:s3:::{name.lstrip('/')}"
    return arn, bool(query)


def _s3(parameters: Mapping[str, Any], partition: str) -> Iterator[str]:
    bucket, key = parameters.get("bucketName"), parameters.get("key")
    if isinstance(bucket, str) and bucket:
        arn = bucket if bucket.startswith("arn:") else f"arn:{partition}:s3:::{bucket}"
        yield f"{arn}/{key}" if isinstance(key, str) and key else arn


def _sqs(parameters: Mapping[str, Any], where: Mapping[str, str]) -> Iterator[str]:
    url = parameters.get("queueUrl")
    if isinstance(url, str) and url.count("/") >= 4:
        account, name = url.split("/")[-2:]
        yield f"arn:{where['p']}:sqs:{where['r']}:{account}:{name}"


def _by_format(service: str, operation: str, parameters: Mapping[str, Any], where: Mapping[str, str]) -> Iterator[str]:
    formats = _FORMATS.get(service, {})
    for name, value in _values(parameters):
        if value.startswith("arn:"):
            # ARNs of other services in a request (a role, a key) are not what the call is about.
            if value.split(":")[2] == service:
                yield value
            continue
        template = formats.get(name.lower())
        if template is None or not value or (service == "ssm" and not _is_parameter(operation)):
            continue
        if service == "kms" and value.startswith("alias/"):
            continue  # an alias does not say which key
        yield template.format(v=value.lstrip("/"), **where)
    if service == "dynamodb" and isinstance(items := parameters.get("requestItems"), dict):
        for table in items:
            yield table if table.startswith("arn:") else formats["tablename"].format(v=table, **where)


def _is_parameter(operation: str) -> bool:
    return operation.startswith(_SSM_PARAMETERS)


def _values(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(member, text) of a request: its members, their lists, and the `items` sets of Amazon EC2."""
    for name, value in parameters.items():
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, list):
            for item in value[:_MAX_FOUND]:
                if isinstance(item, str):
                    yield name, item
        elif isinstance(value, dict) and isinstance(items := value.get("items"), list):
            for item in items[:_MAX_FOUND]:
                if isinstance(item, dict):
                    yield from ((k, v) for k, v in item.items() if isinstance(v, str))
