"""`plumbline explain`: one screen about a principal, or about one action of it. Prints; judges nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plumbline.cli.facts_options import Given, with_facts
from plumbline.cli.output import print_json

if TYPE_CHECKING:
    from plumbline.assess.analysis import Judged
    from plumbline.assess.explanation import ActionExplanation
    from plumbline.assess.remedies import Ranked
    from plumbline.model.assessment import Finding

SCHEMA_VERSION = "1"
EXIT_INCOMPLETE = 2
_SHOWN = 8  # names of one reason


class Format(StrEnum):
    JSON = "json"
    TEXT = "text"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(explain)


@with_facts
def explain(
    read: Callable[[], Given],
    principal: Annotated[str, typer.Argument(metavar="PRINCIPAL", help="The ARN of a role or user of the files.")],
    action: Annotated[
        str | None, typer.Argument(metavar="[ACTION]", help="Such as s3:GetObject.", show_default=False)
    ] = None,
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: text in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Explain a verdict: its reason, what each source could see, what would decide it, and the statements concerned.

    Takes the files of plumbline analyze. Needs no AWS credentials and no network. Ends with 2 when some input could not
    be used.
    """
    from plumbline.assess.analysis import analyse_one
    from plumbline.assess.explanation import explained
    from plumbline.assess.remedies import ranked

    if action is not None and (action.count(":") != 1 or any(c in action for c in "*? ")):
        raise typer.BadParameter(f"{action!r} is no single action such as s3:GetObject", param_hint="ACTION")
    given = read()
    if principal not in given.facts.principals:
        raise typer.BadParameter(f"{principal} is not in the files", param_hint="PRINCIPAL")
    one = analyse_one(given.facts, principal)
    about = explained(one, given.facts, action) if action is not None else None
    first = ranked([one.findings])
    if (output or (Format.TEXT if sys.stdout.isatty() else Format.JSON)) is Format.JSON:
        data = _json(one, given, about, first)
        print_json(data)
    else:
        lines = _about_action(about) if about is not None else _about_principal(one, first)
        sys.stdout.write("\n".join([_headline(one, given), *lines]) + "\n")
    sys.stderr.writelines(f"{text}\n" for text in given.warnings)
    if given.incomplete:
        raise typer.Exit(EXIT_INCOMPLETE)


def _json(one: Judged, given: Given, about: ActionExplanation | None, first: list[Ranked]) -> dict[str, Any]:
    """The result as docs/schemas/explain.schema.json describes it."""
    counts = one.counts
    return {
        "schemaVersion": SCHEMA_VERSION,
        "asOf": given.as_of,
        "principal": one.principal.arn,
        "granted": counts.granted,
        "used": counts.used,
        "unused": counts.unused,
        "undetermined": counts.undetermined,
        "masked": counts.masked,
        "findings": [{**_finding(f), "actions": f.bits.bit_count() + len(f.unknown)} for f in one.findings],
        "wouldDecide": [{"kind": r.remedy.kind, "what": r.remedy.what, "actions": r.actions} for r in first],
        "action": None if about is None else _action_json(about),
        "warnings": list(given.warnings),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "detail": finding.detail,
        "sources": list(finding.sources),
    }


def _action_json(about: ActionExplanation) -> dict[str, Any]:
    verdict = {"verdict": "notGranted", "reason": "", "detail": "", "sources": []}
    return {
        "name": about.action,
        **(verdict if about.finding is None else _finding(about.finding)),
        "couldSee": [{"source": s.source, "provesSilence": s.sees, "text": s.text} for s in about.sources],
        "wouldDecide": [{"kind": r.kind, "what": r.what} for r in about.remedies],
        "statements": [
            {"policy": policy, "statement": s.index, "sid": s.sid, "document": json.loads(s.raw)}
            for policy, s in about.statements
        ],
    }


def _headline(one: Judged, given: Given) -> str:
    counts = one.counts
    return (
        f"{one.principal.arn}, as of {given.as_of}: {counts.granted:,} actions granted, {counts.used:,} used, "
        f"{counts.unused:,} unused, {counts.undetermined:,} undetermined"
    )


def _about_principal(one: Judged, first: list[Ranked]) -> Iterator[str]:
    from plumbline.iam.catalogue import catalogue

    for finding in one.findings:
        names = [*catalogue().names_of(finding.bits), *sorted(finding.unknown)]
        more = f", and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        detail = f", {finding.detail}" if finding.detail else ""
        yield f"\n{finding.verdict.value}, {finding.reason}{detail}: {len(names):,}"
        if names:
            yield f"  {', '.join(names[:_SHOWN])}{more}"
    if first:
        yield "\nwhat would decide most"
        yield from (f"  {one.actions:,}: {one.remedy.what}" for one in first)


def _about_action(about: ActionExplanation) -> Iterator[str]:
    finding = about.finding
    if finding is None:
        yield f"\n{about.action} is not granted"
    else:
        detail = f", {finding.detail}" if finding.detail else ""
        by = f" (by {', '.join(finding.sources)})" if finding.sources else ""
        yield f"\n{about.action} is {finding.verdict.value}: {finding.reason}{detail}{by}"
    yield "\nwhat could have seen it"
    yield from (f"  {source.source}: {source.text}" for source in about.sources)
    if not about.sources:
        yield "  nothing that was given"
    if about.remedies:
        yield "\nwhat would decide it"
        yield from (f"  {remedy.what}" for remedy in about.remedies)
    if about.statements:
        yield "\ngranted by"
        yield from (f"  {policy} {statement.label}: {statement.raw}" for policy, statement in about.statements)
