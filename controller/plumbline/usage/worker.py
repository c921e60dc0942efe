"""A process that reads log files for another: `python -m plumbline.usage.worker`. Orders come in, answers go out.

Ends when its input ends, so that it never outlives the one who started it. Knows files and tallies; judges nothing.
"""

from __future__ import annotations

import gc
import sys
from array import array
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from sys import intern
from typing import BinaryIO, TypeVar

import msgspec

from plumbline.iam.overlay import overlay
from plumbline.model.evidence import GrantChange, TrailChange
from plumbline.usage.aggregate import Aggregator
from plumbline.usage.attribution import Caller
from plumbline.usage.records import Problem
from plumbline.usage.tally import Group, Key, Tally

_GROUPS_AT_ONCE = 2000
_LENGTH = 8


class Read(msgspec.Struct, tag=True, frozen=True):
    """Read these files into the tally, without what was recorded after `until`."""

    paths: tuple[str, ...]
    until: datetime | None = None


class Give(msgspec.Struct, tag=True, frozen=True):
    """Hand over the tally; of some places, so many records were repetitions."""

    repeats: dict[int, int]


Order = Read | Give


class Batch(msgspec.Struct, array_like=True, frozen=True):
    """The marks of a batch's records and their places, as arrays of 8 bytes each."""

    marks: bytes
    places: bytes


class Done(msgspec.Struct, tag=True, frozen=True):
    """What was read for one `Read`."""

    batches: tuple[Batch, ...]
    problems: tuple[Problem, ...]


class Row(msgspec.Struct, array_like=True, gc=False):
    """A group."""

    count: int
    repeated: int
    first: datetime
    last: datetime
    resources: tuple[tuple[str, ...], ...]
    truncated: bool
    unknown: bool
    shared: bytes
    extra: dict[str, Row]


class Groups(msgspec.Struct, tag=True, frozen=True):
    """Some groups of the tally."""

    groups: tuple[tuple[Key, Row], ...]


class Rest(msgspec.Struct, tag=True, frozen=True):
    """What a tally holds besides its groups; the last answer."""

    callers: bytes
    malformed: int
    grants: tuple[GrantChange, ...]
    trails: tuple[TrailChange, ...]


Answer = Done | Groups | Rest
_ORDER = msgspec.msgpack.Decoder(Order)
_ANSWER = msgspec.msgpack.Decoder(Answer)
_ENCODER = msgspec.msgpack.Encoder()


def send(stream: BinaryIO, message: object) -> None:
    """Writes one message. Raises BrokenPipeError when nobody reads."""
    data = _ENCODER.encode(message)
    stream.write(len(data).to_bytes(_LENGTH, "big"))
    stream.write(data)
    stream.flush()


def receive_answer(stream: BinaryIO) -> Answer | None:
    """The next answer; None at the end."""
    return received(stream, _ANSWER)


_Message = TypeVar("_Message")


def received(stream: BinaryIO, decoder: msgspec.msgpack.Decoder[_Message]) -> _Message | None:
    """The next message; None at the end."""
    head = stream.read(_LENGTH)
    if len(head) < _LENGTH:
        return None
    size = int.from_bytes(head, "big")
    data = stream.read(size)
    return decoder.decode(data) if len(data) == size else None


def row_of(group: Group) -> Row:
    """The group as it is sent."""
    return Row(
        group.count,
        group.repeated,
        group.first,
        group.last,
        tuple(group.resources),
        group.truncated,
        group.unknown,
        group.shared.tobytes() if group.shared else b"",
        {name: row_of(extra) for name, extra in group.extra.items()},
    )


def group_of(row: Row) -> Group:
    """The group as it was."""
    group = Group(row.first)
    group.count, group.repeated, group.last = row.count, row.repeated, row.last
    group.truncated, group.unknown = row.truncated, row.unknown
    if row.resources:
        group.resources = row.resources
    if row.shared:
        group.shared = array("q", row.shared)
    if row.extra:
        group.extra = {name: group_of(extra) for name, extra in row.extra.items()}
    return group


def key_of(key: Key, callers: dict[Caller, Caller]) -> Key:
    """The key with texts that it shares with others; each message brings them anew. `callers`: those that were met."""
    return key._replace(
        caller=callers.setdefault(key.caller, key.caller),
        event_source=intern(key.event_source),
        event_name=intern(key.event_name),
    )


def answers(order: Order, aggregator: Aggregator) -> Iterator[Answer]:
    """Carries out one order."""
    if isinstance(order, Read):
        yield _read(order, aggregator)
        return
    tally = aggregator.tally
    for place, times in order.repeats.items():
        aggregator.places[place].repeated(times)
    yield from _given(tally)


def _read(order: Read, aggregator: Aggregator) -> Done:
    aggregator.until = order.until
    for path in order.paths:
        read_file(path, aggregator)
    batches = tuple(Batch(found.marks.tobytes(), found.places.tobytes()) for found in aggregator.journals)
    problems = tuple(aggregator.problems)
    aggregator.journals.clear()
    aggregator.problems.clear()
    return Done(batches, problems)


def read_file(path: str, aggregator: Aggregator) -> None:
    """Reads one file; a failure becomes a problem."""
    try:
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - a Path for each small file would cost more
            aggregator.feed(path, stream)
    except OSError as error:
        aggregator.problems.append(Problem(path, "Unreadable", error.strerror or str(error)))


def _given(tally: Tally) -> Iterator[Answer]:
    rows = ((key, row_of(group)) for key, group in tally.groups.items())
    while some := tuple(islice(rows, _GROUPS_AT_ONCE)):
        yield Groups(some)
    yield Rest(tally.callers.tobytes(), tally.malformed, tuple(tally.grants), tuple(tally.trails))


def main(orders: BinaryIO, out: BinaryIO) -> None:
    """Carries out orders until they end."""
    aggregator = Aggregator(overlay(), "", journal=True)
    while (order := received(orders, _ORDER)) is not None:
        for answer in answers(order, aggregator):
            send(out, answer)


def alone(work: Callable[[BinaryIO, BinaryIO], None]) -> None:
    """Does the work of a process that has nothing else to do, over its pipes."""
    gc.disable()  # nothing here refers to itself, and looking for it would take a third of the time
    try:
        work(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        # Nobody waits for the answer any more. What is left in the buffer must not raise again at the end.
        sys.stdout = None


if __name__ == "__main__":
    alone(main)
