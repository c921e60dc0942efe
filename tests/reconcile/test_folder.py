"""The folder as a store: nothing that stands in a file stops the others, nothing is lost, nothing is written twice."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plumbline.api.baseline import BaselineStatus
from plumbline.api.proposal import RemediationProposal
from plumbline.reconcile import manifests
from plumbline.reconcile.conditions import conditions, stalled
from plumbline.reconcile.folder import FolderStore
from plumbline.reconcile.resources import MODELS, PLURALS
from tests.api.examples import BASELINE, DIGEST, LANDSCAPE, PROPOSAL, RESOURCES, WRONG, changed
from tests.reconcile.facts import NOW, READ, Line

BASE = {**BASELINE, "metadata": {"name": "base", "namespace": "pay"}}


@pytest.fixture
def store(tmp_path):
    (tmp_path / "in").mkdir()
    return FolderStore(tmp_path / "in", tmp_path / "state")


def put(store, name, *documents):
    path = store.inputs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("---\n".join(yaml.dump(d, Dumper=yaml.CSafeDumper, sort_keys=False) for d in documents))
    return path


def raw(store, name, text):
    (store.inputs / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def told(store):
    return {i.where: " ".join(i.messages) for i in store.load().invalid}


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_all_kinds_are_read(store):
    put(store, "landscape.yaml", LANDSCAPE)
    account = {"kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "pay", "annotations": {"eks.amazonaws.com/role-arn": "arn:x"}}}  # fmt: skip
    put(store, "deep/er/many.yml", BASE, {**BASELINE, "metadata": {"name": "base"}}, account, {"kind": "Deployment"})
    put(store, "list.yaml", {"kind": "List", "apiVersion": "v1", "items": [PROPOSAL, {"kind": "ServiceAccount", "metadata": {"name": "x"}}]})  # fmt: skip
    put(store, "notes.txt", {"kind": "LeastPrivilegeBaseline"})
    found = store.load()
    assert list(found.landscapes) == ["default"]
    assert sorted(found.baselines) == ["default/base", "pay/base"]
    assert list(found.proposals) == ["payments/app-0123456789"]
    assert found.service_accounts == {"pay/web": "arn:x", "default/x": None}
    assert found.invalid == ()
    assert {r.metadata.generation for r in [*found.landscapes.values(), *found.baselines.values()]} == {1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "cannot be read as YAML: while parsing"),
        ("\t", "cannot be read as YAML"),
        (b"\xff\xfe\xff", "cannot be read as YAML"),
        ("[" * 400, "cannot be read as YAML"),
        ("a: !!python/object:os.system {}", "cannot be read as YAML"),
        ("apiVersion: plumbline.dev/v1alpha1\nkind: LeastPriviledgeBaseline\n", "kind: 'LeastPriviledgeBaseline' is not valid: it must be LeastPrivilegeBaseline"),
        ("apiVersion: plumbline.dev/v1alpha1\n", "kind: None is not valid: it must be IAMLandscape or"),
        ("apiVersion: plumbline.dev/v1alpha1\nkind: [x]\n", "is not valid: it must be"),
        ("apiVersion: plumbline.dev/v1\nkind: IAMLandscape\n", "apiVersion: 'plumbline.dev/v1' is not valid: it must be plumbline.dev/v1alpha1"),
        ("kind: LeastPrivilegeBaseline\nmetadata: {name: x}\n", "apiVersion: None is not valid"),
        (yaml.safe_dump({**BASE, "metadata": {}}), "metadata.name is required; add it"),
        (yaml.safe_dump({**BASE, "metadata": []}), "metadata.name is required; add it"),
        (yaml.safe_dump({**BASE, "metadata": {"name": 7}}), "metadata.name: 7 is not valid: it must be text; write it in quotes"),
        (yaml.safe_dump({**BASE, "metadata": {"name": "../../escape"}}), "metadata.name: '../../escape' is not valid: it must be a Kubernetes name"),
        (yaml.safe_dump({**BASE, "metadata": {"name": "x", "namespace": "../y"}}), "metadata.namespace: '../y' is not valid"),
        (yaml.safe_dump({**BASE, "spec": None}), "spec: None is not valid"),
        (yaml.safe_dump({k: v for k, v in BASE.items() if k != "spec"}), "spec is required; add it"),
        (yaml.safe_dump({**BASE, "spec": {1: 2, "a": 3}}), "spec.targets is required; add it"),
        ("apiVersion: plumbline.dev/v1alpha1\nkind: IAMLandscape\nmetadata: {name: x}\nspec: &a {b: *a}\n", "spec.b is not a known field"),
        (yaml.safe_dump(changed("LeastPrivilegeBaseline", "exemptions[0].expires", "X")).replace("X", "2026-02-30"), "spec.exemptions[0].expires"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_and_stops_nothing(store, text, says):
    raw(store, "a.yaml", text)
    put(store, "b.yaml", LANDSCAPE)
    assert says in told(store)["a.yaml"]
    assert "default" in store.load().landscapes
    # And it can be reported, within the state folder only.
    before = files(store.inputs.parent)
    for invalid in store.load().invalid:
        store.write_invalid(invalid, {"conditions": []})
    new = set(files(store.inputs.parent)) - set(before)
    assert all(name.startswith("state/status/") for name in new)


@pytest.mark.parametrize("case", [c for c in WRONG if c.kind in PLURALS], ids=str)
def test_every_wrong_field_is_named_with_path_value_and_remedy(store, case):
    put(store, "x.yaml", case.document)
    (message,) = [m for i in store.load().invalid for m in i.messages if case.remedy in m]
    assert message.startswith("spec")


def test_names_that_stand_twice(store):
    put(store, "a.yaml", BASE)
    put(store, "b.yaml", {**BASE, "spec": {**BASE["spec"], "mode": "Report"}})
    found = store.load()
    assert found.baselines["pay/base"].spec.mode == "Propose"
    assert told(store) == {"b.yaml": "metadata.name: 'pay/base' stands twice; rename one of them"}
    # Its status is the other one's.
    assert not store.write_invalid(found.invalid[0], {})


@st.composite
def objects(draw):
    kind = draw(st.sampled_from(["IAMLandscape", "LeastPrivilegeBaseline", "RemediationProposal"]))
    document = draw(st.sampled_from([RESOURCES[kind], *(c.document for c in WRONG if c.kind == kind)]))
    return {**document, "metadata": {"name": draw(st.sampled_from(["a", "b", "c.d", "Bad"]))}}


@given(st.lists(st.lists(objects(), max_size=3), max_size=3))
def test_nothing_is_lost(tmp_path_factory, groups):
    folder = tmp_path_factory.mktemp("x")
    store = FolderStore(folder, folder / "state")
    for index, group in enumerate(groups):
        put(store, f"{index}.yaml", *group)
    found = store.load()
    read = len(found.landscapes) + len(found.baselines) + len(found.proposals)
    every = [d for group in groups for d in group]
    # Two decisions about one proposal are one proposal.
    decided = [d["metadata"]["name"] for d in every if d["kind"] == "RemediationProposal" and _fine(d)]
    assert read + len(found.invalid) + len(decided) - len(set(decided)) == len(every)
    for invalid in found.invalid:
        assert invalid.messages
        store.write_invalid(invalid, {"conditions": []})
    again = store.load()  # the state lies among the inputs, and is none
    assert (again.invalid, again.landscapes.keys()) == (found.invalid, found.landscapes.keys())


def _fine(document):
    try:
        MODELS[document["kind"]].model_validate(document)
    except ValueError:
        return False
    return True


def test_generations_and_statuses_are_remembered(store):
    path = put(store, "a.yaml", BASE)
    for generation in (1, 1, 2, 2):
        if generation == 2:
            path.write_text(
                yaml.safe_dump({**BASE, "spec": {**BASE["spec"], "mode": "Report"}, "status": {"roles": 99}})
            )
        baseline = store.load().baselines["pay/base"]
        assert baseline.metadata.generation == generation
        found = conditions([], stalled("No", "none"), generation, NOW)
        status = BaselineStatus(roles=generation, conditions=found)
        store.write_status(baseline.model_copy(update={"status": status}))
        assert store.load().baselines["pay/base"].status == status
        assert not store.write_status(baseline.model_copy(update={"status": status}))
    # A change that is wrong is a change as well.
    path.write_text(yaml.safe_dump({**BASE, "spec": {}}))
    for _ in range(2):
        (invalid,) = store.load().invalid
        store.write_invalid(invalid, {"conditions": []})
        written = yaml.safe_load((store.state / "status/leastprivilegebaselines/pay/base.yaml").read_text())
        assert written["metadata"] == {"name": "base", "generation": 3, "namespace": "pay"}


def test_a_second_writing_writes_nothing(store):
    line = Line(used={"app": [READ]})
    status = line.new_status()
    for expected in (True, False):
        assert store.write_status(line.baseline.model_copy(update={"status": status})) is expected
        for proposed in line.proposed():
            assert store.write_proposal(proposed.proposal) is expected
            for digest, text in proposed.documents.items():
                assert store.write_document(digest, text) is expected
        assert store.write_metrics("x 1\n") is expected
    assert store.written == 4
    assert stat.S_IMODE((store.state / "metrics.prom").stat().st_mode) == 0o644


def test_proposals_come_back_as_they_were_with_the_decisions_of_people(store):
    proposal = Line().proposed()[0].proposal
    store.write_proposal(proposal)
    name = proposal.metadata.name
    assert store.load().proposals[f"pay/{name}"] == proposal
    decision = {"state": "Rejected", "planDigest": proposal.status.plan_digest, "by": "someone", "reason": "needed"}
    spec = {"baselineRef": {"name": "other"}, "roleArn": "arn:aws:iam::999999999999:role/x", "decision": decision}
    put(
        store,
        "d.yaml",
        {**PROPOSAL, "metadata": {"name": name, "namespace": "pay"}, "spec": spec, "status": {"planDigest": "x"}},
    )
    read = store.load().proposals[f"pay/{name}"]
    assert read.spec.decision.reason == "needed"
    # Only the decision is people's.
    assert (read.spec.role_arn, read.spec.baseline_ref.name) == (proposal.spec.role_arn, "base")
    assert read.status == proposal.status
    # A decision outlives a lost state folder.
    (store.state / "proposals/pay" / f"{name}.yaml").unlink()
    alone = store.load().proposals[f"pay/{name}"]
    assert (alone.spec.decision, alone.status) == (read.spec.decision, None)


@pytest.mark.parametrize("damage", ["", "{", "[]", "a: 1\n---\nb: 2\n", b"\xff", "spec: 3\n", "{}"])
def test_a_damaged_state_is_told_kept_and_stops_nothing(store, damage):
    put(store, "a.yaml", BASE)
    proposed = Line().proposed()[0].proposal
    other = proposed.model_copy(update={"metadata": proposed.metadata.model_copy(update={"name": "other"})})
    for proposal in (proposed, other):
        store.write_proposal(proposal)
    store.write_status(store.load().baselines["pay/base"].model_copy(update={"status": BaselineStatus(roles=3)}))
    data = damage if isinstance(damage, bytes) else damage.encode()
    status = store.state / "status/leastprivilegebaselines/pay/base.yaml"
    broken = store.state / f"proposals/pay/{proposed.metadata.name}.yaml"
    for path in (status, broken):
        path.write_bytes(data)
    found = store.load()
    assert list(found.proposals) == ["pay/other"]
    assert found.baselines["pay/base"].status is None
    said = {i.where: i for i in found.invalid}
    wanted = {str(broken.relative_to(store.state))}
    if damage not in ("{}", "spec: 3\n"):  # an object without a status is what a first pass finds
        wanted.add(str(status.relative_to(store.state)))
    assert set(said) == wanted
    for invalid in said.values():
        assert all("it is written anew, and the damaged one kept beside it" in m for m in invalid.messages)
        assert not store.write_invalid(invalid, {})
    store.write_proposal(proposed)
    store.write_status(found.baselines["pay/base"].model_copy(update={"status": BaselineStatus(roles=4)}))
    assert store.load().invalid == ()
    assert broken.with_name(f"{broken.name}.damaged").read_bytes() == data


def test_a_status_that_no_version_understands_is_told_and_the_decision_kept(store):
    proposal = Line().proposed()[0].proposal
    decision = {"state": "Rejected", "plan_digest": DIGEST, "by": "someone"}
    decided = RemediationProposal.model_validate(
        proposal.model_dump() | {"spec": proposal.spec.model_dump() | {"decision": decision}}
    )
    store.write_proposal(decided)
    path = store.state / f"proposals/pay/{proposal.metadata.name}.yaml"
    path.write_text(path.read_text().replace("removedActions: 2", "removedActions: many", 1))
    found = store.load()
    assert "status.removedActions: 'many' is not valid" in found.invalid[0].messages[0]
    (kept,) = found.proposals.values()
    assert (kept.spec.decision.by, kept.status) == ("someone", None)
    put(store, "a.yaml", BASE)
    store.write_status(found_baseline(store).model_copy(update={"status": BaselineStatus(roles=3)}))
    path = store.state / "status/leastprivilegebaselines/pay/base.yaml"
    path.write_text(path.read_text().replace("roles: 3", "roles: three"))
    assert found_baseline(store).status is None
    assert any("status.roles: 'three' is not valid" in m for i in store.load().invalid for m in i.messages)


def found_baseline(store):
    return store.load().baselines["pay/base"]


def test_hidden_files_and_mounted_config_maps_are_read_once(store):
    real = store.inputs / "..2026_06_30"
    put(store, "..2026_06_30/a.yaml", BASE)
    put(store, ".git/b.yaml", BASE)
    (store.inputs / "..data").symlink_to(real)
    (store.inputs / "a.yaml").symlink_to(Path("..data") / "a.yaml")
    assert list(store.load().baselines) == ["pay/base"]
    assert store.load().invalid == ()


@given(st.recursive(st.text() | st.integers() | st.booleans() | st.none(), lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(), c, max_size=3), max_leaves=6))  # fmt: skip
def test_what_is_written_is_what_is_read(value):
    assert manifests.read_all(manifests.write({"x": value})) == [{"x": value}]


def test_times_stay_texts():
    assert manifests.read_all("a: 2026-02-30\nb: 2026-01-01T00:00:00Z\n") == [
        {"a": "2026-02-30", "b": "2026-01-01T00:00:00Z"}
    ]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(store, monkeypatch):
    store.write_metrics("old\n")

    def full(*_):
        raise OSError(28, "No space left on device")

    for name in ("fsync", "fchmod"):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, full)
            with pytest.raises(OSError, match="No space"):
                store.write_metrics("new\n")
        assert files(store.state) == {"metrics.prom": b"old\n"}


def test_files_are_replaced_and_never_written_into(store):
    store.write_metrics("old\n")
    with (store.state / "metrics.prom").open() as reader:
        store.write_metrics("new\n")
        assert reader.read() == "old\n"
    assert files(store.state) == {"metrics.prom": b"new\n"}


def test_killed_at_any_moment_files_are_whole(store):
    """A process that writes without end is killed; every file is one of the two that were written."""
    program = textwrap.dedent(f"""
        from pathlib import Path
        from plumbline.reconcile.folder import FolderStore
        store = FolderStore(Path({str(store.inputs)!r}), Path({str(store.state)!r}))
        store.write_metrics("0" * 200_000)
        print("ready", flush=True)
        for turn in range(10**9):
            for name in "abc":
                store.write_document(name, str(turn % 2) * 200_000)
    """)
    for pause in (0.02, 0.06):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for path in store.state.glob("documents/*.json"):
            assert path.read_text() in ("0" * 200_000, "1" * 200_000)
    assert FolderStore(store.inputs, store.state).write_document("a", "x")
