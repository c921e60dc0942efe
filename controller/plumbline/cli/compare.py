"""`plumbline compare`: does a new policy allow more than the existing one? Reads files, prints; the engine decides."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plumbline.cli.output import print_json

if TYPE_CHECKING:
    from plumbline.iam.compare import Comparison, Example

SCHEMA_VERSION = "1"
EXIT_NEW_ACCESS = 1
EXIT_UNDECIDED = 2
EXIT_INVALID = 3


class Type(StrEnum):
    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"
    SCP = "scp"
    RCP = "rcp"
    BOUNDARY = "boundary"


class Format(StrEnum):
    JSON = "json"
    TEXT = "text"


class _InvalidError(Exception):
    """A file that holds no policy of its type."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(compare)


def compare(
    existing: Annotated[Path, typer.Argument(metavar="EXISTING", help="A policy document, or a JSON array of them.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The same; the documents of a file act together.")],
    kind: Annotated[Type, typer.Option("--type", help="What the documents are.")],
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: text in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Say whether NEW allows anything that EXISTING does not.

    Needs no AWS credentials and no network. Ends with 0 without new access, 1 with new access, 2 undecided, 3 when a
    policy is invalid or unreadable.
    """
    from plumbline.iam import compare as engine

    try:
        sides = [_documents(path, kind.value) for path in (existing, new)]
    except _InvalidError as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(EXIT_INVALID) from None
    found = engine.compare(kind.value, *sides)
    if (output or (Format.TEXT if sys.stdout.isatty() else Format.JSON)) is Format.JSON:
        print_json(as_json(found))
    else:
        sys.stdout.write("\n".join(_lines(found)) + "\n")
    sys.stderr.writelines(f"undecided: {text}\n" for text in found.undecided_because)
    if found.result != "noNewAccess":
        raise typer.Exit(EXIT_NEW_ACCESS if found.result == "newAccess" else EXIT_UNDECIDED)


def as_json(found: Comparison) -> dict[str, Any]:
    """The result as docs/schemas/compare.schema.json describes it."""
    return {
        "schemaVersion": SCHEMA_VERSION,
        "result": found.result,
        "reasons": [
            {
                "policy": reason.policy,
                "statement": reason.statement,
                "sid": reason.sid,
                "example": {
                    "principal": reason.example.principal,
                    "action": reason.example.action,
                    "resource": reason.example.resource,
                    "context": _context(reason.example),
                },
            }
            for reason in found.reasons
        ],
        "undecidedBecause": list(found.undecided_because),
    }


def _context(example: Example) -> dict[str, str | list[str]]:
    return {key: given[0] if len(given) == 1 else list(given) for key, given in example.context.items()}


def _documents(path: Path, kind: Any) -> list[str]:
    from plumbline.iam.cases import repeated, unique
    from plumbline.iam.compare import parsed
    from plumbline.iam.documents import PolicyError, canonical

    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text, object_pairs_hook=unique)
    except OSError as error:
        raise _InvalidError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _InvalidError(f"{path}: is not JSON: {error}") from None
    result = []
    for index, item in enumerate(data if isinstance(data, list) else [data]):
        twice = repeated(item, f"$[{index}]") if isinstance(data, list) else ""
        if twice:
            raise _InvalidError(f"{path}: {twice}: occurs twice")
        try:
            document = item if isinstance(item, str) else json.dumps(item) if isinstance(data, list) else text
            parsed(kind, canonical(document))
        except PolicyError as error:
            at = f"$[{index}]{error.path.removeprefix('$')}" if isinstance(data, list) else error.path
            raise _InvalidError(f"{path}: {at}: {error.message}") from None
        result.append(canonical(document))
    return result


def _lines(found: Comparison) -> list[str]:
    """The result for people."""
    if found.result == "noNewAccess":
        return ["no new access"]
    lines = ["new access" if found.result == "newAccess" else "undecided"]
    for reason in found.reasons:
        example, sid = reason.example, f" ({reason.sid})" if reason.sid else ""
        lines.append(f"  policy {reason.policy}, Statement[{reason.statement}]{sid}")
        lines.append(f"    for example {example.principal}: {example.action} on {example.resource}")
        lines += [f"      with {key} = {given}" for key, given in _context(example).items()]
    return lines
