"""What a landscape says of risk: the riskiest first, each with its reasons and the first thing to do."""

import json
from dataclasses import replace

import pytest

from plumbline.kube.client import LANDSCAPES
from tests.assess.world import ACCOUNT
from tests.iam.policies import allow, inline
from tests.operator.memory import BASELINE, LANDSCAPE, Cluster
from tests.reconcile.facts import READ, WRITE, Line, a_role

OTHER = "999999999999"


def trusts(*principals):
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": list(principals)}}
    return json.dumps({"Statement": [statement], "Version": "2012-10-17"}, sort_keys=True, separators=(",", ":"))


WIDE = a_role("wide", inline("p", allow("iam:*", "s3:*")), trust=trusts(f"arn:aws:iam::{OTHER}:root"))
CLIMBER = a_role("climber", inline("climb", allow("iam:PutRolePolicy")), trust=trusts(f"arn:aws:iam::{ACCOUNT}:root"))
QUIET = a_role("quiet", inline("p", allow(READ)), trust=trusts(f"arn:aws:iam::{ACCOUNT}:root"))
IDLE = a_role("idle", trust=trusts(f"arn:aws:iam::{ACCOUNT}:root"))


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    made = Cluster(tmp_path, monkeypatch, Line(roles=(WIDE, CLIMBER, QUIET, IDLE), used={"quiet": [READ]}))
    made.baseline(targets={"names": ["idle"]})
    made.landscape(risk={"listed": 4})
    return made


def risk(cluster):
    return cluster.status("default", "", LANDSCAPES)["risk"]


def by_name(cluster):
    return {one["arn"].rpartition("/")[2]: one for one in risk(cluster)["riskiest"]}


def test_the_riskiest_are_listed_first_with_their_reasons(cluster):
    found = risk(cluster)
    assert found["scored"] == sum(found["bands"].values()) == 4
    scores = [one["score"] for one in found["riskiest"]]
    assert scores == sorted(scores, reverse=True)
    assert found["riskiest"][0]["arn"] == WIDE.arn
    for one in found["riskiest"]:
        assert sum(part["points"] for part in one["contributions"]) == one["score"]
    assert found["escalating"] == 2


def test_what_to_do_first_is_about_the_largest_part(cluster):
    found = by_name(cluster)
    assert found["climber"]["recommendation"].startswith(
        "take away iam:PutRolePolicy of inline/climb: iam-put-role-policy"
    )
    assert found["idle"]["recommendation"] == "remove its 2 unused actions: see the proposal of baseline pay/base"
    assert found["idle"]["baseline"] == "pay/base"
    assert found["climber"]["baseline"] == ""


def test_everybody_has_an_owner(cluster):
    """Of a governed role that of its baseline, then that of the landscape; of all others the landscape's."""
    cluster.landscape(risk={}, routing={"defaultOwner": "platform"})
    assert {name: one["owner"] for name, one in by_name(cluster).items()} == dict.fromkeys(
        ("wide", "climber", "quiet", "idle"), "platform"
    )
    cluster.baseline(targets={"names": ["idle"]}, routing={"owners": [{"arn": "*", "owner": "payments"}]})
    cluster.settle(LANDSCAPE)
    found = by_name(cluster)
    assert (found["idle"]["owner"], found["climber"]["owner"]) == ("payments", "platform")


def test_a_new_owner_of_the_landscape_is_that_of_its_baselines_roles_too(cluster):
    for owner in ("platform", "operations"):
        cluster.landscape(risk={}, routing={"defaultOwner": owner})
        (reported,) = cluster.status()["rolesReported"]
        assert (reported["owner"], by_name(cluster)["idle"]["owner"]) == (owner, owner)


def test_weights_are_the_landscapes(cluster):
    weights = {"mostEscalations": 0, "mostExposure": 0, "mostBlastRadius": 0}
    cluster.landscape(risk={"weights": weights})
    assert {part["name"] for one in risk(cluster)["riskiest"] for part in one["contributions"] if part["points"]} <= {
        "unused",
        "unusedPrivileged",
    }


def test_what_is_not_known_may_be_more_and_says_what_would_decide_it(cluster):
    cluster.line = cluster.line.but(roles=(replace(WIDE, trust=None), CLIMBER, QUIET, IDLE), logs=())
    cluster.settle(LANDSCAPE)
    assert by_name(cluster)["wide"]["atLeast"]
    assert risk(cluster)["atLeast"] >= 1
    assert all(one["kind"] in ("switchOn", "repair") for one in risk(cluster)["wouldDecide"])
    assert risk(cluster)["wouldDecide"]


def test_without_the_field_nothing_is_scored(cluster):
    cluster.landscape()
    assert "risk" not in cluster.status("default", "", LANDSCAPES)


def test_a_second_pass_over_the_same_facts_writes_nothing(cluster):
    assert cluster.counted(LANDSCAPE, BASELINE) == (0, [])


def test_used_actions_lower_the_score(cluster):
    before = by_name(cluster)["idle"]["score"]
    cluster.line = cluster.line.but(used={"quiet": [READ], "idle": [READ, WRITE]})
    cluster.settle(LANDSCAPE)
    assert by_name(cluster)["idle"]["score"] < before


OWN_WAY = {
    "id": "acme-console",
    "kind": "self-escalation",
    "summary": "Opens the console of an instance.",
    "target": "role",
    "gains": "anything",
    "needs": {READ: "any"},
}


def valid_ways(cluster):
    return cluster.conditions("default", "", LANDSCAPES).get("EscalationWaysValid")


def test_ways_of_the_landscapes_own_are_judged_from_the_next_pass_on(cluster):
    assert (risk(cluster)["escalating"], valid_ways(cluster)) == (2, None)
    cluster.landscape(risk={}, escalationWays=[OWN_WAY])
    assert risk(cluster)["escalating"] == 4
    assert (valid_ways(cluster)["status"], valid_ways(cluster)["reason"]) == ("True", "AllValid")
    assert by_name(cluster)["quiet"]["recommendation"] == f"take away {READ} of inline/p: acme-console"
    cluster.landscape(risk={}, escalationWays=[OWN_WAY | {"needs": {"ec2:StopInstances": "any"}}])
    assert risk(cluster)["escalating"] == 2
    cluster.landscape(risk={})
    assert (risk(cluster)["escalating"], valid_ways(cluster)) == (2, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "sts-assume-role"}, "[0].id: 'sts-assume-role' is taken; write an id that no other way has"),
        (
            {"needs": {"iam:PassRole": "any/bucket"}},
            "[0].needs.iam:PassRole: 'bucket' is no resource type of the action",
        ),
    ],
)
def test_a_way_that_is_none_is_told_and_takes_nothing_down(cluster, change, message):
    """A newer version of Plumbline may come with a way of that id."""
    cluster.landscape(risk={}, escalationWays=[OWN_WAY | change, OWN_WAY | {"id": "acme-other"}])
    found = valid_ways(cluster)
    assert (found["status"], found["reason"]) == ("False", "WaysInvalid")
    assert found["message"].startswith(f"spec.escalationWays{message}")
    assert cluster.conditions("default", "", LANDSCAPES)["Ready"]["status"] == "True"
    assert risk(cluster)["escalating"] == 4  # by the other one
    assert [e["reason"] for e in cluster.kube.events if e["regarding"]["kind"] == "IAMLandscape"].count(
        "WaysInvalid"
    ) == 1
