"""`plumbline simulate`: would this request be allowed? Reads cases, prints answers; the decision is the engine's."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from plumbline.cli.output import print_json

SCHEMA_VERSION = "1"
EXIT_CASE_ERROR = 1
_DOCUMENT = typer.Option(metavar="FILE", help="A policy document as JSON; may be given several times.")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(simulate)


def simulate(
    batch: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="A JSON array of cases; prints one JSON object a line, in order."),
    ] = None,
    principal: Annotated[str | None, typer.Option(help="ARN, account id, service name, or *.")] = None,
    action: Annotated[str | None, typer.Option(help="Such as s3:GetObject.")] = None,
    resource: Annotated[str, typer.Option(help="ARN, or * for actions without resources.")] = "*",
    resource_account: Annotated[str | None, typer.Option(help="Account id of the resource.")] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A condition key; again with the same key for a list of values."),
    ] = None,
    context_incomplete: Annotated[
        bool, typer.Option("--context-incomplete", help="Keys that are not given are unknown instead of absent.")
    ] = False,
    identity_policy: Annotated[list[Path] | None, _DOCUMENT] = None,
    permissions_boundary: Annotated[list[Path] | None, _DOCUMENT] = None,
    session_policy: Annotated[list[Path] | None, _DOCUMENT] = None,
    resource_policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The policy of the resource; the trust policy of a role.")
    ] = None,
    vpc_endpoint_policy: Annotated[list[Path] | None, _DOCUMENT] = None,
    scp_level: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A JSON array with the SCPs of one level; root first, several times."),
    ] = None,
    rcp_level: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A JSON array with the RCPs of one level; root first, several times."),
    ] = None,
    output_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, as for a case.")] = False,
) -> None:
    """Decide whether a request is allowed, by the evaluation logic of AWS.

    Needs no AWS credentials and no network. Ends with 1 when a case could not be answered; the others are.
    """
    if batch is not None:
        if principal or action:
            raise typer.BadParameter("takes the place of --principal and --action", param_hint="--batch")
        _answer(_read_cases(batch))
        return
    if not principal or not action:
        raise typer.BadParameter("give --principal and --action, or --batch", param_hint="--principal")
    case = {
        "principal": principal,
        "action": action,
        "resource": resource,
        "resourceAccount": resource_account,
        "context": _context(context or ()),
        "contextComplete": not context_incomplete,
        "identityPolicies": _documents(identity_policy, "--identity-policy"),
        "permissionsBoundaries": _documents(permissions_boundary, "--permissions-boundary"),
        "sessionPolicies": _documents(session_policy, "--session-policy"),
        "resourcePolicy": None if resource_policy is None else _document(resource_policy, "--resource-policy"),
        "vpcEndpointPolicies": _documents(vpc_endpoint_policy, "--vpc-endpoint-policy"),
        "serviceControlPolicies": _documents(scp_level, "--scp-level"),
        "resourceControlPolicies": _documents(rcp_level, "--rcp-level"),
    }
    _explain(case, output_json)


def _read_cases(batch: str) -> list[Any]:
    from plumbline.iam.cases import unique

    try:
        text = sys.stdin.read() if batch == "-" else Path(batch).read_text(encoding="utf-8")
        cases = json.loads(text, object_pairs_hook=unique, parse_constant=_no_constant)
    except OSError as error:
        raise typer.BadParameter(f"cannot be read: {error.strerror}: {batch}", param_hint="--batch") from error
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"is not JSON: {error}", param_hint="--batch") from error
    if not isinstance(cases, list):
        raise typer.BadParameter("must be a JSON array of cases", param_hint="--batch")
    return cases


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _answer(cases: Sequence[Any]) -> None:
    from plumbline.iam.cases import answer

    failed = False
    lines: list[str] = []
    for index, case in enumerate(cases):
        found = answer(case, index)
        failed = failed or found["error"] is not None
        lines.append(json.dumps({"schemaVersion": SCHEMA_VERSION, **found}, sort_keys=True) + "\n")
    sys.stdout.write("".join(lines))  # at once: complete or not at all
    if failed:
        raise typer.Exit(EXIT_CASE_ERROR)


def _documents(paths: Sequence[Path] | None, option: str) -> list[Any]:
    return [_document(path, option) for path in paths or ()]


def _document(path: Path, option: str) -> Any:
    from plumbline.iam.cases import unique

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)
    except (OSError, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint=option) from error


def _context(pairs: Sequence[str]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--context")
        result.setdefault(key, []).append(value)
    return result


def _explain(case: dict[str, Any], output_json: bool) -> None:
    from plumbline.iam.cases import answer

    found = answer(case, 0)
    if output_json:
        print_json({"schemaVersion": SCHEMA_VERSION, **found})
    elif found["error"] is None:
        sys.stdout.write("\n".join(_lines(case, found)) + "\n")
    if found["error"] is not None:
        _fail(f"{found['error']['path']}: {found['error']['message']}")


def _fail(message: str) -> NoReturn:
    sys.stderr.write(message + "\n")
    raise typer.Exit(EXIT_CASE_ERROR)


_WORDS = {
    "allowed": "allowed",
    "explicitDeny": "denied by a Deny statement",
    "implicitDeny": "denied because nothing allows it",
    "undetermined": "undetermined: it depends on what is not known",
}
_LAYERS = {
    "identity": "identity-based policy",
    "resource": "resource-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "scp": "service control policy",
    "rcp": "resource control policy",
    "vpcEndpoint": "VPC endpoint policy",
}


def _lines(case: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The answer for people."""
    lines = [f"{case['principal']} {case['action']} on {case['resource']}: {_WORDS[found['decision']]}"]
    lines += [f"  {_statement(entry)}" for entry in found["decidedBy"]]
    if found["decision"] == "implicitDeny":
        lines += [f"  not allowed by the {_layer(entry)}" for entry in found["blockedBy"]]
    if found["missingContextKeys"]:
        lines.append(f"  depends on {', '.join(found['missingContextKeys'])}")
    lines += [f"  assumed: {text}" for text in found["assumptions"]]
    return lines


def _layer(entry: dict[str, Any]) -> str:
    level = "" if entry["level"] is None else f" at level {entry['level']}"
    return _LAYERS[entry["layer"]] + level


def _statement(entry: dict[str, Any]) -> str:
    if entry["statement"] is None:
        return f"{_layer(entry)} {entry['policy']}"
    sid = f" ({entry['sid']})" if entry["sid"] else ""
    return f"{_layer(entry)} {entry['policy']}, Statement[{entry['statement']}]{sid}"
