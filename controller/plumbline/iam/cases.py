"""Cases of `plumbline simulate`: one request with its policies as JSON data, and the answer as JSON data.

Knows the fields of a case and their defaults; the decision is `authorize`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from plumbline.iam.authorize import Blocked, Hit, Layers, authorize, federated
from plumbline.iam.conditions import Context, Values, context_values
from plumbline.iam.documents import Document, PolicyError, canonical
from plumbline.iam.principals import Caller, caller
from plumbline.iam.statements import CompiledDocument, DocumentKind, Documents, Request, compiled

FIELDS = frozenset(
    {
        "principal",
        "action",
        "resource",
        "id",
        "name",
        "resourceAccount",
        "context",
        "contextComplete",
        "identityPolicies",
        "permissionsBoundaries",
        "sessionPolicies",
        "resourcePolicy",
        "vpcEndpointPolicies",
        "serviceControlPolicies",
        "resourceControlPolicies",
    }
)
_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9_.-]+")
_ACCOUNT = re.compile(r"\d{12}")
_AWS = "aws"  # the account of AWS managed policies, which are as good as in every account
_ALLOW_ALL = '{"Statement":{"Action":"*","Effect":"Allow","Resource":"*"},"Version":"2012-10-17"}'
_NOTHING = CompiledDocument(Document("2012-10-17", None, ()))


class CaseError(ValueError):
    """A case that cannot be answered. `path` is a JSON path into the case."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class Repeated(dict[str, Any]):
    """A JSON object in which a key occurs twice; json would keep only the last value."""

    key = ""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """`object_pairs_hook` for reading cases: an object with a repeated key stays recognizable."""
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    repeated = Repeated(pairs)
    names = [name for name, _ in pairs]
    repeated.key = next(n for n in names if names.count(n) > 1)
    return repeated


def answer(case: Any, index: int) -> dict[str, Any]:
    """The answer to one case as JSON data; a bad case is answered with its error."""
    result: dict[str, Any] = {
        "index": index,
        "id": case.get("id") if isinstance(case, dict) else None,
        "decision": "error",
        "decidedBy": [],
        "blockedBy": [],
        "missingContextKeys": [],
        "assumptions": [],
        "error": None,
    }
    try:
        request, layers, assumptions = read(case)
    except CaseError as error:
        result["error"] = {"path": error.path, "message": error.message}
        return result
    outcome = authorize(request, layers)
    result["decision"] = outcome.decision
    result["decidedBy"] = _statements(outcome.decided_by)
    blocked = _statements(outcome.decided_by) if outcome.decision == "explicitDeny" else _layers(outcome.blocked_by)
    result["blockedBy"] = blocked
    result["missingContextKeys"] = list(outcome.missing_keys)
    result["assumptions"] = sorted({*assumptions, *outcome.assumptions})
    return result


def read(case: Any) -> tuple[Request, Layers, list[str]]:
    """The request, its policies, and what was assumed. Raises CaseError."""
    if not isinstance(case, dict):
        raise CaseError("$", "must be an object")
    if isinstance(case, Repeated):
        raise CaseError(f"$.{case.key}", "occurs twice")
    assumptions = [f"the field {name!r} is not known and was passed over" for name in sorted(case.keys() - FIELDS)]
    action = _text(case, "action")
    if not _ACTION.fullmatch(action):
        raise CaseError("$.action", f"{action!r} must name one action, such as s3:GetObject")
    resource, principal = _text(case, "resource"), _text(case, "principal")
    try:
        who = caller(principal, federated=federated(action))
    except ValueError as error:
        raise CaseError("$.principal", str(error)) from None
    account = _resource_account(case, resource, who, assumptions)
    context = _context(case, who, account, assumptions)
    return Request(who, action.lower(), resource, account, context), _layers_of(case), assumptions


def _text(case: Mapping[str, Any], field: str) -> str:
    value = case.get(field)
    if not isinstance(value, str) or not value:
        raise CaseError(f"$.{field}", "is missing" if value is None else "must be a text that is not empty")
    return value


def _resource_account(case: Mapping[str, Any], resource: str, who: Caller, assumptions: list[str]) -> str | None:
    given = case.get("resourceAccount")
    if given is not None and given != _AWS:
        if not isinstance(given, str) or not _ACCOUNT.fullmatch(given):
            shown = f"{given!r} " if isinstance(given, str) else ""
            raise CaseError("$.resourceAccount", f"{shown}must be an account id of 12 digits")
        return given
    parts = resource.split(":", 5)
    if len(parts) == 6 and parts[0] == "arn" and _ACCOUNT.fullmatch(parts[4]):
        return parts[4]
    if who.account is None:
        assumptions.append("the account of the resource is not known")
    else:
        assumptions.append(f"the resource is in the principal's account {who.account}")
    return who.account


def _context(case: Mapping[str, Any], who: Caller, account: str | None, assumptions: list[str]) -> Context:
    given = case.get("context")
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise CaseError("$.context", "must be an object of condition keys")
    if isinstance(given, Repeated):
        raise CaseError(f"$.context.{given.key}", "occurs twice")
    complete = case.get("contextComplete")
    if not isinstance(complete, bool | None):
        raise CaseError("$.contextComplete", "must be true or false")
    keys: dict[str, Values] = dict(who.keys())
    if account is not None:
        keys["aws:resourceaccount"] = (account,)
    own: dict[str, Values] = {}
    for name, value in given.items():
        if name.lower() in own:
            raise CaseError(f"$.context.{name}", "occurs twice; names of keys are the same in any case")
        if value is None:
            continue
        try:
            own[name.lower()] = context_values(value)
        except (TypeError, ValueError):
            raise CaseError(f"$.context.{name}", "must be a text, a number, true, false, or a list of them") from None
    if who.kind == "session" and "aws:principalarn" not in own:
        assumptions.append("aws:PrincipalArn: a session does not tell the path of its role; none is assumed")
    if who.kind == "federatedUser" and not case.get("sessionPolicies"):
        assumptions.append("the federated user has the permissions of its user; without a session policy it has none")
    keys.update(own)
    return Context(keys, complete=complete is not False)


def _layers_of(case: Mapping[str, Any]) -> Layers:
    resource = case.get("resourcePolicy")
    return Layers(
        identity=_documents(case.get("identityPolicies"), "$.identityPolicies"),
        boundary=_documents(case.get("permissionsBoundaries"), "$.permissionsBoundaries"),
        session=_documents(case.get("sessionPolicies"), "$.sessionPolicies"),
        resource=() if resource is None else (_document(resource, "$.resourcePolicy", "resource"),),
        vpc_endpoint=_documents(case.get("vpcEndpointPolicies"), "$.vpcEndpointPolicies", "resource"),
        scps=_levels(case.get("serviceControlPolicies"), "$.serviceControlPolicies", "identity"),
        rcps=_levels(case.get("resourceControlPolicies"), "$.resourceControlPolicies", "resource"),
    )


def _levels(given: Any, path: str, kind: DocumentKind) -> tuple[Documents, ...]:
    result: list[Documents] = []
    for index, level in enumerate(_list(given, path)):
        if level is None:  # a null member equals an absent one: such a level limits nothing
            result.append((compiled(_ALLOW_ALL),) if kind == "identity" else ())
            continue
        result.append(_documents(level, f"{path}[{index}]", kind))
    return tuple(result)


def _documents(given: Any, path: str, kind: DocumentKind = "identity") -> Documents:
    items = _list(given, path)
    found = [None if d is None else _document(d, f"{path}[{index}]", kind) for index, d in enumerate(items)]
    if all(document is None for document in found):
        return ()
    return tuple(_NOTHING if document is None else document for document in found)


def _list(given: Any, path: str) -> Sequence[Any]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise CaseError(path, "must be a list")
    return given


def _document(given: Any, path: str, kind: DocumentKind) -> CompiledDocument:
    if not isinstance(given, str | dict):
        raise CaseError(path, "must be a policy document")
    twice = repeated(given, path)
    if twice:
        raise CaseError(twice, "occurs twice")
    try:
        data = given.encode() if isinstance(given, str) else msgspec.json.encode(given)
    except UnicodeEncodeError:
        raise CaseError(path, "holds half of a surrogate pair, which is no character") from None
    except RecursionError:
        raise CaseError(path, "is nested too deeply") from None
    except ValueError:
        raise CaseError(path, "holds a number of more digits than are read") from None
    found = _compiled(data, kind)
    if isinstance(found, PolicyError):
        raise CaseError(path + found.path.removeprefix("$"), found.message)
    return found


def repeated(value: Any, path: str) -> str:
    """The path of a key that occurs twice in its object, anywhere below, however deep."""
    todo = [(value, path)]
    while todo:
        one, at = todo.pop()
        if isinstance(one, Repeated):
            return f"{at}.{one.key}"
        if isinstance(one, dict):
            todo += [(v, f"{at}.{k}") for k, v in reversed(one.items()) if isinstance(v, dict | list)]
        elif isinstance(one, list):
            todo += [(v, f"{at}[{i}]") for i, v in reversed([*enumerate(one)]) if isinstance(v, dict | list)]
    return ""


@lru_cache(maxsize=16384)
def _compiled(document: bytes, kind: DocumentKind) -> CompiledDocument | PolicyError:
    try:
        return compiled(canonical(document.decode()), kind)
    except PolicyError as error:
        return error


def _statements(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    found = [
        {
            "layer": hit.layer,
            "level": hit.level,
            "policy": hit.policy,
            "statement": None if hit.statement is None else hit.statement.origin.index,
            "sid": None if hit.statement is None else hit.statement.origin.sid,
        }
        for hit in hits
    ]
    return sorted(found, key=_order)


def _layers(blocked: Sequence[Blocked]) -> list[dict[str, Any]]:
    found = [{"layer": b.layer, "level": b.level, "policy": None, "statement": None, "sid": None} for b in blocked]
    return sorted(found, key=_order)


def _order(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return (entry["layer"], *(-1 if entry[k] is None else entry[k] for k in ("level", "policy", "statement")))
