"""Drift within seconds: a change that EventBridge announces is seen long before the next interval, and only where it is."""

import time

import pytest

from sandbox import organization as org
from sandbox.demo import drift
from tests.operator import small
from tests.operator.change_queue import HURRIED, ChangeQueue
from tests.operator.conftest import wait_for
from tests.operator.test_life import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

ROLE = "deploy-dev"
WITHIN = 15.0  # seconds, on a busy machine


@pytest.fixture(scope="module")
def cluster(operator, control_plane, today, logs):
    """A landscape that is collected once a day, with a baseline that has been assessed."""
    control_plane.kubectl("create", "namespace", "quick")
    made = Cluster(control_plane, "quick")
    made.queue = ChangeQueue(today)
    landscape = small.landscape(logs, "quick")
    landscape["spec"]["evidence"].pop("policyGeneration", None)
    landscape["spec"] |= {"interval": "24h", "changeQueue": {"arn": made.queue.arn}}
    made.apply(landscape)
    made.apply(small.baseline("quick", policyGeneration=[], interval="24h"))
    wait_for(lambda: made.is_true("lpb", "small", "Ready"))
    wait_for(lambda: made.is_true("iaml", "default", "ChangesWatched"))
    yield made
    control_plane.kubectl("delete", "namespace", "quick", "--wait=false")
    control_plane.kubectl("delete", "iaml", "default", "--ignore-not-found")


@pytest.fixture
def drifted(cluster, today):
    drift(today, account=org.DEVELOPMENT, role=ROLE)
    yield
    drift(today, account=org.DEVELOPMENT, role=ROLE, take_back=True)


def role_of(cluster):
    """the role with drift"""
    status = cluster.get("lpb", "small")["status"]
    return next((r for r in status["rolesReported"] if r["grantDriftCount"] and r["roleArn"].endswith(ROLE)), None)


def test_what_was_added_by_whom_and_when_is_seen_within_seconds(cluster, operator, drifted):
    assert role_of(cluster) is None
    collected = cluster.get("iaml", "default")["status"]["collectedAt"]
    began = time.monotonic()
    cluster.queue.tell("PutRolePolicy", ROLE, account=org.DEVELOPMENT)
    found = wait_for(lambda: role_of(cluster), WITHIN)
    assert time.monotonic() - began < WITHIN
    assert any("iam:" in added or "s3:" in added or "*" in added for added in found["grantDrift"])
    (change,) = found["grantDriftChanges"]
    assert (change["event"], change["policy"], change["source"]) == ("PutRolePolicy", "inline/hotfix", "queue")
    # The namespace may not see that role; the landscape's administrators may.
    assert change["by"] == f"a principal of account {org.PRODUCTION}"
    status = wait_for(lambda: (s := cluster.get("iaml", "default")["status"]).get("recentChanges") and s)
    assert status["recentChanges"][0]["by"] == HURRIED
    assert status["recentChanges"][0]["baseline"] == "quick/small"
    assert status["collectedAt"] == collected  # everything else was not collected again
    told = [e for e in cluster.get("events.events.k8s.io")["items"] if e["reason"] == "GrantDrift"]
    assert ROLE in told[0]["note"]
    assert "PutRolePolicy" in told[0]["note"]
    assert cluster.conditions("lpb", "small")["Compliant"]["status"] == "False"
    text = operator.get("metrics")
    assert 'plumbline_baseline_grant_drift{baseline="small",landscape="default",namespace="quick"} 1.0' in text
    assert 'plumbline_change_queue_readable{landscape="default"} 1.0' in text
    wait_for(lambda: cluster.queue.depth() == 0)


def test_a_message_alone_is_never_believed(cluster):
    """It names a change that did not happen: the account is looked at, and nothing is said of the role."""
    wait_for(lambda: role_of(cluster) is None, 90)
    before = cluster.get("lpb", "small")["status"]["counts"]
    cluster.queue.tell("AttachRolePolicy", ROLE, account=org.DEVELOPMENT)
    wait_for(
        lambda: any(c["event"] == "AttachRolePolicy" for c in cluster.get("iaml", "default")["status"]["recentChanges"])
    )
    assert role_of(cluster) is None
    assert cluster.get("lpb", "small")["status"]["counts"] == before


def test_messages_that_are_none_are_taken_and_logged(cluster, operator):
    cluster.queue.sqs.send_message(QueueUrl=cluster.queue.url, MessageBody="no event")
    wait_for(lambda: any("not understood" in line.get("event", "") for line in operator.lines))
    wait_for(lambda: cluster.queue.depth() == 0)


def test_a_queue_that_is_gone_is_told_with_what_it_means(cluster, today):
    cluster.queue.sqs.delete_queue(QueueUrl=cluster.queue.url)
    found = wait_for(lambda: (c := cluster.conditions("iaml", "default")["ChangesWatched"])["status"] == "False" and c)
    assert found["reason"] == "QueueUnreadable"
    assert "next interval" in found["message"]
    cluster.queue = ChangeQueue(today)
    wait_for(lambda: cluster.is_true("iaml", "default", "ChangesWatched"), 180)
