"""Writes the CustomResourceDefinitions in crds/ from the models.

Knows how a JSON Schema becomes a Kubernetes structural schema. `python -m plumbline.api.crds DIR` writes the files,
`--check DIR` fails where they differ.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from plumbline.api.analyzers import NO_ACCOUNT, NO_KIND
from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.common import GROUP, VERSION
from plumbline.api.escalation import ACTION_PATTERN, ACTIONS, KEYS, NOT_PASSING, PASSING
from plumbline.api.landscape import IAMLandscape
from plumbline.api.proposal import RemediationProposal
from plumbline.api.report import RoleAccessReport
from plumbline.api.sources import RESERVED_SOURCES

Column = tuple[str, str, str, int]
Rule = tuple[str, str, str]  # path below spec, CEL, message


@dataclass(frozen=True)
class Kind:
    model: type[BaseModel]
    plural: str
    short: str
    namespaced: bool
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    selectable: tuple[str, ...] = ()


def _condition(kind: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].status'


def _longer_than_zero(path: str) -> Rule:
    return path, "self.matches('[1-9]')", "must be longer than zero, such as 1h"


_ANY_TARGET = " || ".join(
    f"(has(self.{name}) && size(self.{name}) > 0)"
    for name in ("arns", "serviceAccounts", "names", "paths", "accounts", "organizationalUnits")
)
_ANY_TARGET_MESSAGE = (
    "targets must name roles by arns or serviceAccounts, or select them by names, paths, accounts or "
    "organizationalUnits; tags only narrow these"
)

# Lists that are maps by name keep their own names apart.
_NAMES_DIFFER = " && ".join(
    f"(!has(self.{one}) || !has(self.{other}) || !self.{one}.exists(a, self.{other}.exists(b, a.name == b.name)))"
    for one, other in combinations(("cloudTrailLogs", "cloudTrailLake", "athena", "trino"), 2)
)

_IS_PASSING = "self.kind in ['new-passrole', 'existing-passrole']"
_NO_SERVICE = " && ".join(f"(!has(self.{name}) || size(self.{name}) == 0)" for name in ("service", "trusts"))

KINDS = (
    Kind(
        IAMLandscape,
        "iamlandscapes",
        "iaml",
        namespaced=False,
        columns=(
            ("Ready", "string", _condition("Ready"), 0),
            ("Accounts", "integer", ".status.accounts", 0),
            ("Reachable", "integer", ".status.accountsReachable", 0),
            ("Roles", "integer", ".status.roles", 0),
            ("Evidence", "string", _condition("EvidenceComplete"), 0),
            ("Age", "date", ".metadata.creationTimestamp", 0),
        ),
        rules=(
            (
                "accounts",
                "has(self.organization) || (has(self.ids) && size(self.ids) > 0)",
                "accounts must name an organization or ids; without either there is nothing to see",
            ),
            (
                "evidence.cloudTrailLogs[]",
                "has(self.s3) != has(self.folder)",
                "cloudTrailLogs must have exactly one of s3 and folder",
            ),
            (
                "evidence.cloudTrailLogs[]",
                "!has(self.assumeComplete) || size(self.assumeComplete) == 0 || has(self.folder)",
                "assumeComplete is for a folder, because a bucket is proven complete by digests and selectors; remove it",
            ),
            (
                "evidence.cloudTrailLogs[]",
                f"!(self.name in [{', '.join(repr(name) for name in RESERVED_SOURCES)}])",
                "the name is taken by another source; give the logs another, such as cloudtrail-logs",
            ),
            *(
                (
                    f"evidence.{field}[]",
                    f"!(self.name in [{', '.join(repr(name) for name in RESERVED_SOURCES)}])",
                    "the name is taken by another source; give this one another, such as athena",
                )
                for field in ("cloudTrailLake", "athena", "trino")
            ),
            (
                "evidence.athena[]",
                "has(self.table) != has(self.createTable)",
                "athena must have exactly one of table and createTable",
            ),
            (
                "evidence.trino[]",
                "!has(self.passwordFile) || !has(self.tokenFile)",
                "trino must have at most one of passwordFile and tokenFile",
            ),
            (
                "evidence.trino[]",
                "(!has(self.passwordFile) && !has(self.tokenFile)) || self.url.matches('^https://')",
                "a password or token must go over https; correct url, or leave out the file",
            ),
            (
                "evidence.trino[]",
                "!has(self.trailArn) || has(self.s3)",
                "trailArn must have s3 beside it, because the digest files there prove what was logged; add s3",
            ),
            (
                "evidence",
                _NAMES_DIFFER,
                "each of cloudTrailLogs, cloudTrailLake, athena and trino must have a name of its own; set name",
            ),
            ("analyzers", "has(self.externalAccess) || has(self.unusedAccess)", NO_KIND),
            *(
                (
                    "analyzers",
                    f"has(self.account) || !has(self.{kind}) || self.{kind}.scope != 'organization'",
                    NO_ACCOUNT,
                )
                for kind in ("externalAccess", "unusedAccess")
            ),
            (
                "escalationWays[]",
                f"!({_IS_PASSING}) || (has(self.service) && size(self.service) > 0 && !has(self.target) && !has(self.gains))",
                PASSING,
            ),
            (
                "escalationWays[]",
                f"{_IS_PASSING} || (has(self.target) && has(self.gains) && {_NO_SERVICE})",
                NOT_PASSING,
            ),
            (
                "escalationWays[].needs",
                f"size(self) > 0 && self.all(action, action.matches('{ACTION_PATTERN}'))",
                ACTIONS,
            ),
            ("escalationWays[].context", "self.all(key, key.contains(':'))", KEYS),
            _longer_than_zero("evidence.lastAccessed.refreshInterval"),
            _longer_than_zero("memory"),
            _longer_than_zero("review.dueWithin"),
            _longer_than_zero("interval"),
        ),
    ),
    Kind(
        LeastPrivilegeBaseline,
        "leastprivilegebaselines",
        "lpb",
        namespaced=True,
        columns=(
            ("Ready", "string", _condition("Ready"), 0),
            ("Compliant", "string", _condition("Compliant"), 0),
            ("Roles", "integer", ".status.roles", 0),
            ("OutOfLine", "integer", ".status.rolesOutOfLine", 0),
            ("Unused", "integer", ".status.counts.unused", 0),
            ("Undetermined", "integer", ".status.counts.undetermined", 1),
            ("Evidence", "string", _condition("EvidenceComplete"), 0),
            ("Mode", "string", ".spec.mode", 1),
            ("Age", "date", ".metadata.creationTimestamp", 0),
        ),
        rules=(
            (
                "",
                "self.environment in ['production', 'development'] || has(self.lookback)",
                "environment must be production or development, or lookback must be set, such as 60d",
            ),
            (
                "targets",
                _ANY_TARGET,
                _ANY_TARGET_MESSAGE,
            ),
            (
                "pool",
                "(self.by == 'tag') == (has(self.tag) && self.tag != '')",
                "pool must name a tag with by: tag, and none with by: policy; set or remove tag",
            ),
            _longer_than_zero("interval"),
        ),
        selectable=(".spec.suspend", ".spec.landscapeRef.name"),
    ),
    Kind(
        RemediationProposal,
        "remediationproposals",
        "rp",
        namespaced=True,
        columns=(
            ("Validated", "string", _condition("Validated"), 0),
            ("Approved", "string", _condition("Approved"), 0),
            ("Superseded", "string", _condition("Superseded"), 0),
            ("Removes", "integer", ".status.removedActions", 0),
            ("Role", "string", ".spec.roleArn", 0),
            ("Owner", "string", ".status.owner", 1),
            ("Age", "date", ".metadata.creationTimestamp", 0),
        ),
        rules=(
            ("roleArn", "self == oldSelf", "roleArn must not change; a proposal is for one role"),
            ("baselineRef", "self == oldSelf", "baselineRef must not change; a proposal belongs to one baseline"),
        ),
        selectable=(".spec.baselineRef.name", ".spec.roleArn"),
    ),
    Kind(
        RoleAccessReport,
        "roleaccessreports",
        "rar",
        namespaced=True,
        columns=(
            ("Role", "string", ".spec.roleArn", 0),
            ("Unused", "integer", ".status.summary.unused", 0),
            ("Reduction", "number", ".status.summary.reductionPercentage", 0),
            ("Drift", "integer", ".status.summary.grantDriftCount", 0),
            ("Age", "date", ".metadata.creationTimestamp", 0),
        ),
        rules=(("roleArn", "self == oldSelf", "roleArn must not change; a report is about one role"),),
        selectable=(".spec.baselineRef.name",),
    ),
)


def crd(kind: Kind) -> dict[str, Any]:
    schema = kind.model.model_json_schema(by_alias=True)
    properties = schema["properties"]
    definitions = schema.get("$defs", {})
    spec = _structural(properties["spec"], definitions)
    status = _structural(properties["status"], definitions)
    status.pop("default", None)
    for path, rule, message in kind.rules:
        _at(spec, path).setdefault("x-kubernetes-validations", []).append({"rule": rule, "message": message})
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            {"name": name, "type": type_, "jsonPath": path} | ({"priority": priority} if priority else {})
            for name, type_, path, priority in kind.columns
        ],
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": _text(kind.model.__doc__ or "") or kind.model.__name__,
                "required": ["spec"],
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": spec,
                    "status": status,
                },
            }
        },
        "subresources": {"status": {}},
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    name = kind.model.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": name,
                "listKind": f"{name}List",
                "plural": kind.plural,
                "singular": name.lower(),
                "shortNames": [kind.short],
                "categories": ["plumbline"],
            },
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
    }


_KEEP = (
    "type", "nullable", "format", "pattern", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "maxProperties", "default", "description", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
)  # fmt: skip


def _structural(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The structural form: references inlined, `null` dropped, only what Kubernetes knows kept."""
    node = _resolve(node, definitions)
    result = {key: node[key] for key in _KEEP if key in node}
    if "description" in result:
        result["description"] = _text(result["description"])
    if "const" in node:
        result["enum"] = [node["const"]]
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in node:
            result[bound.lower()] = node[f"exclusive{bound}"]
            result[f"exclusive{bound}"] = True
    if "items" in node:
        result["items"] = _structural(node["items"], definitions)
        if node["items"].get("$ref", "").endswith("/Condition"):
            result |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    if isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    if "properties" in node:
        result["properties"] = {k: _structural(v, definitions) for k, v in node["properties"].items()}
        if node.get("required"):
            result["required"] = sorted(node["required"])
    if result.get("default") is None:
        result.pop("default", None)
    else:
        result["default"] = _default(result)
    return result


def _default(schema: dict[str, Any]) -> Any:
    """What Kubernetes fills in. It refuses null, and fills in the members of an object by itself."""
    default = schema["default"]
    if not isinstance(default, dict):
        return default
    members = schema.get("properties", {})
    given = {key: value for key, value in default.items() if value is not None}
    return {key: value for key, value in given.items() if members.get(key, {}).get("default") != value}


def _resolve(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    outer = {k: v for k, v in node.items() if k not in ("$ref", "anyOf", "allOf")}
    if "$ref" in node:
        return _resolve(definitions[node["$ref"].rsplit("/", 1)[1]], definitions) | outer
    if "anyOf" in node:
        options = [option for option in node["anyOf"] if option.get("type") != "null"]
        if len(options) == 1:
            # Absent and null differ only where absent means something else than null.
            optional = len(node["anyOf"]) > 1 and node.get("default") is not None
            return _resolve(options[0], definitions) | outer | ({"nullable": True} if optional else {})
        raise TypeError(f"a structural schema has no unions: {node}")
    return node


def _text(text: str) -> str:
    return " ".join(text.split())


def _at(spec: dict[str, Any], path: str) -> dict[str, Any]:
    node = spec
    for part in path.split(".") if path else ():
        name = part.removesuffix("[]")
        node = node["properties"][name]
        if part.endswith("[]"):
            node = node["items"]
    return node


@cache
def render() -> dict[str, str]:
    """File name -> YAML of each CRD."""
    head = "# Generated from controller/plumbline/api by `make crds`; do not edit.\n"
    return {
        f"{GROUP}_{kind.plural}.yaml": head + yaml.safe_dump(crd(kind), sort_keys=False, width=120) for kind in KINDS
    }


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    folder = Path(next((a for a in arguments if not a.startswith("--")), "crds"))
    stale = []
    for name, text in render().items():
        path = folder / name
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(str(path))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `make crds` and commit the result\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
