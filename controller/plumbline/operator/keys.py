"""What the queue holds: the kind, namespace and name of an object; and what reconciling it can end with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from plumbline.kube.client import Resource


class Key(NamedTuple):
    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        return (
            f"{self.resource.kind} {self.namespace}/{self.name}"
            if self.namespace
            else f"{self.resource.kind} {self.name}"
        )

    @property
    def fraction(self) -> float:
        """A number in [0, 1) that is the same for the same object: spreads what would else come at once."""
        return int(hashlib.sha256(str(self).encode()).hexdigest()[:8], 16) / 2**32


@dataclass(frozen=True, slots=True)
class Done:
    """Reconciled; wanted again after `again` seconds, if at all."""

    again: float | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Something outside failed; to be tried again with backoff, and not before `after` seconds."""

    reason: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Stalled:
    """Nothing to do before somebody changes the object; its status says what."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The object does not exist (any more)."""


Outcome = Done | Retry | Stalled | Gone
Wake = Callable[[Key, float], None]
_JITTER = 0.1  # of an interval, by object


def jittered(interval: timedelta, key: Key) -> float:
    """The interval, up to a tenth later, by object: what begins together does not stay together."""
    return interval.total_seconds() * (1 + _JITTER * key.fraction)
