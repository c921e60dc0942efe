"""What a day folder held when it was read, told in a short text, so that a later listing shows what came since. Pure.

CloudTrail names its objects by the time of delivery, so that new ones nearly always come last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from plumbline.model.snapshot import digest_of
from plumbline.usage.objects import Listed


@dataclass(frozen=True, slots=True)
class Seen:
    """Objects in the order of their keys: how many, and a digest of their keys and tags."""

    count: int
    digest: str

    @classmethod
    def of(cls, listed: Sequence[Listed]) -> Self:
        return cls(len(listed), digest_of(part for item in listed for part in item))

    def since(self, listed: Sequence[Listed]) -> Sequence[Listed] | None:
        """What follows upon these; None when the listing does not begin with exactly them."""
        same = len(listed) >= self.count and Seen.of(listed[: self.count]) == self
        return listed[self.count :] if same else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a partition was read from. `version`: of the mapping. `settled`: all digests have proven their hours, so that
    none has to be read again."""

    version: str
    logs: Seen
    digests: Seen
    settled: bool

    def __str__(self) -> str:
        parts = (self.logs.count, self.logs.digest, self.digests.count, self.digests.digest, int(self.settled))
        return f"{self.version}\n{' '.join(map(str, parts))}"

    @classmethod
    def parsed(cls, text: str) -> Self | None:
        """From its text; None when it is no such text."""
        version, _, rest = text.partition("\n")
        parts = rest.split(" ")
        if len(parts) != 5:
            return None
        return cls(version, Seen(int(parts[0]), parts[1]), Seen(int(parts[2]), parts[3]), parts[4] == "1")

    def same(self, logs: Sequence[Listed], digests: Sequence[Listed]) -> bool:
        """Whether these are the objects."""
        return self.logs == Seen.of(logs) and self.digests == Seen.of(digests)


@dataclass(frozen=True, slots=True)
class Todo:
    """What is to be read of a day folder. `further_logs`, `further_digests`: these are on top of those that were read."""

    logs: Sequence[Listed]
    digests: Sequence[Listed]
    further_logs: bool = False
    further_digests: bool = False


def todo(before: Reading | None, logs: Sequence[Listed], digests: Sequence[Listed]) -> Todo:
    """`before`: what was read, where that counts."""
    new_logs = before.logs.since(logs) if before else None
    if before is None or new_logs is None:
        return Todo(logs, digests)
    new_digests = before.digests.since(digests) if before.settled else None
    return Todo(new_logs, digests if new_digests is None else new_digests, True, new_digests is not None)
