"""The IAM engine over all AWS managed policies: `python -m benchmarks.engine NAME RESULT ...`.

Each station is timed with cold caches, and checked outside of the timed section. What peers answered is compared over
the peer's own names, so that a difference is not one of data.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.timer import Timer, run
from plumbline.iam.catalogue import Catalogue, catalogue
from plumbline.iam.minimise import shrink

Result = tuple[Timer, Mapping[str, Any]]
# Of so many managed policies one is minimised by a peer that takes about a second for each.
_SAMPLE = 113


def policies(to: str) -> Result:
    """The policies as files for all: for each one the Actions of its statements."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    found, left_out = [], 0
    for data in json.loads(aws_managed_policies_data).values():
        statements = data["Document"]["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        lists = [_list(s["Action"]) for s in statements if "Action" in s]
        left_out += len(statements) - len(lists)
        found.append(lists)
    Path(to).write_text(json.dumps(found))
    return Timer(), {"policies": len(found), "notAction": left_out}


def load() -> Result:
    """The catalogue from its files."""
    with Timer() as timer:
        known = catalogue()
    return timer, {"actions": len(known.names)}


def expand(path: str) -> Result:
    """Every statement of every policy to the names of its actions, with a catalogue that is loaded."""
    documents = json.loads(Path(path).read_text())
    known = catalogue()
    with Timer() as timer:
        names = [known.names_of(known.expand_all(actions)) for lists in documents for actions in lists]
    return timer, {"policies": len(documents), "names": sum(map(len, names))}


def same(path: str, answer: str) -> Result:
    """How many statements a peer expanded to the same actions as the engine does with the peer's own names."""
    documents = json.loads(Path(path).read_text())
    said = json.loads(Path(answer).read_text())
    known = _of(said["known"])
    mine = [known.expand_all(actions) for lists in documents for actions in lists]
    theirs = [known.bits_of(names) for names in said["names"]]
    equal = sum(a == b for a, b in zip(mine, theirs, strict=True))
    return Timer(), {"statements": len(mine), "equal": equal, "names": sum(bits.bit_count() for bits in mine)}


def minimise(path: str) -> Result:
    """All policies, each from the names of its actions to patterns; every one must expand to the same names again."""
    documents = json.loads(Path(path).read_text())
    known = catalogue()
    kept = [known.expand_all(action for actions in lists for action in actions) for lists in documents]
    with Timer() as timer:
        found = [shrink(bits, allowed=("*",)) for bits in kept]
    _exact(known, kept, found)
    names = sum(bits.bit_count() for bits in kept)
    return timer, {"policies": len(found), "names": names, "patterns": sum(map(len, found))}


def sample(path: str, names: str, to: str) -> Result:
    """Some policies as sets of names, all of them among the names that a peer knows."""
    documents = json.loads(Path(path).read_text())[::_SAMPLE]
    known = _of(json.loads(Path(names).read_text())["known"])
    kept = [known.expand_all(action for actions in lists for action in actions) for lists in documents]
    Path(to).write_text(json.dumps([known.names_of(bits) for bits in kept if bits]))
    return Timer(), {"policies": len(kept), "names": sum(bits.bit_count() for bits in kept)}


def minimise_sample(chosen: str, names: str, answer: str) -> Result:
    """The sample, over the peer's names, and the number of patterns beside the peer's where that one is exact."""
    known = _of(json.loads(Path(names).read_text())["known"])
    kept = [known.bits_of(found) for found in json.loads(Path(chosen).read_text())]
    with Timer() as timer:
        found = [shrink(bits, allowed=("*",), known=known) for bits in kept]
    _exact(known, kept, found)
    facts = {"policies": len(kept), "patterns": sum(map(len, found)), "more": 0, "exact": 0}
    for bits, mine, theirs in zip(kept, found, json.loads(Path(answer).read_text()), strict=True):
        if known.expand_all(theirs) == bits:
            facts["exact"] += 1
            facts["more"] += len(mine) > len(theirs)
    return timer, facts


def _exact(known: Catalogue, kept: list[int], found: list[tuple[str, ...]]) -> None:
    if any(known.expand_all(patterns) != bits for bits, patterns in zip(kept, found, strict=True)):
        raise SystemExit("a minimised policy does not expand to the same actions again")


def _of(names: Iterable[str]) -> Catalogue:
    return Catalogue("peer", {name.lower(): (name, "") for name in names})


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


STATIONS = {
    "policies": policies,
    "load": load,
    "expand": expand,
    "same": same,
    "minimise": minimise,
    "sample": sample,
    "minimise sample": minimise_sample,
}

if __name__ == "__main__":
    run(STATIONS, *sys.argv[1:])
