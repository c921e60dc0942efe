"""The rows of the engine and its peers. Every figure stands behind a check of what was answered. Runs are interleaved and
compared by their CPU time, so that a busy machine decides nothing. Knows what to run, not how the engine or a peer works.
"""

from collections.abc import Callable
from pathlib import Path

from benchmarks import installed
from benchmarks.child import ROOT, Measured, measure, measure_command
from benchmarks.rows import RUNS, Rows, interleaved

ENGINE, PEERS = "benchmarks.engine", "benchmarks.engine_peers"
_NODE = str(ROOT / "benchmarks" / "iam_expand.mjs")


def engine(rows: Rows, work: Path) -> None:
    """Rows for the catalogue, for expanding and for minimising."""
    given = str(work / "policies.json")
    facts = measure(ENGINE, "policies", given).facts
    print("{policies} AWS managed policies; {notAction} statements with NotAction are left out".format(**facts))
    python, problem = installed.python()
    if python is None:
        print(f"policy_sentry and policyuniverse are not measured: {problem}", flush=True)
    packages, problem = installed.node()
    if packages is None:
        print(f"iam-expand is not measured: {problem}", flush=True)
    _expand(rows, work, given, python, packages)
    _minimise(rows, work, given, python)


def _expand(rows: Rows, work: Path, given: str, python: Path | None, packages: Path | None) -> None:
    def answer(peer: str) -> str:
        return str(work / f"{peer}.json")

    commands: dict[str, Callable[[], Measured]] = {
        "load": lambda: measure(ENGINE, "load"),
        "expand": lambda: measure(ENGINE, "expand", given),
    }
    if python is not None:
        for peer in ("policy_sentry", "policyuniverse"):
            commands[peer] = lambda peer=peer: measure(PEERS, peer, given, answer(peer), python=str(python))  # type: ignore[misc]
    if packages is not None:
        arguments = [str(packages), given, answer("iam-expand")]
        commands["iam-expand"] = lambda: measure_node(arguments)
    found = interleaved(commands)
    load = rows.add("catalogue, from its files", found.pop("load"))
    rows.note(f"{load.facts['actions']:,} actions")
    own = rows.add("expand managed policies to names, cold", found.pop("expand"))
    rows.note(f"{own.facts['policies']:,} policies, {own.facts['names']:,} names")
    for peer, runs in found.items():
        best = rows.add(f"  peer: {peer}", runs)
        mine = own.cpu + (load.cpu if peer == "iam-expand" else 0)
        check = measure(ENGINE, "same", given, answer(peer)).facts
        rows.note(
            f"{best.cpu / mine:.1f} x the CPU{' with the catalogue' if mine > own.cpu else ''}; over its own names "
            f"the engine answers {check['equal']:,} of {check['statements']:,} statements alike"
        )


def _minimise(rows: Rows, work: Path, given: str, python: Path | None) -> None:
    best = rows.add("minimise managed policies", [measure(ENGINE, "minimise", given) for _ in range(RUNS)])
    rows.note("{policies:,} policies of {names:,} names to {patterns:,} patterns, all exact".format(**best.facts))
    print("iam-shrink is not measured: it could not be installed when these rows were written", flush=True)
    if python is None:
        return
    names, chosen, answer = (str(work / f"{name}.json") for name in ("policyuniverse", "sample", "minimised"))
    facts = measure(ENGINE, "sample", given, names, chosen).facts
    found = interleaved(
        {
            "peer": lambda: measure(PEERS, "policyuniverse minimise", chosen, answer, python=str(python)),
            "own": lambda: measure(ENGINE, "minimise sample", chosen, names, answer),
        }
    )
    own = rows.add("minimise a sample of them, over policyuniverse's names", found["own"])
    rows.note(
        f"{own.facts['policies']} policies of {facts['names']:,} names to {own.facts['patterns']:,} patterns, all exact"
    )
    peer = rows.add("  peer: policyuniverse", found["peer"])
    rows.note(
        f"{peer.cpu / own.cpu:,.0f} x the CPU; {peer.facts['patterns']:,} patterns; exact for {own.facts['exact']}, "
        f"the engine has more patterns for {own.facts['more']} of those"
    )


def measure_node(arguments: list[str]) -> Measured:
    return measure_command("iam-expand", ["node", _NODE], arguments)
