"""A cluster in memory: as much of an API server as the Reconciler asks for, and a landscape that needs no AWS."""

import copy
from collections import Counter, deque
from dataclasses import replace
from datetime import UTC
from types import SimpleNamespace

from plumbline.kube.client import BASELINES, EVENTS, LANDSCAPES, PROPOSALS, REPORTS
from plumbline.kube.errors import Refused
from plumbline.operator import landscape_passes as module
from plumbline.operator.keys import Key
from plumbline.operator.reconcile import Reconciler, Settings
from plumbline.reconcile.baseline_pass import assess_one
from plumbline.reconcile.evidence import Evidence
from plumbline.reconcile.landscape import LandscapePass, _status, govern, select_roles
from plumbline.reconcile.ways import ways_of
from tests.assess.world import ACCOUNT
from tests.reconcile.facts import NOW, Line
from tests.stores import new_store

BY_PLURAL = {r.plural: r for r in (LANDSCAPES, BASELINES, PROPOSALS, REPORTS)}


class MemoryKube:
    """`checks`: called with resource, object before and after each write of a status."""

    def __init__(self):
        self.objects = {}
        self.writes = []
        self.events = []
        self.checks = []
        self._made = 0

    def of(self, resource, namespace, name):
        return self.objects.get((resource.plural, namespace or "", name))

    def put(self, resource, body):
        """What people do: create, or replace the spec and annotations."""
        metadata = body["metadata"]
        key = (resource.plural, metadata.get("namespace", ""), metadata["name"])
        old = self.objects.get(key)
        if old is None:
            self._made += 1
            kept = {
                "uid": f"uid-{self._made}",
                "generation": 1,
                "creationTimestamp": f"2026-01-01T00:00:{self._made % 60:02}Z",
            }
        else:
            changed = old["spec"] != body["spec"]
            kept = {k: old["metadata"][k] for k in ("uid", "generation", "creationTimestamp")}
            kept["generation"] += changed
        made = copy.deepcopy(body) | {"apiVersion": resource.api_version, "kind": resource.kind}
        made["metadata"] |= kept
        if old is not None and "status" in old:
            made["status"] = old["status"]
        self.objects[key] = made

    def drop(self, resource, namespace, name):
        """Deletes, and what it owned, as the garbage collector does."""
        gone = self.objects.pop((resource.plural, namespace or "", name))
        for key, body in list(self.objects.items()):
            owners = body["metadata"].get("ownerReferences") or ()
            if any(owner["uid"] == gone["metadata"]["uid"] for owner in owners):
                del self.objects[key]

    # As KubeClient

    def get(self, resource, namespace, name):
        return copy.deepcopy(self.of(resource, namespace, name))

    def list(self, resource, namespace=None, *, labels="", fields=""):
        for (plural, where, _), body in sorted(self.objects.items()):
            if plural != resource.plural or (namespace and where != namespace):
                continue
            if labels and "{}={}".format(*labels.split("=")) not in {
                f"{k}={v}" for k, v in (body["metadata"].get("labels") or {}).items()
            }:
                continue
            if fields and body["spec"].get("landscapeRef", {}).get("name", "default") != fields.partition("=")[2]:
                continue
            yield copy.deepcopy(body)

    def apply(self, resource, body, manager, *, status=False):
        metadata = body["metadata"]
        key = (resource.plural, metadata.get("namespace", ""), metadata["name"])
        before = copy.deepcopy(self.objects.get(key))
        self.writes.append(("status" if status else "apply", resource.plural, metadata["name"]))
        if status:
            self.objects[key]["status"] = copy.deepcopy(body["status"])
            for check in self.checks:
                check(resource, before, self.objects[key])
        else:
            decision = (before or {}).get("spec", {}).get("decision")
            if resource is PROPOSALS and before and before["spec"]["baselineRef"] != body["spec"]["baselineRef"]:
                raise Refused("spec.baselineRef must not change")
            self.put(resource, {**body, "spec": body["spec"] | ({"decision": decision} if decision else {})})
        return self.get(resource, metadata.get("namespace"), metadata["name"])

    def delete(self, resource, namespace, name, uid):
        found = self.of(resource, namespace, name)
        if found and found["metadata"]["uid"] == uid:
            self.writes.append(("delete", resource.plural, name))
            self.drop(resource, namespace, name)

    def create(self, resource, namespace, body):
        assert resource is EVENTS
        self.events.append(body)
        return body


class Cluster:
    """The Reconciler in such a cluster. `line`: what the next pass of the landscape finds."""

    def __init__(self, folder, monkeypatch, line=None):
        self.kube, self.line, self.now = MemoryKube(), line or Line(), NOW
        self.engine = new_store(folder / "store.db")
        self.assessed = Counter()
        self.queue = deque()
        monkeypatch.setattr(module, "reconcile_landscape", self._collect)
        self.start()

    def start(self):
        """A new process: nothing in memory."""
        self.reconciler = Reconciler(
            self.kube,
            self.engine,
            lambda _: SimpleNamespace(calls=SimpleNamespace(counts=dict)),
            lambda key, _: self.queue.append(key),
            settings=Settings(0),
            assess=self._assess,
            clock=lambda: self.now.astimezone(UTC),
        )

    def _assess(self, engine, done, baseline, as_of, now):
        self.assessed[baseline.metadata.key] += 1
        return assess_one(engine, done, baseline, as_of, now)

    def _collect(self, landscape, baselines, accounts, engine, sessions, *, as_of, now, progress, changed):
        view = replace(self.line.view, ways=ways_of(landscape.spec)[0], routing=landscape.spec.routing)
        evidence = Evidence(view.usage, view.coverage, view.changes, {"records": 0}, view.log_sources)
        selections = select_roles(landscape, baselines, view.snapshot, accounts)
        status = _status(landscape, view, evidence, now)
        return LandscapePass(landscape, view, evidence, selections, govern(baselines, selections), status)

    def settle(self, *keys):
        """Reconciles these keys and all that they wake, as often as the queue would; returns the outcomes."""
        self.queue.extend(keys)
        outcomes = []
        while self.queue:
            key = self.queue.popleft()
            if key not in self.queue:
                outcomes.append((key, self.reconciler.reconcile(key)))
            assert len(outcomes) < 200, "it never comes to rest"
        return outcomes

    def sweep(self):
        """Everything that there is, as the sweep asks for it."""
        known = [Key(BY_PLURAL[p], ns, name) for p, ns, name in sorted(self.kube.objects) if p != REPORTS.plural]
        return self.settle(*known)

    def landscape(self, name="default", **spec):
        spec = {
            "accounts": {"ids": [ACCOUNT]},
            "memberRole": {"name": "reader"},
            "allowedTargets": [{"namespaces": ["pay", "other"], "accounts": ["*"]}],
        } | spec
        self.kube.put(LANDSCAPES, {"metadata": {"name": name}, "spec": spec})
        return self.settle(Key(LANDSCAPES, "", name))

    def baseline(self, name="base", namespace="pay", annotations=None, **spec):
        spec = {"targets": {"names": ["*"]}, "mode": "Propose", "thresholds": {"unusedActions": 0}} | spec
        metadata = {"name": name, "namespace": namespace, "annotations": annotations or {}}
        self.kube.put(BASELINES, {"metadata": metadata, "spec": spec})
        return self.settle(Key(BASELINES, namespace, name))

    def decide(self, name, namespace="pay", state="Rejected"):
        body = self.kube.of(PROPOSALS, namespace, name)
        decision = {"state": state, "planDigest": body["status"]["planDigest"], "by": "jane", "reason": "needed"}
        self.kube.put(PROPOSALS, {**body, "spec": body["spec"] | {"decision": decision}})
        return self.settle(Key(PROPOSALS, namespace, name))

    def remove(self, resource, name, namespace=""):
        self.kube.drop(resource, namespace, name)
        return self.settle(Key(resource, namespace, name))

    def status(self, name="base", namespace="pay", resource=BASELINES):
        return (self.kube.of(resource, namespace, name) or {}).get("status") or {}

    def conditions(self, name="base", namespace="pay", resource=BASELINES):
        return {c["type"]: c for c in self.status(name, namespace, resource).get("conditions", ())}

    def proposals(self, namespace="pay"):
        """Role name -> reason of Approved."""
        return {
            body["spec"]["roleArn"].rpartition("/")[2]: self.conditions(name, where, PROPOSALS)["Approved"]["reason"]
            for (plural, where, name), body in sorted(self.kube.objects.items())
            if plural == PROPOSALS.plural and where == namespace
        }

    def name_of(self, role, namespace="pay"):
        return next(
            name
            for (plural, where, name), body in self.kube.objects.items()
            if plural == PROPOSALS.plural and where == namespace and body["spec"]["roleArn"].endswith(f"/{role}")
        )

    def counted(self, *keys):
        """How often baselines were assessed, and what was written, while these keys settle."""
        self.assessed.clear()
        self.kube.writes.clear()
        self.settle(*keys)
        return sum(self.assessed.values()), list(self.kube.writes)


LANDSCAPE, BASELINE = Key(LANDSCAPES, "", "default"), Key(BASELINES, "pay", "base")
