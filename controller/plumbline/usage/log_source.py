"""One configured source of CloudTrail log files: where its objects lie, and which folders it has.

Knows CloudTrail's key layout: [prefix/]AWSLogs/[o-id/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from plumbline.api.sources import CloudTrailLogs
from plumbline.usage.objects import Bucket, Folder, ObjectStore

_ORGANIZATION = re.compile(r"^o-[a-z0-9]{10,32}$")
LOGS, DIGESTS = "CloudTrail", "CloudTrail-Digest"


@dataclass(frozen=True, slots=True)
class LogSource:
    """`roots`: the prefixes below which the accounts' folders lie; empty for files without CloudTrail's folders.
    `trail_name`: whose digests count. `regions`: those to read; empty for all."""

    name: str
    store: ObjectStore
    roots: tuple[str, ...]
    trail_arn: str | None = None
    regions: tuple[str, ...] = ()
    assume_complete: tuple[str, ...] = ()

    @property
    def trail_name(self) -> str | None:
        return self.trail_arn.rpartition("/")[2] if self.trail_arn else None

    def day_prefixes(self, kind: str, account: str, region: str, day: date) -> list[str]:
        """The day folders of logs or digests."""
        return [f"{root}{account}/{kind}/{region}/{day:%Y/%m/%d}/" for root in self.roots]

    def regions_of(self, account: str) -> list[str]:
        """The Regions for which the account has a log folder. Raises OSError or AwsError."""
        found = {name for root in self.roots for name in self.store.folders(f"{root}{account}/{LOGS}/")}
        return sorted(found)


def log_source(config: CloudTrailLogs, s3_client: object = None) -> LogSource:
    """The source that a landscape configures. `s3_client` (boto3 or botocore) is needed for a bucket.

    A folder is searched for `AWSLogs`; without one all its log files are one group. Raises OSError.
    """
    more = {
        "trail_arn": config.trail_arn,
        "regions": tuple(config.regions),
        "assume_complete": tuple(config.assume_complete),
    }
    if config.s3 is not None:
        prefix = f"{config.s3.prefix.strip('/')}/" if config.s3.prefix.strip("/") else ""
        organization = f"{config.s3.organization_id}/" if config.s3.organization_id else ""
        bucket = Bucket(s3_client, config.s3.bucket, config.s3.account)
        return LogSource(config.name, bucket, (f"{prefix}AWSLogs/{organization}",), **more)  # type: ignore[arg-type]
    folder = Path(config.folder or "")
    return LogSource(config.name, Folder(folder), _roots(folder), **more)  # type: ignore[arg-type]


def _roots(folder: Path) -> tuple[str, ...]:
    top = folder / "AWSLogs"
    if not top.is_dir():
        return ()
    organizations = sorted(p.name for p in top.iterdir() if p.is_dir() and _ORGANIZATION.match(p.name))
    return ("AWSLogs/", *(f"AWSLogs/{name}/" for name in organizations))
