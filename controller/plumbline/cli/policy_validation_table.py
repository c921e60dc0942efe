"""What policy validation found in each landscape, as a person looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from plumbline.api.policy_validation import PolicyValidationStatus

_TYPES = ("ERROR", "SECURITY_WARNING", "WARNING", "SUGGESTION")


def policy_validation_table(told: Mapping[str, PolicyValidationStatus]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        "Landscape", "Errors", "Security\nwarnings", "Warnings", "Sugges-\ntions", "New", "Resolved", "Checked", "Not\nchecked", "Accounts\nnot read",
        title="\nPolicy validation", title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    for name, one in told.items():
        numbers = [one.findings.get(type_, 0) for type_ in _TYPES]
        numbers += [one.new, one.resolved, one.documents_checked, one.documents_unchecked, one.accounts_uncollected]
        table.add_row(name, *(f"{number:,}" for number in numbers))
    return table
