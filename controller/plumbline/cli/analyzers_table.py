"""The analyzers that a landscape asks for, as a person looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from plumbline.api.analyzers import AnalyzersStatus


def analyzers_table(landscape: str, status: AnalyzersStatus) -> Table:
    from rich import box
    from rich.table import Table

    title = f"\nAnalyzers of {landscape}"
    table = Table(
        "Kind", "Account", "Region", "Days", "State", "Findings", "USD a\nmonth",
        title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for column in (table.columns[3], *table.columns[5:]):
        column.justify = "right"
    for one in status.required:
        findings = "-" if one.findings is None else f"{one.findings:,}"
        price = one.price.monthly_usd if one.price is not None else "free"
        days = str(one.unused_access_age or "")
        table.add_row(one.kind, one.account, one.region, days, one.state, findings, price)
    return table
