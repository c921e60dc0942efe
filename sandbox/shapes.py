"""Is a result what botocore's output shape says? Required members, types, enums, and nothing unknown.

Knows shapes only, so that an emulation that drifts from the real API fails loudly.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (datetime,),
    "blob": (bytes, str),
}


def violations(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Every way in which the value is not of the shape; the path says where."""
    at = path or "result"
    if shape is None:
        if value:
            yield f"{at}: the operation returns nothing"
    elif getattr(shape, "is_document_type", False):
        return  # a document of any form
    elif shape.type_name == "structure":
        yield from _structure(shape, value, at)
    elif shape.type_name == "list":
        if not isinstance(value, list):
            yield f"{at}: expected a list, not {type(value).__name__}"
            return
        for n, item in enumerate(value):
            yield from violations(shape.member, item, f"{at}[{n}]")
    elif shape.type_name == "map":
        if not isinstance(value, dict):
            yield f"{at}: expected a map, not {type(value).__name__}"
            return
        for key, item in value.items():
            yield from violations(shape.value, item, f"{at}.{key}")
    else:
        yield from _scalar(shape, value, at)


def _structure(shape: Any, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: expected a structure, not {type(value).__name__}"
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"{at}.{name}: required"
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        yield f"{at}: a union holds exactly one member"
    for name, item in value.items():
        if name not in shape.members:
            yield f"{at}.{name}: unknown member"
        else:
            yield from violations(shape.members[name], item, f"{at}.{name}")


def _scalar(shape: Any, value: Any, at: str) -> Iterator[str]:
    allowed = _SCALARS.get(shape.type_name)
    if allowed and (not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed)):
        yield f"{at}: expected {shape.type_name}, not {type(value).__name__}"
    elif getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{at}: {value!r} is none of {', '.join(shape.enum)}"
