"""Funding payments of accounts, and what of them is each plan's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from kokex.domain.funding import FundingPayment, Holders


class FundingStore(Protocol):
    """`funding_payments` and `funding_shares`."""

    async def newest(self, account_id: int, inst_id: str) -> FundingPayment | None:
        """The newest entry on record."""
        ...

    async def first_fill_at(self, account_id: int, inst_id: str) -> datetime | None:
        """When the first plan's execution was made; None before one: no funding can be a plan's."""
        ...

    async def holders(self, account_id: int, inst_id: str, at: datetime, *, with_it: bool) -> Holders:
        """Who held what by the fills before `at` (exchange's time), `with_it` those of that very moment too."""
        ...

    async def keep(self, account_id: int, payment: FundingPayment, shares: Mapping[int, Decimal]) -> None:
        """Keep an entry and its shares, once: one that is there already changes nothing."""
        ...

    async def total(self, plan_id: int) -> Decimal:
        """What all funding so far came to for the plan, in quote currency; negative when it paid."""
        ...
