"""The landscape's limit of open proposals, and rejections, over passes that come one at a time."""

import pytest

from plumbline.kube.client import BASELINES, LANDSCAPES
from plumbline.operator.figures import _figures
from plumbline.operator.keys import Key
from tests.iam.policies import allow, inline
from tests.operator.memory import BASELINE, LANDSCAPE, Cluster
from tests.reconcile.facts import READ, WRITE, Line, a_role

# From bad to worse.
ROLES = [a_role(name, inline("p", allow(*actions))) for name, actions in (
    ("d", [READ]), ("c", [READ, WRITE]), ("b", ["s3:*"]), ("a", ["ec2:*", "s3:*"]),
)]  # fmt: skip
TWO = {"pay": ["a", "d"], "other": ["b", "c"]}


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    return Cluster(tmp_path, monkeypatch, Line(roles=tuple(ROLES)))


def open_in(cluster):
    return {namespace: sorted(cluster.proposals(namespace)) for namespace in TWO}


def two_baselines(cluster, order=("pay", "other"), **spec):
    for namespace in order:
        cluster.baseline(namespace=namespace, targets={"names": TWO[namespace]}, **spec)


@pytest.mark.parametrize("order", [("pay", "other"), ("other", "pay")])
def test_the_worst_of_all_baselines_are_opened_in_whatever_order_they_come(cluster, order):
    two_baselines(cluster, order)
    cluster.landscape(limits={"openProposals": 3})
    assert open_in(cluster) == {"pay": ["a"], "other": ["b", "c"]}
    status = cluster.status()
    assert (status["openProposals"], status["waitingProposals"], status["rolesOutOfLine"]) == (1, 1, 2)
    said = cluster.conditions()["ProposalsLimited"]
    assert (said["reason"], said["status"]) == ("LandscapeLimit", "True")
    assert "limits.openProposals of the landscape default is 3" in said["message"]
    assert "other" not in said["message"]
    assert "ProposalsLimited" not in cluster.conditions(namespace="other")
    figures = {f.namespace: f.waiting_proposals for f in _figures(cluster.reconciler).baselines}
    assert figures == {"pay": 1, "other": 0}
    # It rests, also after a restart, and whoever comes first then.
    assert cluster.counted(*(Key(BASELINES, n, "base") for n in order)) == (0, [])
    cluster.start()
    assert cluster.counted(LANDSCAPE)[1] == []


def test_a_place_that_comes_free_goes_to_the_one_that_waits(cluster):
    two_baselines(cluster)
    cluster.landscape(limits={"openProposals": 3})
    cluster.decide(cluster.name_of("c", "other"), "other")
    assert cluster.proposals("other") == {"b": "NoDecision", "c": "Rejected"}
    assert cluster.proposals() == {"a": "NoDecision", "d": "NoDecision"}
    assert "ProposalsLimited" not in cluster.conditions()


def test_what_is_open_stays_when_the_limit_is_lowered_or_something_worse_comes(cluster):
    cluster.line = Line(roles=tuple(ROLES[:3]))
    two_baselines(cluster)
    cluster.landscape(limits={"openProposals": 3})
    before = {"pay": ["d"], "other": ["b", "c"]}
    assert open_in(cluster) == before
    cluster.line = Line(roles=tuple(ROLES))
    cluster.settle(LANDSCAPE)
    assert open_in(cluster) == before
    assert cluster.status()["waitingProposals"] == 1
    cluster.start()
    cluster.landscape(limits={"openProposals": 0})
    assert open_in(cluster) == before
    cluster.landscape(limits={"openProposals": 4})
    assert open_in(cluster) == {"pay": ["a", "d"], "other": ["b", "c"]}


def test_a_baseline_that_goes_or_is_suspended_gives_back_what_it_has_not_used(cluster):
    two_baselines(cluster)
    cluster.landscape(limits={"openProposals": 2})
    assert open_in(cluster) == {"pay": ["a"], "other": ["b"]}
    cluster.baseline(namespace="pay", targets={"names": TWO["pay"]}, suspend=True)
    # What is open of a suspended one stays, and counts.
    assert open_in(cluster) == {"pay": ["a"], "other": ["b"]}
    cluster.remove(BASELINES, "base", "pay")
    assert open_in(cluster) == {"pay": [], "other": ["b", "c"]}


def test_both_limits_hold(cluster):
    two_baselines(cluster, limits={"openProposals": 1})
    cluster.landscape(limits={"openProposals": 1})
    assert open_in(cluster) == {"pay": ["a"], "other": []}
    assert cluster.conditions()["ProposalsLimited"]["reason"] == "BaselineLimit"
    said = cluster.conditions(namespace="other")["ProposalsLimited"]
    assert said["reason"] == "LandscapeLimit"
    assert "1 roles wait, because limits.openProposals of this baseline is 1; 1 roles wait" in said["message"]


def test_a_landscape_that_is_made_again_counts_what_is_open(cluster):
    two_baselines(cluster)
    cluster.landscape(limits={"openProposals": 2})
    cluster.remove(LANDSCAPES, "default")
    assert cluster.conditions()["Stalled"]["reason"] == "LandscapeNotFound"
    cluster.landscape(limits={"openProposals": 3})
    assert open_in(cluster) == {"pay": ["a"], "other": ["b", "c"]}


# Rejections


def test_a_rejection_outlives_its_baseline(cluster):
    cluster.baseline(targets={"names": ["a", "b"]})
    cluster.landscape()
    cluster.decide(cluster.name_of("a"))
    assert cluster.proposals() == {"a": "Rejected", "b": "NoDecision"}
    cluster.remove(BASELINES, "base", "pay")
    assert cluster.proposals() == {}
    cluster.baseline(name="another", targets={"names": ["a", "b"]})
    assert cluster.proposals() == {"a": "RejectedBefore", "b": "NoDecision"}
    assert cluster.status("another")["openProposals"] == 1
    # Elsewhere people decide for themselves.
    cluster.remove(BASELINES, "another", "pay")
    cluster.baseline(namespace="other", targets={"names": ["a"]})
    assert cluster.proposals("other") == {"a": "NoDecision"}


def test_a_rejection_is_heard_while_the_baseline_is_suspended(cluster):
    cluster.baseline(targets={"names": ["a"]})
    cluster.landscape()
    cluster.baseline(targets={"names": ["a"]}, suspend=True)
    cluster.decide(cluster.name_of("a"))
    cluster.remove(BASELINES, "base", "pay")
    cluster.baseline(targets={"names": ["a"]})
    assert cluster.proposals() == {"a": "RejectedBefore"}
    # Approving it takes the rejection back for good.
    cluster.decide(cluster.name_of("a"), state="Approved")
    assert cluster.proposals() == {"a": "Approved"}
    cluster.remove(BASELINES, "base", "pay")
    cluster.baseline(targets={"names": ["a"]})
    assert cluster.proposals() == {"a": "NoDecision"}


def test_another_plan_is_opened(cluster):
    cluster.baseline(targets={"names": ["c"]})
    cluster.landscape()
    cluster.decide(cluster.name_of("c"))
    cluster.remove(BASELINES, "base", "pay")
    cluster.line = cluster.line.but(used={"c": [READ]})
    cluster.settle(LANDSCAPE)
    cluster.baseline(targets={"names": ["c"]})
    assert cluster.proposals() == {"c": "NoDecision"}


def test_a_role_that_another_baseline_of_the_namespace_takes_over_stays_rejected(cluster):
    cluster.baseline(targets={"names": ["*"]})
    cluster.landscape()
    cluster.decide(cluster.name_of("a"))
    assert cluster.status()["openProposals"] == 3
    arn = ROLES[3].arn
    cluster.baseline(name="exact", targets={"arns": [arn]})
    assert cluster.status("exact")["roles"] == 1
    cluster.sweep()
    assert cluster.proposals() == {"a": "RejectedBefore", "b": "NoDecision", "c": "NoDecision", "d": "NoDecision"}
    assert (cluster.status()["openProposals"], cluster.status("exact")["openProposals"]) == (3, 0)
    owners = {
        body["spec"]["roleArn"]: body["spec"]["baselineRef"]["name"]
        for (plural, *_), body in cluster.kube.objects.items()
        if plural in {"remediationproposals", "roleaccessreports"}
    }
    assert (owners[arn], set(owners.values())) == ("exact", {"exact", "base"})
    assert cluster.counted(BASELINE, Key(BASELINES, "pay", "exact")) == (0, [])


def test_a_baseline_that_moves_to_another_landscape_leaves_nothing_in_the_first(cluster):
    cluster.landscape()
    cluster.landscape("second")
    cluster.baseline(targets={"names": ["a"]})
    cluster.baseline(namespace="other", targets={"names": ["a"]})
    assert cluster.status(namespace="other")["governedElsewhere"] == 1
    cluster.baseline(targets={"names": ["a"]}, landscapeRef={"name": "second"})
    assert cluster.status(namespace="other")["roles"] == 1
    assert cluster.status()["roles"] == 1
