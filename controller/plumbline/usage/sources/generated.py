"""What generated policies say, and the figure: current minus generated. Pure; judges nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from plumbline.aws.errors import MALFORMED, NOT_WHOLE, Malformed


def parse_policies(texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The actions that generated policies name, and the services that they know only as a template; both sorted.

    An action with a wildcard or a placeholder is a template: it says that the service was used, not which action.
    Raises Malformed when a text is no policy.
    """
    actions: set[str] = set()
    templates: set[str] = set()
    for text in texts:
        try:
            statements = json.loads(text)["Statement"]
            for statement in [statements] if isinstance(statements, dict) else statements:
                given = statement.get("Action", ())
                for action in [given] if isinstance(given, str) else given:
                    service, _, name = action.partition(":")
                    exact = name.isalnum()
                    (actions if exact else templates).add(action if exact else service)
        except NOT_WHOLE as error:
            raise Malformed(f"the generated policy is no policy document: {error}", code=MALFORMED) from error
    return tuple(sorted(actions)), tuple(sorted(templates))


def difference(granted_names: Collection[str], generated_names: Collection[str]) -> dict[str, Any]:
    """Current minus generated, over expanded action names: a figure to look at, never a verdict, because an action that
    a generated policy does not name is no data."""
    generated = {name.lower() for name in generated_names}
    unused = sorted(name for name in set(granted_names) if name.lower() not in generated)
    current = len(set(granted_names))
    return {
        "currentPermissionCount": current,
        "usedPermissionCount": len(generated),
        "unusedPermissions": unused,
        "reductionPercentage": round(len(unused) / max(current, 1) * 100, 1),
    }
