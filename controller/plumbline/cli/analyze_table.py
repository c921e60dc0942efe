"""The report of `plumbline analyze` for a terminal: accounts, and the principals with the highest risk."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from plumbline.export.analysis import Report

MOST = 25
_CAPTION = "Undet.: undetermined. Ways: to gain privileges, and potential ones without a target in the data."


def print_table(report: Report) -> None:
    """To stdout."""
    console = Console()
    total = report.analysis.principals
    console.print(
        f"As of {report.as_of}: {len(total)} principals in {len({p.principal.account for p in total})} accounts; "
        f"access silent since {report.facts.window.start:%Y-%m-%d} is unused",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("Risk", "Principal", "Granted", "Used", "Unused", "Undet.", "Ways", "Owner")
    for column in (0, 2, 3, 4, 5):
        table.columns[column].justify, table.columns[column].no_wrap = "right", True
    table.columns[1].overflow = "fold"
    worst = report.by_risk()
    for one in worst[:MOST]:
        ways = len(one.escalations.escalations) + sum(one.escalations.more.values())
        table.add_row(
            str(one.risk.score),
            one.principal.arn.partition("::")[2],
            f"{one.counts.granted:,}" + ("" if one.granted.known else "?"),
            f"{one.counts.used:,}",
            f"{one.counts.unused:,}",
            f"{one.counts.undetermined:,}",
            f"{ways}" + (f" + {len(one.escalations.potential)}" if one.escalations.potential else ""),
            one.owner,
        )
    console.print(table)
    console.print(_CAPTION, highlight=False, soft_wrap=True)
    if len(worst) > MOST:
        console.print(f"and {len(worst) - MOST} more; --format json has all", highlight=False)
    for one in worst[:5]:
        if one.risk.score:
            reasons = "; ".join(f"{part.points} {part.reason}" for part in one.risk.contributions if part.points)
            console.print(f"{one.principal.arn}: {reasons}", highlight=False, soft_wrap=True)
