"""CloudTrail digest files: which hours they prove to be delivered completely.

Hashes and signatures are not checked here, and never claimed to be. Knows digests, no events.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from plumbline.model.coverage import Interval, merge_intervals

_Time = Annotated[datetime, msgspec.Meta(tz=True)]
# A digest is delivered once an hour; one that claims far more proves nothing.
_LONGEST = timedelta(hours=24)
# ACCOUNT_CloudTrail-Digest_REGION_TRAIL_HOMEREGION_TIME[_backfill].json.gz
_NAME = re.compile(r"\d+_CloudTrail-Digest_[a-z0-9-]+_(.+)_[a-z0-9-]+_\d{8}T\d{6}Z(?:_backfill)?\.json\.gz")


class LogFile(msgspec.Struct, frozen=True):
    s3Object: str  # noqa: N815 - CloudTrail's spelling


class Digest(msgspec.Struct, frozen=True):
    """One digest file. Without log files it stands for a silent hour."""

    awsAccountId: str  # noqa: N815
    digestStartTime: _Time  # noqa: N815
    digestEndTime: _Time  # noqa: N815
    logFiles: tuple[LogFile, ...]  # noqa: N815


_DIGEST = msgspec.json.Decoder(Digest)


def parse(data: bytes, account: str) -> Digest:
    """The digest in unzipped bytes. Raises ValueError when it is none, or another account's."""
    try:
        digest = _DIGEST.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a digest file: {error}") from error
    if digest.awsAccountId != account:
        raise ValueError(f"the digest is of account {digest.awsAccountId}, but lies in the folder of {account}")
    if not timedelta(0) < digest.digestEndTime - digest.digestStartTime <= _LONGEST:
        raise ValueError("the digest's start and end are not an hour")
    return digest


def proven(digests: Iterable[Digest], present: Callable[[str], bool]) -> tuple[Interval, ...]:
    """The intervals of the digests whose log files are all present."""
    return merge_intervals(
        [(d.digestStartTime, d.digestEndTime) for d in digests if all(present(f.s3Object) for f in d.logFiles)]
    )


def of_trail(key: str, trail_name: str | None) -> bool:
    """Whether a digest's key is of this trail; several trails may share a bucket, and the name of one may be a part of
    another's: trail names may hold `_`, names of Regions do not."""
    name = key.rpartition("/")[2]
    if trail_name is None:
        return name.endswith(".json.gz")
    found = _NAME.fullmatch(name)
    return found is not None and found[1] == trail_name
