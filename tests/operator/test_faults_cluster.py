"""The operator behind a proxy that fails in one way at a time. After each fault the resources equal those of an
undisturbed run, and no key is left failing. The sweep comes so rarely that only the watches can have told what changed.
"""

import copy
import re
import signal
import subprocess
import time

import pytest

from tests.operator import proxy as proxies
from tests.operator import small
from tests.operator.conftest import Operator, wait_for
from tests.operator.states import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

BASELINE = ("LeastPrivilegeBaseline", "small")
STATUS = "PATCH .*/leastprivilegebaselines/small/status"
WATCH = "watch=true"
GONE = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired", "message": "gone"}
HEARTBEAT = "plumbline_loop_heartbeat_timestamp_seconds"
# From one to the other a proposal, the reports and the baseline's status change.
SPECS = {
    "wide": {"limits": {"reports": 50, "openProposals": 20}, "exemptions": []},
    "narrow": {
        "limits": {"reports": 1, "openProposals": 20},
        "exemptions": [
            {
                "roles": ["deploy-dev"],
                "actions": ["cloudformation:*"],
                "owner": "platform",
                "reason": "deploys",
                "expires": "2099-12-31",
            }
        ],
    },
}


class Behind:
    """An operator behind a proxy, and what its baseline looks like with each spec when nothing disturbs."""

    def __init__(self, proxy, cluster, operator):
        self.proxy, self.cluster, self.operator = proxy, cluster, operator
        self.expected = {}
        self.now = ""

    def metric(self, name):
        return float(re.search(rf"^{name} (\S+)$", self.operator.get("metrics"), re.MULTILINE)[1])

    def change(self):
        """Gives the baseline the other spec."""
        self.now = "narrow" if self.now == "wide" else "wide"
        self.cluster.patch(*BASELINE, **copy.deepcopy(SPECS[self.now]))

    def is_as_undisturbed(self):
        """the resources are those of an undisturbed run, and no key is failing"""
        return self.cluster.state() == self.expected[self.now] and self.metric("plumbline_workqueue_failing") == 0

    def settle(self):
        wait_for(self.is_as_undisturbed, 60)

    def learn(self):
        """Both specs, twice: what one leaves behind when the other comes is part of what is expected."""
        for _ in range(4):
            self.change()
            wait_for(lambda: self.cluster.is_assessed("small"))
            wait_for(lambda: self.metric("plumbline_workqueue_depth") == 0)
            self.expected[self.now] = self.cluster.state()


@pytest.fixture(scope="module")
def behind(installed, aws, logs, tmp_path_factory):
    with proxies.running(installed) as proxy, Cluster(installed, "faults") as cluster:
        operator = Operator(installed, aws, tmp_path_factory.mktemp("faults"), server=proxy.url, sweep=600)
        landscape = small.landscape(logs, "faults")
        del landscape["spec"]["evidence"]["policyGeneration"]
        cluster.create(landscape)
        cluster.create(small.baseline("faults", policyGeneration=[]))
        operator.start()
        try:
            made = Behind(proxy, cluster, operator)
            wait_for(lambda: cluster.is_assessed("small"))
            made.learn()
            yield made
            assert operator.stop() == 0
        finally:
            operator.stop()


# Watches


def test_what_happens_while_the_watches_are_cut_is_found(behind):
    with behind.proxy.fault(WATCH, reset=True) as fault:
        assert behind.proxy.cut_watches() == 3
        wait_for(lambda: len(fault.struck) >= 3)
        behind.change()
    behind.settle()


def test_a_watch_that_is_refused_ends_the_process_and_the_next_one_finds_what_happened(behind):
    """To go on without watches would be to see only what the sweep sees; kubelet starts it again."""
    with behind.proxy.fault(WATCH, status=410, reason="Expired"):
        assert behind.proxy.cut_watches() == 3
        assert behind.operator.process.wait(30) == 2
        behind.change()
    _ended_with_a_word(behind.operator)
    behind.operator.start()
    behind.settle()


def test_what_happens_before_a_watch_says_that_it_is_too_old_is_found(behind):
    """The API server forgets while the watch is open, and says so in it."""
    with behind.proxy.fault(WATCH, reset=True) as fault:
        assert behind.proxy.cut_watches({"type": "ERROR", "object": GONE}) == 3
        wait_for(lambda: len(fault.struck) >= 3)
        behind.change()
    behind.settle()


# One request

ONCE = {
    "conflict of a proposal": ("PATCH .*/remediationproposals/[^/]*/status", {"status": 409, "reason": "Conflict"}),
    "conflict of a status": (STATUS, {"status": 409, "reason": "Conflict"}),
    "invalid status": (STATUS, {"status": 422, "reason": "Invalid"}),
    "invalid report": ("(PATCH|DELETE) .*/roleaccessreports/", {"status": 422, "reason": "Invalid"}),
    "right taken away": (STATUS, {"status": 403, "reason": "Forbidden"}),
    "token that is no longer valid": (STATUS, {"status": 401, "reason": "Unauthorized"}),
    "error of the server": (STATUS, {"status": 500, "reason": "InternalError"}),
    "error at reading": ("GET .*/leastprivilegebaselines/small$", {"status": 503, "reason": "ServiceUnavailable"}),
    "error at listing": ("GET .*/remediationproposals\\?.*labelSelector", {"status": 504, "reason": "Timeout"}),
    "reset at reading": ("GET .*/leastprivilegebaselines/small$", {"reset": True}),
    "reset before a status": (STATUS, {"reset": True}),
    "reset after a status": (STATUS, {"lost": True}),
    "reset after a proposal": ("PATCH .*/remediationproposals/", {"lost": True}),
    "reset after a report": ("(PATCH|DELETE) .*/roleaccessreports/", {"lost": True}),
}


@pytest.mark.parametrize("name", ONCE)
def test_a_request_that_fails_is_tried_again(behind, name):
    pattern, what = ONCE[name]
    with behind.proxy.fault(pattern, times=2 if "lost" not in what else 1, **what) as fault:
        behind.change()
        wait_for(lambda: len(fault.struck) == fault.times)
        behind.settle()


def test_as_long_as_the_server_asks_for_nothing_is_sent(behind):
    seconds = 4
    with behind.proxy.fault(STATUS, status=429, reason="TooManyRequests", retry_after=seconds, times=1) as fault:
        behind.change()
        wait_for(lambda: fault.struck)
        behind.settle()
    (at,) = fault.struck
    about_it = [when for when, what in behind.proxy.requests if when > at and "leastprivilegebaselines/small" in what]
    assert about_it[0] - at >= seconds


def test_while_one_patch_hangs_other_keys_go_on(behind):
    """It hangs until another baseline was created, assessed and deleted."""
    with behind.proxy.fault(STATUS, hold=True) as fault:
        behind.change()
        wait_for(lambda: fault.struck)
        behind.cluster.create(small.baseline("faults", "other", policyGeneration=[]))
        wait_for(lambda: behind.cluster.is_assessed("other"))
        assert not behind.cluster.is_assessed("small")
        behind.cluster.delete("LeastPrivilegeBaseline", "other")
        wait_for(lambda: 'baseline="other"' not in behind.operator.get("metrics"))
        assert len(fault.struck) == 1
    behind.settle()


def test_what_always_fails_is_tried_with_backoff_and_seen_in_a_metric(behind):
    with behind.proxy.fault(STATUS, status=500, reason="InternalError") as fault:
        behind.change()
        wait_for(lambda: len(fault.struck) >= 5)
        assert behind.metric("plumbline_workqueue_failing") == 1
        assert not behind.cluster.is_assessed("small")
    pauses = [later - earlier for earlier, later in zip(fault.struck, fault.struck[1:], strict=False)]
    # Doubling from a second, of which jitter takes off up to half.
    assert all(pause >= 0.5 * 2**n for n, pause in enumerate(pauses[:4])), pauses
    behind.settle()


def test_what_runs_when_the_process_is_to_end_is_finished(behind):
    """Within --grace: longer than the ten seconds after which kopf would kill."""
    with behind.proxy.fault(STATUS, hold=True) as fault:
        behind.change()
        wait_for(lambda: fault.struck)
        behind.operator.process.send_signal(signal.SIGTERM)
        wait_for(lambda: time.monotonic() > fault.struck[0] + 12)
        assert behind.operator.process.poll() is None
    assert behind.operator.process.wait(30) == 0
    assert behind.cluster.is_assessed("small")
    behind.operator.start()
    behind.settle()


def test_work_that_outlasts_the_grace_is_cut_off_and_done_again(behind):
    before, behind.operator.options = behind.operator.options, ("--grace", "1")
    assert behind.operator.stop() == 0
    behind.operator.start()
    with behind.proxy.fault(STATUS, hold=True) as fault:
        behind.change()
        wait_for(lambda: fault.struck)
        # While the call still hangs: Python alone would wait for its thread.
        behind.operator.process.send_signal(signal.SIGTERM)
        assert behind.operator.process.wait(30) == 0
        assert not behind.cluster.is_assessed("small")
    assert any("work was cut off after 1 seconds" in line["event"] for line in behind.operator.lines)
    behind.operator.options = before
    behind.operator.start()
    behind.settle()


# The API server


def test_an_outage_longer_than_several_heartbeats(behind):
    behind.change()
    behind.settle()
    with behind.proxy.fault("", reset=True) as fault:
        behind.proxy.cut_watches()
        began = behind.metric(HEARTBEAT)
        behind.change()
        wait_for(lambda: behind.metric(HEARTBEAT) > began + 5 and len(fault.struck) > 5)
        assert behind.operator.get("healthz") == "ok\n"
    behind.settle()


def test_an_api_server_that_hangs_and_is_started_again(behind, control_plane):
    control_plane.pause_api()
    began = behind.metric(HEARTBEAT)
    wait_for(lambda: behind.metric(HEARTBEAT) > began + 3)
    assert behind.operator.get("healthz") == "ok\n"
    control_plane.stop_api()
    control_plane.start_api()
    behind.change()
    behind.settle()


def test_what_is_deleted_while_no_watch_looks_is_found_by_the_sweep(behind):
    """After 410 the objects are listed anew, and no list names what is gone."""
    behind.cluster.create(small.baseline("faults", "other", policyGeneration=[]))
    assert behind.operator.stop() == 0
    behind.operator.sweep = 2
    behind.operator.start()
    wait_for(lambda: 'baseline="other"' in behind.operator.get("metrics"))
    with behind.proxy.fault(WATCH, reset=True) as fault:
        assert behind.proxy.cut_watches({"type": "ERROR", "object": GONE}) == 3
        wait_for(lambda: len(fault.struck) >= 3)
        behind.cluster.delete("LeastPrivilegeBaseline", "other")
    wait_for(lambda: 'baseline="other"' not in behind.operator.get("metrics"))
    behind.settle()


def test_watches_that_cannot_begin_end_the_process_with_a_word(behind, tmp_path):
    """A new process has to watch anew; this one would see only what the sweep sees."""
    second = Operator(behind.operator.control_plane, behind.operator.environment, tmp_path, server=behind.proxy.url)
    with behind.proxy.fault("GET /apis?$", status=415, reason="UnsupportedMediaType"):
        second.launch()
        try:
            assert second.process.wait(60) == 2
        except subprocess.TimeoutExpired:
            second.stop()
            raise
    _ended_with_a_word(second)


def _ended_with_a_word(operator):
    wait_for(lambda: any("the watches have ended" in str(line.get("event")) for line in operator.lines))
    assert "mistake in plumbline" not in (operator.folder / "operator.log").read_text()
