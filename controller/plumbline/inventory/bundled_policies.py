"""The AWS managed policies that come with this package, for inventories that lack their documents.

Knows them as they were on the day of the set; AWS may have changed one since. Must not know who has them attached.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec

from plumbline.inventory.documents import canonical
from plumbline.model.snapshot import Policy
from plumbline.model.times import utc


class _Entry(msgspec.Struct):
    version: str
    created: str
    document: msgspec.Raw


class _Set(msgspec.Struct):
    date: str
    policies: dict[str, _Entry]


@dataclass
class Bundled:
    """Gives policies by ARN, and remembers which. `date`: the day of the newest policy of the set."""

    used: set[str]

    @property
    def date(self) -> str:
        return _bundled().date

    def __call__(self, arn: str) -> Policy | None:
        """None for what is no AWS managed policy of the set."""
        owner, _, name = arn.partition(":policy/")
        if not owner.endswith(":iam::aws"):
            return None
        entry = _bundled().policies.get(name)
        if entry is None:
            return None
        self.used.add(arn)
        return Policy(
            name=name.rpartition("/")[2],
            kind="aws",
            document=canonical(msgspec.json.decode(entry.document)),
            arn=arn,
            version_id=entry.version,
            version_created_at=utc(entry.created),
        )


@cache
def _bundled() -> _Set:
    packed = files("plumbline.inventory").joinpath("data", "aws_managed_policies.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=_Set)
