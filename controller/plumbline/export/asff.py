"""Findings in the AWS Security Finding Format, and batches that Security Hub takes. Pure.

https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html
https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from plumbline.model.finding import Finding

Json = dict[str, Any]
BATCH: Final = 100
_ID: Final = 512
BATCH_BYTES: Final = 6_000_000
_TYPES: Final = {
    "UnusedAccess": "Software and Configuration Checks/AWS Security Best Practices/Least Privilege",
    "GrantDrift": "Unusual Behaviors/IAM Role/Access Beyond Accepted",
}


def asff(finding: Finding, region: str) -> Json:
    """Without times and record state, which are those of the import. Within the sizes of the format."""
    partition = finding.role_arn.split(":", 2)[1]
    product = f"arn:{partition}:securityhub:{region}:{finding.account}:product/{finding.account}/default"
    types = [_TYPES[finding.kind]]
    return {
        "SchemaVersion": "2018-10-08",
        "Id": finding_id(finding.key),
        "ProductArn": product,
        "GeneratorId": f"plumbline/{finding.kind}",
        "AwsAccountId": finding.account,
        "Types": types,
        "Title": _cut(finding.title, 256),
        "Description": _cut(finding.description, 1024),
        "Remediation": {"Recommendation": {"Text": _cut(finding.remedy, 512)}},
        "ProductFields": {
            "plumbline/baseline": _cut(finding.baseline, 2048),
            "plumbline/owner": _cut(finding.owner or "unknown", 2048),
        },
        "FindingProviderFields": {"Severity": {"Label": finding.severity}, "Types": types},
        "Severity": {"Label": finding.severity},
        "Resources": [{"Type": "AwsIamRole", "Id": finding.role_arn, "Partition": partition, "Region": region}],
    }


def imported(body: Json, created_at: datetime, now: datetime, *, archived: bool) -> Json:
    """The body as it is sent. Security Hub takes an update only with a newer UpdatedAt."""
    state = "ARCHIVED" if archived else "ACTIVE"
    return body | {"CreatedAt": _time(created_at), "UpdatedAt": _time(now), "RecordState": state}


def batches(bodies: Iterable[Json]) -> Iterator[list[Json]]:
    """Not more at a time than Security Hub takes, by number and by size."""
    batch: list[Json] = []
    size = 0
    for body in bodies:
        own = len(json.dumps(body).encode())
        if batch and (len(batch) == BATCH or size + own > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += own
    if batch:
        yield batch


def finding_id(key: str) -> str:
    """The key; a longer one than the format takes is cut, and told apart by its digest."""
    if len(key) <= _ID:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: _ID - len(digest) - 1]}/{digest}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
