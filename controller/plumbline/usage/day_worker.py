"""A process that reads log objects for another: `python -m plumbline.usage.day_worker`. Orders come in, answers go out.

Ends when its input ends, so that it never outlives the one who started it. Knows no listing and no ledger.
"""

from __future__ import annotations

import io
from typing import BinaryIO

import msgspec

from plumbline.iam.overlay import overlay
from plumbline.usage.aggregate import Aggregator, usage_of
from plumbline.usage.event_kinds import Events
from plumbline.usage.records import Problem
from plumbline.usage.worker import alone, received, send


class Object(msgspec.Struct, tag=True, frozen=True):
    """Read this object, which lies at a path or has this content. No answer."""

    name: str
    content: bytes = b""
    path: str = ""


class Sum(msgspec.Struct, tag=True, frozen=True):
    """Say what was read since the last sum. `source`: which the evidence will name. The answer is the usage."""

    source: str


class Forget(msgspec.Struct, tag=True, frozen=True):
    """Another account or Region follows, to which the kinds of events that were met say little. No answer."""


Order = Object | Sum | Forget
_ORDER = msgspec.msgpack.Decoder(Order)


def main(orders: BinaryIO, out: BinaryIO) -> None:
    """Carries out orders until they end."""
    known = overlay()
    events = Events(known)
    aggregator = Aggregator(known, "", events=events)
    while (order := received(orders, _ORDER)) is not None:
        if isinstance(order, Object):
            _read(order, aggregator)
            continue
        if isinstance(order, Sum):
            send(out, usage_of(aggregator.tally, known, order.source))
        else:
            events = Events(known)
        aggregator = Aggregator(known, "", events=events)


def _read(order: Object, aggregator: Aggregator) -> None:
    try:
        with open(order.path, "rb") if order.path else io.BytesIO(order.content) as stream:  # noqa: PTH123 - as worker.py
            aggregator.feed(order.name, stream)
    except OSError as error:
        aggregator.problems.append(Problem(order.name, "Unreadable", str(error)))


if __name__ == "__main__":
    alone(main)
