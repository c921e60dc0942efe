"""Which accounts are held to the lookback of development. Shared by all that distinguish environments by account."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import Field

from plumbline.api.baseline import ENVIRONMENT_LOOKBACK, Lookback
from plumbline.api.common import AccountId, Model, OrganizationalUnit


class DevelopmentAccounts(Model):
    """Accounts that are held to the lookback of development: those that are named, and those in one of the OUs."""

    accounts: Annotated[list[AccountId], Field(max_length=1000)] = []
    organizational_units: Annotated[list[OrganizationalUnit], Field(max_length=100)] = []
    lookback: Lookback = ENVIRONMENT_LOOKBACK["development"]

    def includes(self, account: str, ou_path: Collection[str]) -> bool:
        return account in self.accounts or not set(ou_path).isdisjoint(self.organizational_units)
