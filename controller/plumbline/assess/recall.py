"""What was found the last time, and on what it rested: where that is the same, nothing is found anew.

Knows what is equal; must not know what is found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from plumbline.assess.graph import closure

Found = TypeVar("Found")
Basis = TypeVar("Basis")


class Recalled(Generic[Found]):
    """Findings of one kind, by key. `anew`: how many were found and not recalled, ever."""

    def __init__(self) -> None:
        self._before: dict[Hashable, tuple[object, Found]] = {}
        self._now: dict[Hashable, tuple[object, Found]] = {}
        self.anew = 0

    def of(self, key: Hashable, basis: object, find: Callable[[], Found]) -> Found:
        """What `find` finds, which must rest on nothing but the key and the basis. One object as long as it is equal, so
        that what rests on it in turn is soon compared."""
        kept = self._now.get(key) or self._before.pop(key, None)
        if kept is not None and kept[0] == basis:
            found = kept[1]
        else:
            found = find()
            self.anew += 1
            if kept is not None and kept[1] == found:
                found = kept[1]
        # The basis of now: that of before may be equal, and hold everything else that was collected with it.
        self._now[key] = basis, found
        return found

    def forget(self) -> None:
        """What was not asked for since the last time that this was called."""
        self._before, self._now = self._now, {}


class Parted(Generic[Found]):
    """Findings of one kind by account, and there by key. Where the bases of a whole account are the same, which is soon
    told, none of its keys is looked at. `anew`: how many were found and not recalled, ever."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[Mapping[str, object], Mapping[str, Found]]] = {}
        self._now: dict[str, tuple[Mapping[str, object], Mapping[str, Found]]] = {}
        self.anew = 0

    def of(self, account: str, bases: Mapping[str, Basis], find: Callable[[Basis], Found]) -> Mapping[str, Found]:
        """What `find` finds for each key, which must rest on nothing but its basis; each one object as long as it is
        equal."""
        then, kept = self._now.get(account) or self._before.pop(account, None) or ({}, {})
        found = kept
        if then != bases:
            found = {
                key: kept[key] if key in kept and then[key] == basis else self._found(find, basis, kept.get(key))
                for key, basis in bases.items()
            }
        self._now[account] = bases, found
        return found

    def _found(self, find: Callable[[Basis], Found], basis: Basis, kept: Found | None) -> Found:
        self.anew += 1
        found = find(basis)
        return kept if kept is not None and kept == found else found

    def forget(self) -> None:
        """The accounts that were not asked for since the last time that this was called."""
        self._before, self._now = self._now, {}


Linked = Callable[[str], Iterable[str]]


class Traced(Generic[Found]):
    """Findings of one kind about the nodes of a graph, of which each rests on its own basis and on those of all that it
    leads to. `anew`: how many were found and not recalled, ever."""

    def __init__(self) -> None:
        self._shared: object = None
        self._bases: Mapping[str, object] = {}
        self._found: Mapping[str, Found] = {}
        self.anew = 0

    def of(
        self,
        shared: object,
        bases: Mapping[str, object],
        following: Linked,
        preceding: Linked,
        find: Callable[[Collection[str]], Mapping[str, Found]],
    ) -> Mapping[str, Found]:
        """What `find` finds of nodes. It is given some with all that they lead to, and of these it finds the same as of all.
        `bases`: of each node, which says also to what it leads; `shared`: the basis of all. `following`, `preceding`: to
        what a node leads, and what leads to it."""
        kept = self._bases if self._shared == shared else {}
        changed = [node for node, basis in bases.items() if node not in kept or kept[node] != basis]
        concerned = closure(changed, preceding)
        found = find(closure(concerned, following)) if concerned else {}
        self.anew += len(concerned)
        self._shared, self._bases = shared, bases
        self._found = {
            node: one for node in bases if (one := (found if node in concerned else self._found).get(node)) is not None
        }
        return self._found

    def forget(self) -> None:
        """Nothing: what is gone is no node any more."""
