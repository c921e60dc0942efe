"""The limit of open proposals over all baselines of a landscape, and rejections that outlive what they were written on."""

from datetime import timedelta

import pytest
import yaml

from sandbox import organization as org
from tests.line.inputs import development_baseline
from tests.line.passes import NOW, run_pass, texts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def write(account, name, roles, **spec):
    """A baseline over roles of the account, by name."""
    document = development_baseline()
    document["metadata"]["name"] = name
    document["spec"] |= {"targets": {"accounts": [org.DEVELOPMENT], "names": roles}} | spec
    (account.inputs / f"{name}.yaml").write_text(yaml.safe_dump(document))


def limit(account, number):
    path = account.inputs / "landscape.yaml"
    document = yaml.safe_load(path.read_text())
    document["spec"]["limits"] = {"openProposals": number}
    path.write_text(yaml.safe_dump(document))


def proposals(state):
    """Role name -> the proposal."""
    found = [yaml.safe_load(path.read_text()) for path in state.glob("proposals/*/*.yaml")]
    return {p["spec"]["roleArn"].rpartition("/")[2]: p for p in found}


def said(proposal):
    return {c["type"]: c["reason"] for c in proposal["status"]["conditions"]}


def counts(report):
    return {key: (one.status.open_proposals, one.status.waiting_proposals) for key, one in report.baselines.items()}


def test_the_worst_of_all_baselines_are_opened_and_stay(account, tmp_path):
    state = tmp_path / "state"
    (account.inputs / "baseline.yaml").unlink()
    write(account, "people", ["developer*"])
    write(account, "rest", ["*"])
    limit(account, 200)
    everything = run_pass(account.inputs, tmp_path / "all")
    assert sum(number for number, _ in counts(everything).values()) > 3
    worst = sorted(
        (-r.unused_privileged, -r.grant_drift_count, -r.unused, r.role_arn) for one in everything.baselines.values()
         for r in one.status.roles_reported if r.proposal
    )[:3]  # fmt: skip
    limit(account, 3)
    report = run_pass(account.inputs, state)
    assert {p["spec"]["roleArn"] for p in proposals(state).values()} == {arn for *_, arn in worst}
    assert sum(number for number, _ in counts(report).values()) == 3
    waiting = {key: number for key, (_, number) in counts(report).items() if number}
    assert sum(waiting.values()) == sum(number for number, _ in counts(everything).values()) - 3
    for key in waiting:
        found = {c.type: c for c in report.baselines[key].status.conditions}["ProposalsLimited"]
        assert (found.status, found.reason) == ("True", "LandscapeLimit")
    before = texts(state)
    assert run_pass(account.inputs, state, NOW + timedelta(minutes=5)).written == 0
    assert texts(state) == before
    # A lower limit closes none, a higher one opens the others.
    limit(account, 1)
    assert sum(number for number, _ in counts(run_pass(account.inputs, state)).values()) == 3
    limit(account, 200)
    run_pass(account.inputs, state)
    assert set(proposals(state)) == set(proposals(tmp_path / "all"))


def test_a_rejected_plan_stays_closed_when_baseline_and_proposal_are_made_again(account, tmp_path):
    state = tmp_path / "state"
    run_pass(account.inputs, state)
    name, proposal = min(proposals(state).items(), key=lambda item: item[0])
    decision = {"state": "Rejected", "planDigest": proposal["status"]["planDigest"], "by": "jane", "reason": "needed"}
    file = account.inputs / "decision.yaml"
    body = {key: proposal[key] for key in ("apiVersion", "kind", "metadata")}
    file.write_text(yaml.safe_dump({**body, "spec": proposal["spec"] | {"decision": decision}}))
    run_pass(account.inputs, state)
    assert said(proposals(state)[name])["Approved"] == "Rejected"
    baseline = account.inputs / "baseline.yaml"
    text = baseline.read_text()
    baseline.unlink()
    file.unlink()
    run_pass(account.inputs, state)
    for path in state.glob("proposals/*/*.yaml"):
        path.unlink()
    baseline.write_text(text)
    report = run_pass(account.inputs, state)
    again = proposals(state)
    assert {n for n, p in again.items() if said(p)["Approved"] == "RejectedBefore"} == {name}
    assert again[name]["status"]["planDigest"] == proposal["status"]["planDigest"]
    assert "decision" not in again[name]["spec"]
    assert counts(report)["platform/development"][0] == len(again) - 1
    before = texts(state)
    assert run_pass(account.inputs, state, NOW + timedelta(minutes=5)).written == 0
    assert texts(state) == before
