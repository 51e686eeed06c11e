"""The owner whom the demo plays: orders that wait are answered once each, most of them approved."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from kokex.demo.owner import NAME, REFUSAL, Owner
from kokex.demo.records import Answers
from kokex.domain.approvals import Approval, ApprovalOutcome
from kokex.domain.order import Order, OrderStatus
from tests.builders import START, order, plan
from tests.fakes.approvals import Approvals
from tests.fakes.clock import ManualClock


class Orders:
    """As much of an order store as an owner asks."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}

    async def add(self, made: Order, *, grant_left: Any = None) -> bool:
        self.orders[made.client_order_id or ""] = made
        return True

    async def get(self, account_id: int, name: str) -> Order | None:
        return self.orders.get(name)


async def _waiting(approvals: Approvals, number: int, plan_id: int = 1) -> str:
    name = f"KXtestP{plan_id}D{number}S0"
    until = START + timedelta(minutes=15)
    approval = Approval(1, name, plan_id, Decimal(1500), Decimal(2500), START, until)
    waits = order(client_order_id=name, plan_id=plan_id, status=OrderStatus.AWAITING_APPROVAL)
    await approvals.add(waits, approval)
    return name


def _owner() -> tuple[Owner, Approvals]:
    orders = Orders()
    approvals = Approvals(orders)
    store = SimpleNamespace(orders=orders, approvals=approvals)
    opened: Any = SimpleNamespace(store=store, clock=ManualClock())
    return Owner(opened, [plan()]), approvals


async def test_each_order_that_waits_is_answered_once() -> None:
    """Of three the second is refused, with a reason for its agent; other plans' orders are not his."""
    owner, approvals = _owner()
    names = [await _waiting(approvals, number) for number in range(4)]
    foreign = await _waiting(approvals, 9, plan_id=2)
    told = await owner.look([], START)
    assert [one.text.split()[0] for one in told] == ["approves", "refuses", "approves", "approves"]
    assert told[0].text == "approves buy 0.1 limit, worth 1500.00"
    assert {(one.kind, one.plan, one.at) for one in told} == {("owner", "test", START)}
    answers = [approvals.rows[name].answer for name in names]
    assert [one.approved for one in answers if one] == [True, False, True, True]
    assert answers[1] is not None and (answers[1].by, answers[1].reason) == (NAME, REFUSAL)
    assert approvals.rows[foreign].answer is None
    assert await owner.look([], START) == []


async def test_what_is_withdrawn_meanwhile_is_passed_over() -> None:
    """It does not count as one of three."""
    owner, approvals = _owner()
    gone = await _waiting(approvals, 0)
    kept = approvals.rows[gone]
    listed = approvals.waiting

    async def withdrawn() -> list[Approval]:
        found = await listed()
        await approvals.settle(1, gone, ApprovalOutcome.CANCELED, at=START)
        return found

    approvals.waiting = withdrawn  # type: ignore[method-assign]
    assert await owner.look([], START) == []
    approvals.waiting = listed  # type: ignore[method-assign]
    await _waiting(approvals, 1)
    (told,) = await owner.look([], START)
    assert told.text.startswith("approves")
    assert Answers.of([*approvals.rows.values(), kept]) == Answers(waited=3, approved=1, refused=0, sent=0)
