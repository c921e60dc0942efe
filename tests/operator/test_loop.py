"""The loop outlives what fails, says whether it is alive, and ends in time."""

import asyncio
import threading
from datetime import timedelta

import yaml

from plumbline.kube.client import LANDSCAPES
from plumbline.kube.errors import Unavailable
from plumbline.operator import loop as loops
from plumbline.operator.keys import Done, Key, jittered
from plumbline.operator.loop import STUCK_AFTER, Loop
from plumbline.operator.program import RIGHTS
from tests.operator.conftest import DEPLOY

KEY = Key(LANDSCAPES, "", "one")


class Signal:
    """Raised in a worker's thread, awaited in the loop."""

    def __init__(self):
        self.loop, self.raised = asyncio.get_running_loop(), asyncio.Event()

    def set(self):
        self.loop.call_soon_threadsafe(self.raised.set)

    async def wait(self):
        async with asyncio.timeout(20):
            await self.raised.wait()


def test_the_sweep_outlives_any_error(monkeypatch):
    pauses, real = [], asyncio.sleep

    async def soon(seconds):
        pauses.append(seconds)
        await real(0)

    fails = [OSError("too many open files"), Unavailable("gone"), ValueError("a mistake")]

    def listed():
        if fails:
            raise fails.pop(0)
        return {KEY: 1}

    async def scenario():
        seen, signal = [], Signal()

        def reconcile(key):
            seen.append(key)
            signal.set()
            return Done()

        one = Loop(reconcile, listed, workers=1)
        before = one.ready()
        one.start()
        await signal.wait()
        assert await one.stop(5)
        return before, one.ready(), seen

    monkeypatch.setattr(loops.asyncio, "sleep", soon)
    before, after, seen = asyncio.run(scenario())
    assert (before, after, seen) == ("the first sweep has not finished", "", [KEY])
    assert {1.0, 2.0, 4.0} <= set(pauses)


def test_it_is_dead_when_it_has_not_turned():
    async def scenario():
        now = [0.0]
        one = Loop(lambda _: Done(), dict, clock=lambda: now[0])
        alive = one.live()
        now[0] = STUCK_AFTER + 1
        return alive, one.live()

    alive, dead = asyncio.run(scenario())
    assert alive == ""
    assert "has not turned" in dead


def test_work_that_outlasts_the_grace_is_told():
    release = threading.Event()

    async def scenario():
        begun = Signal()

        def slow(_):
            begun.set()
            release.wait(60)
            return Done()

        one = Loop(slow, lambda: {KEY: 1}, workers=1)
        one.start()
        await begun.wait()
        ended = await one.stop(0.01)
        release.set()
        return ended

    assert asyncio.run(scenario()) is False


def test_what_begins_together_does_not_stay_together():
    hour = timedelta(hours=1)
    pauses = {jittered(hour, Key(LANDSCAPES, "", f"one-{n}")) for n in range(50)}
    assert len(pauses) == 50
    assert min(pauses) >= 3600
    assert 3600 * 1.05 < max(pauses) <= 3600 * 1.1
    assert jittered(hour, KEY) == jittered(hour, KEY)


def test_the_rights_that_are_asked_for_at_the_start_are_those_of_the_manifest():
    role = next(d for d in yaml.safe_load_all((DEPLOY / "rbac.yaml").read_text()) if d["kind"] == "ClusterRole")
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    asked = {
        (resource.group, f"{resource.plural}/{sub}" if sub else resource.plural, verb)
        for resource, sub, verbs in RIGHTS
        for verb in verbs
    }
    assert asked == granted
