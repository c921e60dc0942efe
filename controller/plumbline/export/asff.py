"""Findings in the AWS Security Finding Format, and batches that Security Hub takes. Pure.

https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html
https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from plumbline.model.finding import Finding, Related

Json = dict[str, Any]
BATCH: Final = 100
_ID: Final = 512
BATCH_BYTES: Final = 6_000_000
# https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html: at most 10 related findings.
RELATED: Final = 10
_NAMED: Final = 20
_OF_ANALYZERS: Final = "plumbline/accessAnalyzerFindings"
_TYPES: Final = {
    "UnusedAccess": "Software and Configuration Checks/AWS Security Best Practices/Least Privilege",
    "GrantDrift": "Unusual Behaviors/IAM Role/Access Beyond Accepted",
}


def asff(finding: Finding, region: str, related: Sequence[Related] = ()) -> Json:
    """Without times and record state, which are those of the import. Within the sizes of the format. `related`: what
    Access Analyzer found about the role."""
    partition = finding.role_arn.split(":", 2)[1]
    product = f"arn:{partition}:securityhub:{region}:{finding.account}:product/{finding.account}/default"
    types = [_TYPES[finding.kind]]
    links = dict.fromkeys((one.product, one.link) for one in related if one.link)
    linked = [{"ProductArn": product, "Id": link} for product, link in links][:RELATED]
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
            **({_OF_ANALYZERS: _cut(_named(related), 2048)} if related else {}),
        },
        "FindingProviderFields": {
            "Severity": {"Label": finding.severity},
            "Types": types,
            **({"RelatedFindings": linked} if linked else {}),
        },
        "Severity": {"Label": finding.severity},
        "Resources": [{"Type": "AwsIamRole", "Id": finding.role_arn, "Partition": partition, "Region": region}],
    }


def with_links_of(body: Json, old: Json) -> Json:
    """The body with the links of the one that was sent before."""
    fields = [("FindingProviderFields", "RelatedFindings"), ("ProductFields", _OF_ANALYZERS)]
    made = dict(body)
    for group, name in fields:
        rest = {key: value for key, value in body[group].items() if key != name}
        made[group] = rest | ({name: old[group][name]} if name in old[group] else {})
    return made


def _named(related: Sequence[Related]) -> str:
    ids = ", ".join(one.id for one in related[:_NAMED])
    return f"{ids} and {len(related) - _NAMED} more" if len(related) > _NAMED else ids


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
