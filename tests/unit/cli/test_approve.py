"""`kokex approve`: what the command says came of the order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.cli import engine_presence
from kokex.cli.approve import answer_order
from kokex.domain.approvals import Approval, ApprovalOutcome, PersonsAnswer
from kokex.domain.order import Order, OrderStatus
from tests.builders import START, order
from tests.fakes.clock import ManualClock


class Record:
    """An order that waits. The engine ends it, in one transaction, after so many readings."""

    def __init__(self, readings: int) -> None:
        self._left = readings
        self.order = order(status=OrderStatus.AWAITING_APPROVAL)
        self.approval = Approval(1, "K1", 1, Decimal(100), None, START, START + timedelta(hours=1))

    async def answer(self, name: str, said: PersonsAnswer) -> Approval:
        self.approval = replace(self.approval, answer=said)
        return self.approval

    def _read(self) -> None:
        if not self._left:
            self.order = replace(self.order, status=OrderStatus.REJECTED)
            self.approval = replace(self.approval, outcome=ApprovalOutcome.REFUSED)
        self._left -= 1

    async def read_order(self, account_id: int, name: str) -> Order:
        self._read()
        return self.order

    async def read_approval(self, name: str) -> Approval:
        self._read()
        return self.approval


class RushingClock(ManualClock):
    """Whoever sleeps wakes at once, later."""

    async def sleep(self, seconds: float) -> None:
        self._elapsed += seconds


@pytest.mark.parametrize("readings", range(5))
async def test_an_end_between_two_readings_is_told_whole(
    readings: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The order that is over comes with what came of its approval, whenever the engine ends it."""
    monkeypatch.setattr(engine_presence, "engine_process", lambda _: "1")
    record = Record(readings)
    store = SimpleNamespace(
        approvals=SimpleNamespace(answer=record.answer, get=record.read_approval),
        orders=SimpleNamespace(get=record.read_order),
    )
    opened: Any = SimpleNamespace(
        store=store, clock=RushingClock(), settings=SimpleNamespace(folder=tmp_path)
    )

    result = await answer_order(opened, "K1", approved=False, by="ann", reason="too large")

    assert result.order is not None and result.order.status is OrderStatus.REJECTED
    assert result.approval.outcome is ApprovalOutcome.REFUSED
