"""A few of ValidatePolicy's checks, with their real types, issue codes and shape.

Places are found by searching the text for the value, which is enough for documents that a program wrote.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from sandbox.expand import catalogue, expand, listed

LEARN_MORE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"
TRUST_POLICY = "AWS::IAM::AssumeRolePolicyDocument"
# As the page of all checks names the types.
_NAMES = {
    "ERROR": "error",
    "SECURITY_WARNING": "security-warning",
    "WARNING": "general-warning",
    "SUGGESTION": "suggestion",
}
_QUOTAS = {"IDENTITY_POLICY": 6_144, "SERVICE_CONTROL_POLICY": 5_120, "RESOURCE_CONTROL_POLICY": 5_120}
Issue = tuple[str, str, str, list[Any], str]  # type, code, details, path, text to point at


def findings(text: str, kind: str, resource: str | None = None) -> list[dict[str, Any]]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        message = f"Fix the JSON syntax error at index {error.pos} line {error.lineno} column {error.colno}."
        return [_finding(text, ("ERROR", "JSON_SYNTAX_ERROR", message, [], ""), error.pos)]
    if not isinstance(document, dict):
        return [_finding(text, ("ERROR", "JSON_SYNTAX_ERROR", "The policy must be a JSON object.", [], ""))]
    return [_finding(text, issue) for issue in _issues(document, text, kind, resource)]


def _issues(document: dict[str, Any], text: str, kind: str, resource: str | None) -> Iterator[Issue]:
    if "Version" not in document:
        yield "WARNING", "MISSING_VERSION", "We recommend that you specify the Version element.", [], ""
    elif document["Version"] not in ("2012-10-17", "2008-10-17"):
        yield "ERROR", "INVALID_VERSION", "The version is not valid. Use 2012-10-17.", ["Version"], document["Version"]
    if "Statement" not in document:
        yield "ERROR", "MISSING_STATEMENT", "Add a Statement element to the policy.", [], ""
    if len(re.sub(r"\s", "", text)) > _QUOTAS.get(kind, 20_480):
        code = f"POLICY_SIZE_EXCEEDS_{kind if kind != 'RESOURCE_POLICY' else 'IDENTITY_POLICY'}_QUOTA"
        yield "ERROR", code, "The policy exceeds the size quota.", [], ""
    sids = [str(s["Sid"]) for s in listed(document.get("Statement")) if isinstance(s, dict) and s.get("Sid")]
    for sid in sorted({s for s in sids if sids.count(s) > 1}):
        yield "ERROR", "UNIQUE_SIDS_REQUIRED", f"The Sid {sid} must be unique.", ["Statement"], sid
    statements = [s for s in listed(document.get("Statement")) if isinstance(s, dict)]
    for n, statement in enumerate(statements):
        path = ["Statement", n] if isinstance(document["Statement"], list) else ["Statement"]
        yield from _statement(statement, path, kind, resource)
        if any(_covers(other, statement, n > m) for m, other in enumerate(statements) if m != n):
            yield (
                "SUGGESTION",
                "REDUNDANT_STATEMENT",
                "The statement is redundant because another statement grants or denies the same.",
                path,
                "",
            )


def _covers(other: dict[str, Any], statement: dict[str, Any], before: bool) -> bool:
    """Whether `other` says all that the statement says; of two alike the second is the redundant one."""
    elements = ("Effect", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition", "NotAction")
    if "Action" not in statement or any(other.get(name) != statement.get(name) for name in elements):
        return False
    own, others = (_actions(s) for s in (statement, other))
    return bool(own) and (own < others or (own == others and before))


def _actions(statement: dict[str, Any]) -> frozenset[str]:
    patterns = [action for action in listed(statement.get("Action")) if isinstance(action, str)]
    return frozenset(action for pattern in patterns for action in expand(pattern))


def _trust(statement: dict[str, Any], path: list[Any]) -> Iterator[Issue]:
    principal = statement.get("Principal")
    for name in listed(principal.get("AWS")) if isinstance(principal, dict) else []:
        if isinstance(name, str) and "*" in name and name != "*":
            code = "ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL"
            details = "The wildcard in the Principal element matches no principal: use the ARN of one, or *."
            yield "ERROR", code, details, [*path, "Principal", "AWS"], name


def _statement(statement: dict[str, Any], path: list[Any], kind: str, resource: str | None) -> Iterator[Issue]:
    if "Effect" not in statement:
        yield "ERROR", "MISSING_EFFECT", "Add an Effect element to the statement.", path, ""
    elif statement["Effect"] not in ("Allow", "Deny"):
        yield "ERROR", "INVALID_EFFECT", "The Effect must be Allow or Deny.", [*path, "Effect"], statement["Effect"]
    if not {"Action", "NotAction"} & set(statement):
        yield "ERROR", "MISSING_ACTION", "Add an Action or NotAction element to the statement.", path, ""
    if kind != "RESOURCE_POLICY" and not {"Resource", "NotResource"} & set(statement):
        yield "ERROR", "MISSING_RESOURCE", "Add a Resource or NotResource element to the statement.", path, ""
    if kind == "SERVICE_CONTROL_POLICY" and {"Principal", "NotPrincipal"} & set(statement):
        yield "ERROR", "SCP_SYNTAX_ERROR_PRINCIPAL", "SCPs do not support the Principal element.", path, ""
    if resource == TRUST_POLICY:
        yield from _trust(statement, path)
    if kind == "RESOURCE_POLICY" and not {"Principal", "NotPrincipal"} & set(statement):
        yield "ERROR", "MISSING_PRINCIPAL", "Add a Principal element to the statement.", path, ""
    element = "Action" if "Action" in statement else "NotAction"
    actions = [a for a in listed(statement.get(element)) if isinstance(a, str)]
    if statement.get(element) == []:
        yield (
            "SUGGESTION",
            "EMPTY_ARRAY_ACTION",
            "This statement includes no actions and does not affect the policy.",
            [*path, element],
            "",
        )
    for n, action in enumerate(actions):
        yield from _action(action, [*path, element, n], actions)
    if (
        statement.get("Effect") == "Allow"
        and "*" in listed(statement.get("Resource"))
        and "Condition" not in statement
        and element == "Action"
    ):
        for n, action in enumerate(actions):
            if action in ("*", "iam:*"):
                details = (
                    "Using the iam:CreateServiceLinkedRole action with wildcards (*) lets unintended roles be created."
                )
                code = "CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE"
                yield "WARNING", code, details, [*path, element, n], action
            if "iam:PassRole" in expand(action):
                star = action in ("*", "iam:*")
                code = "PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE" if star else "PASS_ROLE_WITH_STAR_IN_RESOURCE"
                details = "Using the iam:PassRole action with wildcards (*) in the resource can be overly permissive."
                yield "SECURITY_WARNING", code, details, [*path, element, n], action


def _action(action: str, path: list[Any], all_actions: list[str]) -> Iterator[Issue]:
    if action == "*":
        return
    prefix, colon, _ = action.partition(":")
    if not colon:
        yield "ERROR", "MISSING_ACTION_PREFIX", f"The action {action} has no service prefix.", path, action
    elif "*" not in prefix and prefix.lower() not in catalogue():
        yield (
            "ERROR",
            "INVALID_SERVICE_IN_ACTION",
            f"The service {prefix} specified in the action does not exist.",
            path,
            action,
        )
    elif not expand(action):
        yield "ERROR", "INVALID_ACTION", f"The action {action} does not exist.", path, action
    elif any(other != action and expand(action) < expand(other) for other in all_actions):
        yield "SUGGESTION", "REDUNDANT_ACTION", f"The action {action} is redundant.", path, action


def _finding(text: str, issue: Issue, position: int | None = None) -> dict[str, Any]:
    kind, code, details, path, pointed = issue
    start = position if position is not None else max(text.find(json.dumps(pointed)), 0) if pointed else 0
    end = start + len(json.dumps(pointed)) if pointed else len(text)
    steps = [{"index": step} if isinstance(step, int) else {"value": step} for step in path]
    return {
        "findingType": kind,
        "issueCode": code,
        "findingDetails": details,
        "learnMoreLink": f"{LEARN_MORE}#access-analyzer-reference-policy-checks-{_NAMES[kind]}-{code.lower().replace('_', '-')}",
        "locations": [{"path": steps, "span": {"start": _place(text, start), "end": _place(text, end)}}],
    }


def _place(text: str, offset: int) -> dict[str, int]:
    before = text[:offset]
    return {"line": before.count("\n") + 1, "column": offset - (before.rfind("\n") + 1), "offset": offset}
