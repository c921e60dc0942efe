"""The operator is killed just before and just after its writes; what it has done when it is started again equals what an
operator does that nobody disturbs, and it has started nothing twice.

`killed.py` names the writes, and an undisturbed run tells which there are. Then each run is killed at one of them, started
again, and led to the same end: roles assessed, one proposal approved and one rejected, a policy generated, a grant that
drifted seen and accepted. Events are not compared: one that a killed operator did not write stays unwritten, because the
condition says the same.

Here each kind of write is met once before and once after it, in some five minutes; a kind is a set of tables, a resource
or an operation of AWS. All points, in some twenty minutes:

    pytest tests/operator/test_kill_operator.py --every-write
"""

import re
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pytest

from sandbox import organization as org
from sandbox.demo import drift
from tests.operator import small
from tests.operator.conftest import Operator, wait_for
from tests.operator.states import Cluster, store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

BASELINE = ("LeastPrivilegeBaseline", "small")
LANDSCAPE = ("IAMLandscape", "default")
DRIFTING = {"account": org.DEVELOPMENT, "role": "deploy-dev"}
KILLED = Path(__file__).with_name("killed.py")


class Day:
    """One run. Each step waits for what a person would see, and starts the operator again when it was killed."""

    def __init__(self, cluster, sandbox, operator):
        self.cluster, self.sandbox, self.operator = cluster, sandbox, operator
        self.writes = operator.folder / "writes"
        self.writes.touch()
        self.deaths = 0

    def start(self, *at):
        self.operator.program = (sys.executable, "-P", str(KILLED), str(self.writes), *map(str, at), "--")
        self.operator.launch()

    def live(self, logs, *at):
        """Everything that happens, with the operator killed at this write, if any. State and store at the end."""
        drifted = False
        self.cluster.create(small.landscape(logs, self.cluster.namespace))
        self.cluster.create(small.baseline(self.cluster.namespace))
        self.start(*at)
        try:
            self.wait(lambda: self.cluster.is_assessed("small"))
            self.decide()
            self.request(*LANDSCAPE)
            self.wait(lambda: any(r["policyGeneration"] for r in self.status()["rolesReported"]))
            drift(self.sandbox, **DRIFTING)
            drifted = True
            self.request(*LANDSCAPE)
            self.wait(lambda: self.status()["counts"]["grantDrift"] == 1)
            self.accept()
            self.request(*LANDSCAPE)
            self.request(*BASELINE)
            return self.cluster.state(), store(self.operator.folder / "plumbline.db")
        finally:
            self.operator.stop(signal.SIGKILL)
            if drifted:
                drift(self.sandbox, **DRIFTING, take_back=True)
            self.cluster.clear()

    def decide(self):
        self.wait(lambda: len(self.proposals()) == len(small.ROLES))
        for name, state in zip(self.proposals(), ("Approved", "Rejected"), strict=True):
            digest = self.cluster.get("RemediationProposal", name)["status"]["planDigest"]
            decision = {"state": state, "planDigest": digest, "by": "admin", "reason": "seen"}
            self.cluster.patch("RemediationProposal", name, decision=decision)
            self.wait(lambda n=name, s=state: self.decision_of(n) == s)

    def proposals(self):
        return sorted(p["metadata"]["name"] for p in self.cluster.all("RemediationProposal") if p.get("status"))

    def accept(self):
        role = next(r for r in self.status()["rolesReported"] if r["grantDriftCount"])
        accepted = {"roleArn": role["roleArn"], "digest": role["liveDigest"], "reason": "reviewed"}
        self.cluster.patch(*BASELINE, grantDrift={"accepted": [accepted]})
        self.wait(lambda: self.cluster.is_assessed("small") and self.status()["counts"]["grantDrift"] == 0)

    def status(self):
        return self.cluster.get(*BASELINE)["status"]

    def decision_of(self, name):
        return self.cluster.conditions("RemediationProposal", name)["Approved"]["reason"]

    def request(self, kind, name):
        stamp = datetime.now(UTC).isoformat()
        self.cluster.annotate(kind, name, requestedAt=stamp)
        self.wait(lambda: self.cluster.get(kind, name)["status"].get("lastHandledReconcileAt") == stamp)

    def wait(self, condition):
        def alive():
            if self.operator.process.poll() is not None:
                assert self.operator.process.returncode == -signal.SIGKILL, self.operator.lines[-5:]
                self.deaths += 1
                self.start()
            return condition()

        wait_for(alive)


@pytest.fixture(scope="module")
def analyzer(today):
    with small.access_role(today) as client:
        yield client


@pytest.fixture
def live(installed, aws, today, logs, analyzer, tmp_path):
    """Runs a day in an empty cluster with an empty store; (state, store), the day, and the calls of AWS."""
    number = iter(range(10_000))
    with Cluster(installed, "kill") as cluster:

        def live(*at):
            today.reset()
            today.settings(policyGenerationPolls=0)
            folder = tmp_path / str(next(number))
            folder.mkdir()
            day = Day(cluster, today, Operator(installed, aws, folder))
            left = day.live(logs, *at)
            calls = Counter(chain.from_iterable(_operations(today.calls())))
            calls["jobs"] = len(analyzer.list_policy_generations()["policyGenerations"])
            return left, day, calls

        yield live


def test_killed_at_any_write_and_run_on_equals_the_undisturbed_run(live, request):
    undisturbed, day, calls = live()
    writes = day.writes.read_text().splitlines()
    assert day.deaths == 0
    assert calls["jobs"] == calls["StartPolicyGeneration"] == 1
    for name, number, when in points(writes, every=request.config.getoption("every_write")):
        left, day, calls = live(name, number, when)
        if not day.deaths:
            # How often something is written depends on when the watches deliver; that it is written at all does not.
            left, day, calls = live(name, 1, when)
        where = f"killed {when} {name} number {number}"
        assert day.deaths, where
        for table, rows in left[1].items():
            assert rows == undisturbed[1][table], f"{where}: {table}"
        assert left == undisturbed, where
        # A start whose answer was lost is repeated with the same token, and AWS answers with the same job.
        assert calls["jobs"] == 1, where
        assert calls["StartPolicyGeneration"] <= 2, where
        # A report can be read by the session only that asked for it.
        assert calls["GenerateServiceLastAccessedDetails"] <= 2 * len(small.ROLES), where


def points(writes, *, every):
    """(name, number, when) of the writes to be killed at: before and after all of them, or one of each kind, every other
    kind before it and the rest after it."""
    kinds = {}
    for line in writes:
        name, _, number = line.rpartition(" ")
        kinds.setdefault(_kind(name), []).append((name, int(number)))
    for at, (_, found) in enumerate(sorted(kinds.items())):
        for when in ("before", "after") if every else (("before", "after")[at % 2],):
            # The kinds begin at different places, so that not always the first of a kind is met.
            chosen = found if every else [found[at % len(found)]]
            yield from ((name, number, when) for name, number in chosen)


def _kind(name):
    return re.sub(r"arn:.*|namespaces/[^/]+/|(?<=s/)[^/]+(?=/status$|$)", "", name)


def _operations(calls):
    for services in calls.values():
        for operations in services.values():
            yield Counter(operations).elements()
