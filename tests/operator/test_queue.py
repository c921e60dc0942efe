"""The queue's contract, over any order of wishes, failures and workers: no key lost, never two workers on one key."""

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from plumbline.operator.queue import LONGEST_BACKOFF, KeyedQueue, backoff


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def _queue(clock):
    return KeyedQueue(clock, jitter=lambda: 0.5)


def _take(queue):
    """What a free worker would get now; None when there is nothing."""
    queue._promote()
    return asyncio.run(queue.get()) if queue.depth else None


KEYS = st.sampled_from("abcd")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), KEYS, st.sampled_from([0.0, 1.0, 5.0])),
        st.tuples(st.just("take"), KEYS, st.just(0.0)),
        st.tuples(st.just("done"), KEYS, st.sampled_from([0.0, 2.0])),
        st.tuples(st.just("fail"), KEYS, st.just(0.0)),
        st.tuples(st.just("wait"), KEYS, st.sampled_from([0.5, 3.0])),
    ),
    max_size=60,
)


@given(STEPS)
def test_no_key_is_lost_and_none_has_two_workers(steps):
    clock = Clock()

    async def made():
        return _queue(clock)

    queue = asyncio.run(made())
    running, wanted = set(), {}  # wanted: key -> when at the latest it has to be offered
    for what, key, number in steps:
        if what == "add":
            queue.add(key, number)
            wanted[key] = min(wanted.get(key, 1e9), clock.now + number)
        elif what == "take":
            got = _take(queue)
            if got is not None:
                assert got not in running
                running.add(got)
                wanted.pop(got, None)
        elif what == "done" and key in running:
            running.discard(key)
            queue.done(key, number or None)
            if number:
                wanted[key] = min(wanted.get(key, 1e9), clock.now + number)
        elif what == "fail" and key in running:
            running.discard(key)
            pause = queue.failed(key)
            # A failure waits for its backoff, whatever was wished meanwhile.
            wanted[key] = clock.now + pause
        elif what == "wait":
            clock.now += number
    for key in sorted(running):
        queue.done(key)
    clock.now += 2 * LONGEST_BACKOFF
    offered = Counter()
    while (got := _take(queue)) is not None:
        offered[got] += 1
        queue.done(got)
    assert set(wanted) <= set(offered)
    assert max(offered.values(), default=0) <= 2


def test_first_in_first_out_and_each_key_once():
    async def scenario():
        queue = _queue(Clock())
        for key in "abca":
            queue.add(key)
        return [await queue.get() for _ in range(3)], queue.depth

    assert asyncio.run(scenario()) == (["a", "b", "c"], 0)


def test_what_changes_while_it_runs_runs_once_more():
    async def scenario():
        queue = _queue(Clock())
        queue.add("a")
        await queue.get()
        queue.add("a")
        queue.add("a")
        assert queue.depth == 0
        queue.done("a")
        again = await queue.get()
        queue.done("a")
        return again, queue.depth

    assert asyncio.run(scenario()) == ("a", 0)


def test_of_several_wishes_the_earliest_counts():
    async def scenario():
        clock = Clock()
        queue = _queue(clock)
        queue.add("a", 100)
        queue.add("a", 5)
        queue.add("a", 50)
        clock.now = 6
        first = await queue.get()
        queue.done("a")
        clock.now = 200
        queue._promote()
        return first, queue.depth

    assert asyncio.run(scenario()) == ("a", 0)


def test_a_waiting_worker_is_woken():
    async def scenario():
        queue = KeyedQueue()
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a", 0.01)
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(scenario()) == "a"


@given(st.integers(1, 10_000), st.floats(0, 0.999))
def test_backoff_grows_and_is_bounded(failures, jitter):
    assert 0 < backoff(failures, jitter) <= LONGEST_BACKOFF
    assert backoff(failures, 0.0) <= backoff(failures + 1, 0.0)
    assert backoff(failures, jitter) >= backoff(failures, 0.0) / 2


def test_success_forgets_the_failures():
    async def scenario():
        queue = _queue(Clock())
        queue.add("a")
        await queue.get()
        pauses = []
        for _ in range(3):
            pauses.append(queue.failed("a"))
            queue._due.clear()
            queue.add("a")
            await queue.get()
        queue.done("a")
        queue.add("a")
        await queue.get()
        return pauses, queue.failed("a")

    pauses, after = asyncio.run(scenario())
    assert pauses == [0.75, 1.5, 3.0]
    assert after == 0.75


def test_a_worker_that_has_just_been_woken_can_still_be_cancelled():
    """As at the end of a process, when a last pass finishes while the other workers wait for a key that is not due."""

    async def cancelled(turns):
        queue = KeyedQueue()
        queue.add("a", 1000.0)
        worker = asyncio.create_task(queue.get())
        for _ in range(5):
            await asyncio.sleep(0)
        queue.add("b", 500.0)
        for _ in range(turns):
            await asyncio.sleep(0)
        worker.cancel()
        await asyncio.wait({worker}, timeout=0.2)
        ended = worker.cancelled()
        worker.cancel()
        return ended

    assert all(asyncio.run(cancelled(turns)) for turns in range(5))


def test_what_the_server_asked_to_wait_for_nobody_s_wish_makes_sooner():
    async def scenario():
        clock = Clock()
        queue = _queue(clock)
        queue.add("a")
        await queue.get()
        queue.failed("a", 60)
        queue.add("a")
        queue.add("a", 5)
        sooner = []
        for _ in range(2):
            clock.now += 29.9
            queue._promote()
            sooner.append(queue.depth)
        clock.now += 1
        queue._promote()
        again = queue.depth
        queue.done(await queue.get())
        queue.add("a")
        return sooner, again, queue.depth

    assert asyncio.run(scenario()) == ([0, 0], 1, 1)
