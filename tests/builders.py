"""Values for tests: valid by default, each field open to change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kokex.domain.account_reports import (
    BalanceReport,
    MarginWarning,
    PositionReport,
    PositionSide,
    StopReport,
    StopState,
)
from kokex.domain.candle import Interval
from kokex.domain.instrument import Instrument, InstrumentKind, Side
from kokex.domain.order import Fill, Order, OrderRequest, OrderStatus, OrderType, OrderUpdate
from kokex.domain.plan import AgentSettings, Plan, PlanStatus, TradingTool
from kokex.domain.risk import RiskState

START = datetime(2026, 1, 1, tzinfo=UTC)
TRADES = frozenset(TradingTool)
"""What a plan is granted whose agent may trade."""

ETH = Instrument(
    inst_id="ETH-USDT",
    kind=InstrumentKind.SPOT,
    base_currency="ETH",
    quote_currency="USDT",
    settle_currency="",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.000001"),
    min_quantity=Decimal("0.001"),
)
ETH_SWAP = Instrument(
    inst_id="ETH-USDT-SWAP",
    kind=InstrumentKind.SWAP,
    base_currency="ETH",
    quote_currency="USDT",
    settle_currency="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.01"),
    min_quantity=Decimal("0.01"),
    contract_value=Decimal("0.1"),
)


def request(**changes: Any) -> OrderRequest:
    """A limit buy of 0.1 ETH at 2000."""
    made = OrderRequest(
        "KXtestP1D1S0", 1, "ETH-USDT", Side.BUY, OrderType.LIMIT, Decimal("0.1"), Decimal("2000.00")
    )
    return replace(made, **changes)


def risk_state(**changes: Any) -> RiskState:
    """A running, reconciled plan with nothing held, 10,000 USDT free and a last price of 2000."""
    made = RiskState(
        instrument=ETH,
        plan_status=PlanStatus.RUNNING,
        reconciled=True,
        last_price=Decimal(2000),
        quantity=Decimal(0),
        pending=(),
        free_cash=Decimal(10_000),
        orders_last_minute=0,
        checked_at=START,
    )
    return replace(made, **changes)


def order(**changes: Any) -> Order:
    """Our limit buy of 0.1 ETH, submitted."""
    made = Order(
        client_order_id="KXtestP1D1S0",
        order_id=None,
        plan_id=1,
        account_id=1,
        inst_id="ETH-USDT",
        side=Side.BUY,
        order_type="limit",
        quantity=Decimal("0.1"),
        price=Decimal(2000),
        status=OrderStatus.SUBMITTED,
        created_at=START,
        updated_at=START,
        decision_id=1,
        step=0,
    )
    return replace(made, **changes)


def fill(number: int = 1, **changes: Any) -> Fill:
    """0.04 ETH bought at 2000 for a fee in ETH."""
    made = Fill(
        inst_id="ETH-USDT",
        order_id="9001",
        trade_id=str(number),
        side=Side.BUY,
        price=Decimal(2000),
        quantity=Decimal("0.04"),
        fee=Decimal("-0.00004"),
        fee_currency="ETH",
        maker=False,
        occurred_at=START + timedelta(seconds=number),
        client_order_id="KXtestP1D1S0",
    )
    return replace(made, **changes)


def update(**changes: Any) -> OrderUpdate:
    """The exchange accepted our limit buy of 0.1 ETH."""
    made = OrderUpdate(
        inst_id="ETH-USDT",
        order_id="9001",
        client_order_id="KXtestP1D1S0",
        side=Side.BUY,
        order_type="limit",
        status=OrderStatus.ACCEPTED,
        quantity=Decimal("0.1"),
        price=Decimal(2000),
        filled_quantity=Decimal(0),
        average_price=None,
        fee=None,
        fee_currency=None,
        created_at=START,
        occurred_at=START,
        raw=b'{"ordId":"9001"}',
    )
    return replace(made, **changes)


def plan(**changes: Any) -> Plan:
    """A running ETH-USDT 1H plan."""
    made = Plan(
        1,
        "test",
        1,
        "ETH-USDT",
        Interval("1H"),
        PlanStatus.RUNNING,
        START,
        agent=AgentSettings(trading_tools=TRADES),
    )
    return replace(made, **changes)


def position_report(quantity: str | int = 1, second: float = 0, **changes: Any) -> PositionReport:
    """The net position in ETH-USDT-SWAP, `second` seconds after the start."""
    made = PositionReport(
        inst_id="ETH-USDT-SWAP",
        margin_mode="cross",
        side=PositionSide.NET,
        quantity=Decimal(quantity),
        average_price=Decimal(2000),
        occurred_at=START + timedelta(seconds=second),
        raw=b'{"instId":"ETH-USDT-SWAP"}',
    )
    return replace(made, **changes)


def balance_report(total: str | int = 100, second: float = 0, **changes: Any) -> BalanceReport:
    """The USDT of an account, `second` seconds after the start."""
    made = BalanceReport(
        "USDT", Decimal(total), START + timedelta(seconds=second), raw=b'{"ccy":"USDT","cashBal":"100"}'
    )
    return replace(made, **changes)


def stop_report(state: StopState = StopState.LIVE, second: float = 0, **changes: Any) -> StopReport:
    """A stop-loss on the ETH-USDT-SWAP position, `second` seconds after the start."""
    made = StopReport(
        stop_id="700",
        client_stop_id=None,
        inst_id="ETH-USDT-SWAP",
        side=Side.SELL,
        order_type="conditional",
        state=state,
        quantity=Decimal(1),
        occurred_at=START + timedelta(seconds=second),
        stop_loss_price=Decimal(1900),
        raw=b'{"algoId":"700"}',
    )
    return replace(made, **changes)


def margin_warning(second: float = 0, **changes: Any) -> MarginWarning:
    """The ETH-USDT-SWAP position is near its liquidation."""
    made = MarginWarning(
        inst_id="ETH-USDT-SWAP",
        margin_mode="cross",
        side=PositionSide.NET,
        quantity=Decimal(1),
        occurred_at=START + timedelta(seconds=second),
        margin_ratio=Decimal("1.1"),
    )
    return replace(made, **changes)
