"""`plumbline run`: the operator's job without a cluster, once, over a folder of YAML. Prints; decides nothing."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from plumbline.reconcile.folder import FolderStore
    from plumbline.reconcile.run import BaselinePass, PassReport

SCHEMA_VERSION = "1"
EXIT_OUT_OF_LINE = 1
EXIT_NOT_ALL_ASSESSED = 2


class Format(StrEnum):
    JSON = "json"
    TABLE = "table"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(run)


def run(
    *,
    baselines: Annotated[
        Path, typer.Option(help="Folder of YAML: IAMLandscape, LeastPrivilegeBaseline, decisions.", show_default=False)
    ],
    state: Annotated[Path, typer.Option(help="Folder that gets status, proposals, documents and metrics.")] = Path(
        "plumbline-state"
    ),
    store: Annotated[
        str | None,
        typer.Option(help="URL of the database. Default: SQLite in the state folder.", show_default=False),
    ] = None,
    verdicts: Annotated[
        bool, typer.Option("--verdicts", help="Also write the verdict of every action to the state folder.")
    ] = False,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="End with 1 when a role is out of line.")
    ] = False,
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: table in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Compare live IAM with its usage for every baseline of a folder, and write what changed.

    Uses the AWS credentials of the environment, only to read. Ends with 2 when a resource, an account or a baseline
    could not be assessed; everything else is assessed all the same.
    """
    import sqlalchemy.exc

    from plumbline.export.metrics import render
    from plumbline.reconcile.figures import figures_of
    from plumbline.reconcile.folder import FolderStore
    from plumbline.reconcile.run import reconcile_all
    from plumbline.store.database import open_store

    if not baselines.is_dir():
        raise typer.BadParameter(f"there is no folder {str(baselines)!r}", param_hint="--baselines")
    try:
        state.mkdir(parents=True, exist_ok=True)
        folder = FolderStore(baselines, state)
        engine = open_store(store or f"sqlite:///{(state / 'plumbline.db').resolve()}")
        report = reconcile_all(folder, engine, datetime.now(UTC), progress=_say)
        folder.write_metrics(render(figures_of(report)))
        if verdicts:
            _write_verdicts(folder, report)
    except sqlalchemy.exc.SQLAlchemyError as error:
        _say(f"the database cannot be used: {_first_line(error)}; check --store and that its folder is writable")
        raise typer.Exit(EXIT_NOT_ALL_ASSESSED) from error
    except OSError as error:
        _say(f"the state folder cannot be used: {error}; check --state and its permissions")
        raise typer.Exit(EXIT_NOT_ALL_ASSESSED) from error
    if (output or (Format.TABLE if sys.stdout.isatty() else Format.JSON)) is Format.JSON:
        sys.stdout.write(json.dumps(as_json(report, state), indent=2, sort_keys=True) + "\n")
    else:
        _print(report, state)
    for problem in problems(report):
        _say(problem)
    raise typer.Exit(_status(report, fail_on_drift))


def _write_verdicts(folder: FolderStore, report: PassReport) -> None:
    from plumbline.reconcile.details import verdicts_json

    for one in report.baselines.values():
        if one.result is not None:
            metadata = one.baseline.metadata
            folder.write_verdicts(metadata.namespace or "", metadata.name, verdicts_json(one.result.assessments))


def _status(report: PassReport, fail_on_drift: bool) -> int:
    if problems(report):
        return EXIT_NOT_ALL_ASSESSED
    drift = any(one.status is not None and one.status.roles_out_of_line for one in report.baselines.values())
    return EXIT_OUT_OF_LINE if fail_on_drift and drift else 0


def problems(report: PassReport) -> list[str]:
    """What was not assessed, one line each: resources, accounts, baselines."""
    found = [f"{i.where}: {message}" for i in report.invalid for message in i.messages]
    for name, done in report.landscapes.items():
        snapshot = done.view.snapshot
        if snapshot.organization_error:
            found.append(f"landscape {name}: organization: {snapshot.organization_error}")
        found += [f"landscape {name}: account {a.id}: {a.error}" for a in snapshot.accounts.values() if a.error]
    found += [
        f"baseline {key}: {one.reason}"
        for key, one in sorted(report.baselines.items())
        if one.status is None and not one.baseline.spec.suspend
    ]
    return found


def as_json(report: PassReport, state: Path) -> dict[str, Any]:
    """The JSON form, as docs/schemas/run.schema.json describes it. No time of day but `asOf`."""
    return {
        "schemaVersion": SCHEMA_VERSION,
        "asOf": report.as_of.isoformat(),
        "state": str(state),
        "written": report.written,
        "landscapes": {name: _landscape(done.status) for name, done in sorted(report.landscapes.items())},
        "baselines": {key: _baseline(one) for key, one in sorted(report.baselines.items())},
        "problems": problems(report),
    }


def _landscape(status: Any) -> dict[str, Any]:
    return {
        "accounts": status.accounts,
        "accountsReachable": status.accounts_reachable,
        "principals": status.principals,
        "events": status.events,
        "sources": [s.model_dump(mode="json", by_alias=True) for s in status.sources],
    }


def _baseline(one: BaselinePass) -> dict[str, Any]:
    status = one.status
    if status is None:
        return {"assessed": False, "reason": one.reason}
    return {
        "assessed": True,
        "roles": status.roles,
        "rolesOutOfLine": status.roles_out_of_line,
        "counts": status.counts.model_dump(mode="json", by_alias=True),
        "reductionPercentage": status.reduction_percentage,
        "conditions": {c.type: c.status for c in status.conditions},
        "outOfLine": [
            {
                "roleArn": role.role_arn,
                "over": role.over,
                "unused": role.unused,
                "reductionPercentage": role.reduction_percentage,
                "proposal": role.proposal,
            }
            for role in status.roles_reported
            if role.over
        ],
        "openProposals": status.open_proposals,
    }


def _print(report: PassReport, state: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(
        "Baseline", "Roles", "Out of line", "Used", "Unused", "Undetermined", "Reduction", "Proposals", "Compliant"
    )
    for column in table.columns[1:8]:
        column.justify = "right"
    for key, one in sorted(report.baselines.items()):
        status = one.status
        if status is None:
            table.add_row(key, *[""] * 7, one.reason)
            continue
        compliant = next((c.status for c in status.conditions if c.type == "Compliant"), "Unknown")
        table.add_row(
            key,
            str(status.roles),
            str(status.roles_out_of_line),
            f"{status.counts.used:,}",
            f"{status.counts.unused:,}",
            f"{status.counts.undetermined:,}",
            f"{status.reduction_percentage} %",
            str(status.open_proposals),
            compliant,
        )
    console.print(table)
    console.print(f"{report.written} resources written below {state}", highlight=False)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
