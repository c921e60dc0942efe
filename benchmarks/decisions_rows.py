"""The rows of decisions on concrete requests. Knows what to run and what the answers must agree in.

First the answers: with iam-simulate, apart from the documented kinds of difference, and with the slow evaluator of the
tests. Figures of what does not agree are not printed.
"""

from functools import partial
from pathlib import Path

from benchmarks import installed
from benchmarks.child import ROOT, Measured, measure, measure_command
from benchmarks.rows import Rows, interleaved, least, target

OWN, MOTO = "benchmarks.decisions", "benchmarks.decisions_peers"
AGREEMENT = 0.999
_NODE = str(ROOT / "benchmarks" / "iam_simulate.mjs")
_SLOW = 10  # every so many requests go to the slow evaluator
_MOTO = 20


def decisions(rows: Rows, work: Path, requests: int = 10_000) -> None:
    roles = max(requests // 10, 1)
    given, own = str(work / "requests.json"), str(work / "decided.json")
    facts = measure(OWN, "draw", given, str(roles), str(requests)).facts
    print(f"{requests:,} requests, twice, of {roles:,} roles with {facts['documents']:,} managed policies", flush=True)
    packages, problem = installed.node()
    if packages is None:
        print(f"iam-simulate is not measured: {problem}", flush=True)
    if not _agree(given, own, work, packages):
        print("decisions are not measured, because the answers do not agree", flush=True)
        return
    parts = ("cold", "warm", "again")
    commands = {part: partial(measure, OWN, "decide", given, part, own) for part in parts}
    commands["moto"] = partial(measure, MOTO, "moto", given, str(_MOTO))
    if packages is not None:
        commands["unsafe"] = partial(_simulate, packages, given, str(work / "unsafe.json"), "unsafe")
    found = interleaved(commands)
    titles = ("policies are new", "other requests to the same policies", "the same requests again")
    for part, title in zip(parts, titles, strict=True):
        best = rows.add(f"decisions, {title}", found[part])
        rows.note(f"{best.facts['requests'] / least(found[part]):,.0f} requests/s of CPU")
    per_request = least(found["warm"]) / requests
    for peer, wanted, title in (
        ("unsafe", 20, "iam-simulate, its unchecked form"),
        ("moto", 100, "moto, identity policies only"),
    ):
        if peer in found:
            best = rows.add(f"  peer: {title}", found[peer])
            each = least(found[peer]) / best.facts["requests"]
            rate = f"{1 / each:,.0f} requests/s of CPU; {best.facts['requests']:,} requests"
            rows.note(f"{rate}; the second row is faster {target(each / per_request, wanted)}")


def _agree(given: str, own: str, work: Path, packages: Path | None) -> bool:
    measure(OWN, "decide", given, "warm", own)
    slow = measure(OWN, "slow", given, own, str(_SLOW)).facts
    print("slow evaluator of the tests: {equal:,} of {requests:,} answers alike".format(**slow), flush=True)
    good: bool = slow["equal"] == slow["requests"]
    for mode in ("unsafe", "validated") if packages is not None else ():
        answer = str(work / f"{mode}.json")
        _simulate(packages, given, answer, mode)
        facts = measure("benchmarks.agreement", "compare", given, own, answer).facts
        kinds = "; ".join(f"{count:,} x {kind}" for kind, count in sorted(facts["kinds"].items()))
        refused = f", {facts['refused']:,} refused" if facts["refused"] else ""
        print(
            f"iam-simulate, {mode}: {facts['equal']:,} answers alike{refused}; different: {kinds}; outside the "
            f"documented kinds {facts['agreement']:.4%} agree",
            flush=True,
        )
        good = good and facts["agreement"] >= AGREEMENT
    return good


def _simulate(packages: Path | None, given: str, answer: str, mode: str) -> Measured:
    begin = ["node", _NODE]
    return measure_command("iam-simulate", begin, [str(packages), given, answer, mode])
