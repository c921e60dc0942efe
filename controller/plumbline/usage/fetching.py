"""Opens objects one after another, those of a bucket a few ahead. What cannot be opened is said and ends nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from plumbline.aws.errors import AwsError
from plumbline.usage.objects import Folder, Listed, ObjectStore
from plumbline.usage.records import Problem

THREADS = 8
FAILURES = (AwsError, OSError)
# Damage that reading again does not heal.
_LASTING = frozenset({"Malformed", "MalformedRecord", "Truncated", "TooLarge"})


def opened(
    store: ObjectStore, pool: ThreadPoolExecutor, listed: Iterable[Listed], problems: list[Problem]
) -> Iterator[tuple[Listed, BinaryIO]]:
    """The objects in order, without those that could not be opened: they are added to `problems`. Those of a folder are
    at hand."""
    found = _in_turn(store, listed) if isinstance(store, Folder) else _ahead(store, pool, listed)
    for item, stream in found:
        if isinstance(stream, Exception):
            problems.append(unfetched(item, stream))
        else:
            with stream:
                yield item, stream


def unfetched(item: Listed, error: Exception) -> Problem:
    """What is said of an object that could not be fetched."""
    return Problem(item.key, *reason_of(error))


def reason_of(error: Exception) -> tuple[str, str]:
    """The reason in one word, and the message."""
    return (error.reason if isinstance(error, AwsError) else "Unreadable"), str(error)


def may_heal(problems: Iterable[Problem]) -> bool:
    """Whether something that is missing may be there the next time."""
    return any(problem.reason not in _LASTING for problem in problems)


def _in_turn(store: ObjectStore, listed: Iterable[Listed]) -> Iterator[tuple[Listed, BinaryIO | Exception]]:
    for item in listed:
        try:
            yield item, store.open(item.key)
        except FAILURES as error:
            yield item, error


def _ahead(
    store: ObjectStore, pool: ThreadPoolExecutor, listed: Iterable[Listed]
) -> Iterator[tuple[Listed, BinaryIO | Exception]]:
    ahead: deque[tuple[Listed, Future[BinaryIO]]] = deque()
    try:
        for item in listed:
            ahead.append((item, pool.submit(store.open, item.key)))
            if len(ahead) >= THREADS:
                yield _outcome(*ahead.popleft())
        while ahead:
            yield _outcome(*ahead.popleft())
    finally:  # when the reader stopped early
        for _, future in ahead:
            if future.exception() is None:  # what nobody waits for any more raises nothing
                future.result().close()


def _outcome(item: Listed, future: Future[BinaryIO]) -> tuple[Listed, BinaryIO | Exception]:
    try:
        return item, future.result()
    except FAILURES as error:
        return item, error
