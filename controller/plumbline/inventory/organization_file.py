"""An organization from a file: accounts in their OUs, with the SCPs and RCPs of each level.

Knows the file's form, which docs/commands.md describes. What it does not say of an account or level is unknown, never
empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from plumbline.iam.documents import PolicyError, parse_identity, parse_resource
from plumbline.inventory.documents import canonical
from plumbline.json_files import JsonFileError, PlaceError, object_of, read_json
from plumbline.model.snapshot import Account, Organization, Principal

Levels = tuple[tuple[str, ...], ...]
_SCPS, _RCPS = "serviceControlPolicies", "resourceControlPolicies"
_ROOT = frozenset({"id", "managementAccount", "root"})
_UNIT = frozenset({"id", "name", _SCPS, _RCPS, "accounts", "organizationalUnits"})
_ACCOUNT = frozenset({"id", "name", "state", "regions", _SCPS, _RCPS})


def read_organization(path: Path) -> dict[str, Account]:
    """The accounts by id, sorted. Raises JsonFileError.

    A kind of policy that no level has is not in force; where some levels have it, the accounts below one that does not
    say are unknown.
    """
    try:
        return _accounts(read_json(path))
    except PlaceError as error:
        raise JsonFileError(f"{path}: {error}") from error


def with_unlisted(accounts: Mapping[str, Account], principals: Iterable[Principal]) -> dict[str, Account]:
    """Also the accounts of principals that the file does not have: of those everything is unknown."""
    unlisted = {p.account for p in principals} - set(accounts)
    return {**accounts, **{name: Account(name, scp_levels=None, rcp_levels=None) for name in sorted(unlisted)}}


def _accounts(data: Any) -> dict[str, Account]:
    """Raises PlaceError."""
    object_of(data, _ROOT, "$")
    if "root" not in data:
        raise PlaceError("$.root", "is missing; it holds the organization's root")
    management = str(data.get("managementAccount", ""))
    organization = Organization(_organization_id(data["id"]), complete=True) if "id" in data else None
    in_use = [kind for kind in (_SCPS, _RCPS) if _uses(data["root"], kind)]
    found: dict[str, Account] = {}
    for account in _below(data["root"], "$.root", (), dict.fromkeys(in_use, ()), management):
        if account.id in found:
            raise PlaceError("$.root", f"has account {account.id} twice")
        found[account.id] = replace(account, organization=organization)
    return dict(sorted(found.items()))


def _organization_id(given: Any) -> str:
    if not isinstance(given, str) or not given.startswith("o-"):
        raise PlaceError("$.id", f"is {given!r}, and no id of an organization, such as 'o-exampleorgid'")
    return given


def _uses(unit: Any, kind: str) -> bool:
    """Does any level have policies of this kind?"""
    if not isinstance(unit, dict):
        return False
    below = [unit.get(name) for name in ("accounts", "organizationalUnits")]
    return kind in unit or any(_uses(part, kind) for parts in below if isinstance(parts, list) for part in parts)


def _list(node: Mapping[str, Any], name: str, where: str) -> list[Any]:
    found = node.get(name, [])
    if not isinstance(found, list):
        raise PlaceError(f"{where}.{name}", "is no list")
    return found


def _below(
    unit: Any, where: str, path: tuple[str, ...], above: Mapping[str, Levels | None], management: str
) -> Iterator[Account]:
    """The accounts of an OU and of those below it. `above`: kind in force -> levels so far; None when unknown."""
    object_of(unit, _UNIT, where)
    here = (*path, str(unit.get("id", "")))
    levels = {kind: _with(known, unit, kind, where) for kind, known in above.items()}
    for at, raw in enumerate(_list(unit, "accounts", where)):
        place = f"{where}.accounts[{at}]"
        object_of(raw, _ACCOUNT, place)
        yield _account(raw, place, here, {k: _with(v, raw, k, place) for k, v in levels.items()}, management)
    for at, raw in enumerate(_list(unit, "organizationalUnits", where)):
        yield from _below(raw, f"{where}.organizationalUnits[{at}]", here, levels, management)


def _account(
    raw: Mapping[str, Any], where: str, path: tuple[str, ...], levels: Mapping[str, Levels | None], management: str
) -> Account:
    number = raw.get("id")
    if not isinstance(number, str) or len(number) != 12 or not number.isdecimal():
        raise PlaceError(f"{where}.id", f"is {number!r}, and no account id as text, such as '123456789012'")
    regions = raw.get("regions")
    if regions is not None and not (isinstance(regions, list) and all(isinstance(one, str) for one in regions)):
        raise PlaceError(f"{where}.regions", "is no list of Regions")
    return Account(
        id=number,
        name=str(raw.get("name", "")),
        state=str(raw.get("state", "ACTIVE")),
        ou_path=path,
        management=number == management,
        regions=None if regions is None else tuple(sorted(regions)),
        scp_levels=levels.get(_SCPS, ()),
        rcp_levels=levels.get(_RCPS, ()),
    )


def _with(above: Levels | None, node: Mapping[str, Any], kind: str, where: str) -> Levels | None:
    documents = enumerate(_list(node, kind, where))
    level = tuple(_document(raw, kind, f"{where}.{kind}[{at}]") for at, raw in documents)
    return None if above is None or kind not in node else (*above, level)


def _document(raw: Any, kind: str, where: str) -> str:
    text = canonical(raw)
    if text is None:
        raise PlaceError(where, "is no policy document")
    try:
        (parse_identity if kind == _SCPS else parse_resource)(text)
    except PolicyError as error:
        raise PlaceError(where, f"is no legal policy: {error}") from error
    return text
