"""Every status that the operator writes, over whatever happens to its objects, follows the rules of kstatus and of Flux.

https://github.com/fluxcd/pkg/blob/main/runtime/conditions/check/fail.go
https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

import re
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from plumbline.kube.client import BASELINES, LANDSCAPES, PROPOSALS
from plumbline.operator.keys import Key
from tests.api.crd_checker import refusals
from tests.assess.world import logs
from tests.iam.policies import allow, inline
from tests.operator.memory import Cluster
from tests.reconcile.facts import READ, WRITE, Line, a_role

ABNORMAL = {"Reconciling", "Stalled", "AcceptedAccessUnknown", "ExemptionsExpired", "ProposalsLimited"}
REASON = re.compile(r"([A-Z][a-z0-9]*)+")
NAMESPACED = [("pay", "base"), ("pay", "second"), ("other", "base")]


def follows_the_rules(resource, before, after):
    """What holds for each status that is written: `before` and `after` are the object."""
    found = {c["type"]: c for c in after["status"]["conditions"]}
    assert len(found) == len(after["status"]["conditions"])
    generation = after["metadata"]["generation"]
    assert after["status"]["observedGeneration"] == generation
    assert {c["observedGeneration"] for c in found.values()} == {generation}
    ready, said = found["Ready"], {kind: c["status"] for kind, c in found.items()}
    assert all(said[kind] == "True" for kind in ABNORMAL & set(said))
    assert not {"Reconciling", "Stalled"} <= set(said)
    if "Stalled" in said:
        assert (ready["status"], ready["reason"]) == ("False", found["Stalled"]["reason"])
        assert found["Stalled"]["message"]
    if "Reconciling" in said:
        assert ready["status"] != "True"
    # kstatus takes an object without Reconciling and Stalled for done.
    assert ready["status"] != "Unknown" or "Reconciling" in said
    old = {c["type"]: c for c in ((before or {}).get("status") or {}).get("conditions", ())}
    for kind, c in found.items():
        assert REASON.fullmatch(c["reason"]), c
        moved = kind not in old or old[kind]["status"] != c["status"]
        if not moved:
            assert c["lastTransitionTime"] == old[kind]["lastTransitionTime"]
        elif kind in old:
            assert datetime.fromisoformat(c["lastTransitionTime"]) >= datetime.fromisoformat(
                old[kind]["lastTransitionTime"]
            )
    if "conditions" in ((before or {}).get("status") or {}):
        assert before["status"] != after["status"], "nothing was to be written"
    event(f"{resource.kind} {ready['status']} {ready['reason']}")


def is_taken(resource, before, after):
    """What the API server would say of the status."""
    if resource in (LANDSCAPES, BASELINES, PROPOSALS):
        assert refusals(resource.kind, {"status": after["status"]}) == []


class Life(RuleBasedStateMachine):
    """People and accounts do what they do; after each step everything comes to rest."""

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.folder = tempfile.TemporaryDirectory()
        self.cluster = Cluster(Path(self.folder.name), self.patch, Line(roles=(a_role(), a_role("web"))))
        self.cluster.kube.checks += [self.check]

    def teardown(self):
        self.patch.undo()
        self.cluster.engine.dispose()
        self.folder.cleanup()

    def check(self, resource, before, after):
        if resource in (LANDSCAPES, BASELINES, PROPOSALS):
            follows_the_rules(resource, before, after)
            is_taken(resource, before, after)

    @initialize(landscape=st.booleans())
    def begin(self, landscape):
        self.cluster.baseline()
        if landscape:
            self.cluster.landscape()

    @rule(
        changes=st.sampled_from(
            [
                {},
                {"suspend": True},
                {"accounts": {}},
                {"memory": "soon"},
                {"allowedTargets": []},
                {"limits": {"openProposals": 1}},
            ]
        )
    )
    def landscape(self, changes):
        self.cluster.landscape(**changes)

    @rule(where=st.sampled_from(NAMESPACED))
    def a_baseline_comes_before_its_landscape(self, where):
        """A new process, in which the first pass of the landscape takes its time."""
        self.cluster.start()
        known = self.cluster.kube.of(LANDSCAPES, "", "default")
        spec = known["spec"] if known else {"accounts": {"ids": ["111111111111"]}, "memberRole": {"name": "reader"}}
        self.cluster.kube.put(LANDSCAPES, {"metadata": {"name": "default"}, "spec": spec})
        self.cluster.settle(Key(BASELINES, *where))

    @rule()
    def landscape_goes(self):
        if self.cluster.kube.of(LANDSCAPES, "", "default"):
            self.cluster.remove(LANDSCAPES, "default")

    @rule(
        where=st.sampled_from(NAMESPACED),
        spec=st.sampled_from(
            [
                {},
                {"suspend": True},
                {"targets": {}},
                {"lookback": "400d"},
                {"mode": "Report"},
                {"landscapeRef": {"name": "elsewhere"}},
                {"targets": {"arns": [a_role().arn, "arn:aws:iam::111111111111:role/none"]}},
                {"limits": {"openProposals": 1}, "thresholds": {"unusedActions": 1, "grantDrift": None}},
                {"exemptions": [{"actions": ["ec2:*"], "owner": "o", "reason": "r", "expires": "2026-07-02"}]},
            ]
        ),
        request=st.sampled_from([{}, {"plumbline.dev/requestedAt": "now"}]),
    )
    def baseline(self, where, spec, request):
        namespace, name = where
        self.cluster.baseline(name, namespace, request, **spec)

    @rule(where=st.sampled_from(NAMESPACED))
    def baseline_goes(self, where):
        if self.cluster.kube.of(BASELINES, *where):
            self.cluster.remove(BASELINES, where[1], where[0])

    @rule(
        changes=st.sampled_from(
            [
                {"roles": ()},
                {"roles": (a_role(), a_role("web"))},
                {"roles": (a_role("app", inline("p", allow(READ, WRITE, "s3:*"))), a_role("web"))},
                {"roles": (a_role(unique_id="AROANEW"),)},
                {"used": {"app": [READ, WRITE]}},
                {"used": {}},
                {"logs": ()},
                {"logs": (logs(),)},
                {"account": Line().account},
                {"account": type(Line().account)("111111111111", error="no", error_reason="AccessDenied")},
                {"account": type(Line().account)("")},
                {"organization_error": "denied"},
                {"organization_error": None},
            ]
        )
    )
    def accounts(self, changes):
        self.cluster.line = self.cluster.line.but(**changes)
        self.cluster.settle(Key(LANDSCAPES, "", "default"))

    @rule(state=st.sampled_from(["Approved", "Rejected"]), data=st.data())
    def decision(self, state, data):
        known = sorted(k for k in self.cluster.kube.objects if k[0] == PROPOSALS.plural)
        if known:
            _, namespace, name = data.draw(st.sampled_from(known))
            self.cluster.decide(name, namespace, state)

    @rule(hours=st.sampled_from([1, 25]))
    def time_passes(self, hours):
        self.cluster.now += timedelta(hours=hours)

    @rule(lose=st.booleans())
    def restart(self, lose):
        if lose:
            from tests.operator.test_unchanged import forget_accepted

            forget_accepted(self.cluster)
        self.cluster.start()

    @rule()
    def everything_is_asked_for_twice(self):
        """The sweep; the second writes nothing."""
        self.cluster.sweep()
        self.cluster.kube.writes.clear()
        self.cluster.assessed.clear()
        self.cluster.sweep()
        assert self.cluster.kube.writes == []
        assert not self.cluster.assessed
        self.owners()

    def owners(self):
        """Each proposal belongs to one living baseline, and no role of a namespace has two."""
        objects = self.cluster.kube.objects
        roles = [
            (ns, b["spec"]["roleArn"], b["status"]["uniqueId"])
            for (p, ns, _), b in objects.items()
            if p == PROPOSALS.plural
        ]
        assert len(roles) == len(set(roles))
        for (plural, namespace, _), body in objects.items():
            if plural == PROPOSALS.plural:
                assert (BASELINES.plural, namespace, body["spec"]["baselineRef"]["name"]) in objects


TestLife = Life.TestCase
TestLife.settings = settings(stateful_step_count=20)
