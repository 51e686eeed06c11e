"""How long the risk gate thinks, with every limit set, orders pending and neighbours."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from benchmarks.figures import Figure
from kokex.domain.grant import Grant
from kokex.domain.instrument import Instrument, InstrumentKind, Side
from kokex.domain.limits import Protections, RiskLimits
from kokex.domain.order import Order, OrderRequest, OrderStatus, OrderType
from kokex.domain.plan import PlanStatus
from kokex.domain.results import Worth
from kokex.domain.risk import Approved, RiskState, check
from kokex.domain.risk.state import Neighbours, Performance, RecentOrder

ROUNDS, CALLS = 50, 2000
_AT = datetime(2026, 1, 1, tzinfo=UTC)

_LIMITS = RiskLimits(
    max_order_share=Decimal("0.9"),
    max_position_share=Decimal(1),
    max_account_notional=Decimal(90_000),
    max_leverage=Decimal(3),
    max_orders_per_day=1000,
    repeat_distance=Decimal("0.001"),
    capital=Decimal(5000),
    max_single_order_ratio=Decimal("0.9"),
    protections=Protections(Decimal(100), Decimal("0.2"), 3, 2),
)
_ETH = Instrument(
    "ETH-USDT",
    InstrumentKind.SPOT,
    "ETH",
    "USDT",
    "",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.000001"),
    min_quantity=Decimal("0.001"),
)


def measure() -> tuple[list[Figure], dict[str, Any]]:
    """The figure, and the processor time of each call in microseconds, by round."""
    request = OrderRequest(
        "KXtestP1D1S0", 1, "ETH-USDT", Side.BUY, OrderType.LIMIT, Decimal("0.1"), Decimal("2000.00")
    )
    state = _state()
    assert isinstance(check(request, _LIMITS, state), Approved), "every rule must be asked"
    rounds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(CALLS):
            check(request, _LIMITS, state)
        rounds.append((time.process_time() - begun) / CALLS * 1e6)
    rounds.sort()
    middle = rounds[len(rounds) // 2]
    note = "processor time of one check through every rule, four orders pending, four of neighbours"
    figure = Figure("risk", "risk gate", f"{middle:.0f} us", "under 50 us", middle < 50, note)
    return [figure], {"microseconds": rounds}


def _state() -> RiskState:
    pending = tuple(_order(number) for number in range(4))
    others = tuple(replace(order, plan_id=2, side=Side.SELL, price=Decimal(2100)) for order in pending)
    return RiskState(
        instrument=_ETH,
        plan_status=PlanStatus.RUNNING,
        reconciled=True,
        last_price=Decimal(2000),
        quantity=Decimal("0.1"),
        pending=pending,
        free_cash=Decimal(10_000),
        orders_last_minute=5,
        checked_at=_AT,
        mark_price=Decimal(2001),
        orders_today=50,
        recent=tuple(RecentOrder(Side.SELL, Decimal(2000), _AT) for _ in range(5)),
        performance=Performance(Worth(_AT, Decimal(1), Decimal(0), Decimal(5)), Decimal(2), 1, _AT, (_AT,)),
        neighbours=Neighbours(Decimal(10_000), Decimal(3000), others, Decimal(10)),
        grant=Grant(frozenset(Side), Decimal(1000), 5),
    )


def _order(number: int) -> Order:
    return Order(
        client_order_id=f"KXtestP1D1S{number}",
        order_id=str(number),
        plan_id=1,
        account_id=1,
        inst_id="ETH-USDT",
        side=Side.BUY,
        order_type="limit",
        quantity=Decimal("0.01"),
        price=Decimal(1990 - number),
        status=OrderStatus.ACCEPTED,
        created_at=_AT,
        updated_at=_AT,
    )
