"""What a Kubernetes API server does with a custom resource, as far as our CRDs use it: defaults, OpenAPI, CEL.

Only the CEL that the CRDs use is understood; anything else raises. The tests of the real API server use the same tables.
"""

import copy
import re
from datetime import date, datetime
from functools import cache

from jsonschema import Draft202012Validator, FormatChecker

from plumbline.api.crds import KINDS, crd

MODELS = {kind.model.__name__: kind.model for kind in KINDS}
SCHEMAS = {
    kind.model.__name__: crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] for kind in KINDS
}
formats = FormatChecker(formats=())
formats.checks("date", raises=ValueError)(lambda v: not isinstance(v, str) or bool(date.fromisoformat(v)))
formats.checks("date-time", raises=ValueError)(lambda v: not isinstance(v, str) or bool(datetime.fromisoformat(v)))


def refusals(kind, document, old=None):
    """The messages with which the API server would refuse the document's spec and status; empty when it takes it."""
    found = []
    for part in ("spec", "status"):
        if part in document:
            schema = SCHEMAS[kind][part]
            value = defaulted(schema, document[part])
            errors = _validator(kind, part).iter_errors(value)
            found += [f"{part}{''.join(f'.{p}' for p in e.absolute_path)}: {e.message}" for e in errors]
            found += _lists(schema, value, part) + _rules(schema, value, (old or {}).get(part), part)
    return found


@cache
def _validator(kind, part):
    return Draft202012Validator(_json_schema(SCHEMAS[kind][part]), format_checker=formats)


def defaulted(schema, value):
    """Nulls of what is not nullable pruned, then defaults filled in, as structural defaulting does."""
    if isinstance(value, dict) and "properties" in schema:
        result = {}
        for key, member in value.items():
            inner = schema["properties"].get(key, {})
            if member is not None or inner.get("nullable"):
                result[key] = defaulted(inner, member)
        for key, inner in schema["properties"].items():
            if key not in result and "default" in inner:
                result[key] = defaulted(inner, copy.deepcopy(inner["default"]))
        return result
    if isinstance(value, list) and "items" in schema:
        return [defaulted(schema["items"], item) for item in value]
    return value


def _json_schema(schema):
    """OpenAPI 3.0 as JSON Schema."""
    result = {
        key: value for key, value in schema.items() if not key.startswith("x-") and key not in ("nullable", "default")
    }
    if "pattern" in result:
        # In Python `$` also stands before a closing line break, in Kubernetes only at the end.
        result["pattern"] = re.sub(r"\$$", r"\\Z", result["pattern"])
    for bound in ("Minimum", "Maximum"):
        if result.pop(f"exclusive{bound}", False):
            result[f"exclusive{bound}"] = result.pop(bound.lower())
    for key in ("items", "additionalProperties"):
        if key in result:
            result[key] = _json_schema(result[key])
    if "properties" in result:
        result["properties"] = {key: _json_schema(value) for key, value in result["properties"].items()}
    return {"anyOf": [result, {"type": "null"}]} if schema.get("nullable") else result


def _children(schema, value, path):
    if isinstance(value, dict):
        for key, member in value.items():
            inner = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
            if inner:
                yield key, inner, member, f"{path}.{key}"
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield index, schema["items"], item, f"{path}[{index}]"


def _lists(schema, value, path):
    found = []
    if schema.get("x-kubernetes-list-type") == "map" and isinstance(value, list):
        keys = [tuple(item.get(k) for k in schema["x-kubernetes-list-map-keys"]) for item in value]
        found += [f"{path}[{i}]: Duplicate value" for i, key in enumerate(keys) if key in keys[:i]]
    for _, inner, member, where in _children(schema, value, path):
        found += _lists(inner, member, where)
    return found


def _rules(schema, value, old, path):
    found = []
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" in rule["rule"] and old is None:
            continue
        if not _holds(rule["rule"], value, old):
            found.append(f"{path}: {rule['message']}")
    for key, inner, member, where in _children(schema, value, path):
        before = old.get(key) if isinstance(old, dict) else None
        found += _rules(inner, member, before, where)
    return found


class _Text(str):
    __slots__ = ()

    def matches(self, pattern):
        return re.search(pattern, self) is not None

    def contains(self, part):
        return part in self


class _Object(dict):
    __getattr__ = dict.__getitem__


def _cel(value):
    if isinstance(value, dict):
        return _Object({_Text(key): _cel(member) for key, member in value.items()})
    if isinstance(value, list):
        return [_cel(item) for item in value]
    return _Text(value) if isinstance(value, str) else value


def _holds(rule, value, old):
    python = re.sub(r"has\(self\.(\w+)\)", r"('\1' in self)", rule)
    exists = r"(self\.\w+)\.exists\((\w), (self\.\w+)\.exists\((\w), ([^()]+)\)\)"
    python = re.sub(exists, r"some(\5 for \2 in \1 for \4 in \3)", python)
    python = re.sub(r"self\.all\((\w+), (.+?\))\)", r"every(\2 for \1 in self)", python)
    python = python.replace("&&", " and ").replace("||", " or ")
    python = re.sub(r"!(?!=)", " not ", python).strip()
    try:
        names = {"self": _cel(value), "oldSelf": _cel(old), "size": len, "some": any, "every": all}
        return eval(python, {"__builtins__": {}, **names})
    except (KeyError, TypeError, AttributeError):
        return True  # the schema has refused the value already
