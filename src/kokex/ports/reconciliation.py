"""What reconciliations keep: how accounts stand, and how far each instrument's record is known to be whole."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kokex.domain.holdings import Baseline, SwapRecord
from kokex.domain.standing import AccountStanding


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the record of one account and instrument is whole.

    Attributes:
        complete_since: by our clock: every fill since then is on record up to the last reconciliation.
        read_to: the exchange's time of the last reconciliation.
        bill_id: the newest ledger entry that was read then; None where there was no fill yet.
        baseline: what was there beside the fills on record; None before the first comparison, or once a person accepted
            things as they are.
    """

    account_id: int
    inst_id: str
    complete_since: datetime
    reconciled_at: datetime
    read_to: datetime
    bill_id: str | None
    baseline: Baseline | None


class ReconciliationStore(Protocol):
    """`account_standings` and `coverages`, and what reconciliations ask of the record."""

    async def standing(self, account_id: int) -> AccountStanding | None:
        """How the account stands, as last kept."""
        ...

    async def save_standing(self, standing: AccountStanding) -> None:
        """Insert or replace."""
        ...

    async def standings(self) -> builtins.list[AccountStanding]:
        """All, by account."""
        ...

    async def coverage(self, account_id: int, inst_id: str) -> Coverage | None:
        """None before the first reconciliation."""
        ...

    async def save_coverage(self, coverage: Coverage) -> None:
        """Insert or replace."""
        ...

    async def forget_baselines(self, account_id: int) -> int:
        """Take the account's positions as they will be found next: a person accepts them. How many were forgotten."""
        ...

    async def swap_record(self, account_id: int, inst_id: str) -> SwapRecord:
        """What the fills on record add up to, signed."""
        ...

    async def explain(self, account_id: int, client_order_id: str, reason: str) -> None:
        """Say on a pending order what is the matter with it."""
        ...

    async def pending_elsewhere(self, account_id: int, inst_id: str) -> builtins.list[str]:
        """The exchange's ids of orders made outside KOKEX that were open when they were last heard of."""
        ...
