"""The demo's end: both books are computed apart, and any difference is found and named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console

from kokex.demo.commands import Shown
from kokex.demo.options import LIMITS, MarketChoice
from kokex.demo.records import Answers, Desk, Record
from kokex.demo.story import closing
from kokex.demo.summary import compare, exact, exchange_identity
from kokex.domain.candle import Interval
from kokex.domain.events import EventSource, OrderEvent, classify
from kokex.domain.forecast_skill import TOO_FEW, ForecastSkill
from kokex.domain.instrument import Side
from kokex.domain.order import Fill, OrderStatus, OrderUpdate
from kokex.domain.plan import Plan, PlanStatus
from kokex.ports.store import TurnTally
from tests.builders import ETH

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan(1, "demo", 1, "ETH-USDT", Interval("1H"), PlanStatus.STOPPED, NOW, LIMITS)
BUY = Fill(
    "ETH-USDT",
    "11",
    "t1",
    Side.BUY,
    Decimal("2500.01"),
    Decimal("0.4"),
    Decimal("-0.0004"),
    "ETH",
    False,
    NOW,
)
SELL = Fill(
    "ETH-USDT",
    "12",
    "t2",
    Side.SELL,
    Decimal("2510.5"),
    Decimal("0.3"),
    Decimal("-0.60252"),
    "USDT",
    True,
    NOW,
)


def event(number: int, fill: Fill | None, status: OrderStatus, order_id: str) -> OrderEvent:
    """A journalled event."""
    update = OrderUpdate(
        inst_id="ETH-USDT", order_id=order_id, client_order_id=None, side=Side.BUY, order_type="limit",
        status=status, quantity=Decimal("0.4"), price=None, filled_quantity=fill.quantity if fill else Decimal(0),
        average_price=None, fee=None, fee_currency=None, created_at=NOW, occurred_at=NOW, fill=fill,
    )  # fmt: skip
    told = classify(update)
    return OrderEvent(
        number, 1, 1, told.event_type, told.kind, told.event_key, update, EventSource.STREAM, False, NOW
    )


DESKS = (
    Desk(PLAN, 1, TurnTally({"events": 3, "forecast": 2}, 2, 3, 0), {"short_not_allowed": 1}, 0, 0, 0, Decimal(0)),
    Desk(
        replace(PLAN, id=2, name="language"), 1, TurnTally({"forecast": 4, "user": 1}, 1, 3, 1),
        {"order_too_large": 1}, 9, 1200, 80, Decimal("0.0003"), Answers(4, 2, 1, 1),
    ),
)  # fmt: skip
RECORD = Record(
    plan=PLAN,
    instrument=ETH,
    fills=(BUY, SELL),
    events=(
        event(1, None, OrderStatus.ACCEPTED, "11"),
        event(2, BUY, OrderStatus.FILLED, "11"),
        event(3, SELL, OrderStatus.FILLED, "12"),
        event(4, None, OrderStatus.CANCELED, "13"),
    ),
    events_counted=4,
    decisions=9,
    denied=2,
    forecaster="block_bootstrap",
    skill=ForecastSkill(3, 1, TOO_FEW, NOW, NOW),
    desks=DESKS,
)
MADE = [
    {"ordId": "11", "state": "live", "tradeId": ""},
    {"ordId": "11", "state": "filled", "tradeId": "t1"},
    {"ordId": "12", "state": "filled", "tradeId": "t2"},
    {"ordId": "13", "state": "canceled", "tradeId": ""},
]
HELD = Decimal("0.0996")
CASH = (
    Decimal("10000")
    - Decimal("0.4") * Decimal("2500.01")
    + Decimal("0.3") * Decimal("2510.5")
    - Decimal("0.60252")
)
PRICE = Decimal("2499.99")


def books(**changes: Any) -> dict[str, Any]:
    """The exchange's books after both fills, worked out by hand."""
    equity = CASH + HELD * PRICE
    return {
        "marks": {"ETH-USDT": "2499.99"},
        "prices": {"USDT": "1", "ETH": "2499.99"},
        "initial_balances": {"USDT": "10000"},
        "balances": {"USDT": str(CASH), "ETH": str(HELD)},
        "equity": str(equity),
        "pnl": str(equity - 10000),
    } | changes


def words(summary: Any) -> str:
    """What a person reads."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(closing(summary, MarketChoice(7, 3600.0, None)))
    return capture.get()


def test_books_that_agree_agree_to_the_last_digit() -> None:
    """The keys and kinds of values are those that were promised."""
    shown = Shown(("decision", "replay", "7"), 0, "it comes out identical")
    summary = replace(compare(RECORD, books(), MADE), hours=24.5, mishaps={"HTTP 429": 2}, shown=(shown,))
    assert summary.agrees
    pnl = exact(CASH + HELD * PRICE - 10000)
    assert summary.document() == {
        "fills": 2,
        "decisions": 9,
        "denied": 2,
        "events_exchange": 4,
        "events_journal": 4,
        "pnl_exchange": pnl,
        "pnl_journal": pnl,
        "equity": exact(CASH + HELD * PRICE),
        "forecaster": "block_bootstrap",
        "model": None,
        "market_hours": 24.5,
        "triggers": {"forecast": 6, "order_event": 3, "user": 1},
        "acted": 3,
        "held": 6,
        "failed": 1,
        "denials": {"order_too_large": 1, "short_not_allowed": 1},
        "approvals": {"approved": 2, "refused": 1, "sent": 1, "waited": 4},
        "tokens_in": 1200,
        "tokens_out": 80,
        "cost_usd": "0.0003",
        "mishaps": {"HTTP 429": 2},
        "plans": [desk.document() for desk in DESKS],
        "commands": [
            {"command": "kokex decision replay 7", "exit_code": 0, "output": "it comes out identical"}
        ],
    }
    told = words(summary)
    assert "24.5 hours of market time" in told
    assert "woken by 4 forecast, 1 user; denied: 1 order_too_large" in told
    assert "4 orders waited for the owner: 2 approved (1 sent), 1 refused" in told
    assert told.count("waited for the owner") == 1
    assert "9 requests to the scripted model, 1200 tokens read and 80 written, 0.0003 US dollars" in told
    assert "wrong on purpose: 2 HTTP 429" in told
    assert "The two agree to the last digit." in words(summary)


def test_the_end_promises_nothing() -> None:
    """The forecaster is named, the market is called made up; of skill no more is said than was measured."""
    shown = words(compare(RECORD, books(), MADE))
    assert "Forecaster: block_bootstrap." in shown
    assert "against what came: too few to say: 3 of 30 forecasts" in shown
    assert "a made-up market (seed 7)" in shown
    assert "says nothing about what a real market would have paid" in shown


def test_one_unit_in_the_last_place_is_a_difference() -> None:
    """Of a balance with twenty digits."""
    summary = compare(RECORD, books(balances={"USDT": str(CASH), "ETH": "0.09960000000000000001"}), MADE)
    assert summary.differences == (
        "ETH: 0.0996 in the database, 0.09960000000000000001 in the exchange's books",
    )
    assert "DISAGREE" in words(summary)


def test_a_lost_event_is_named() -> None:
    """By order and by what it was, though every sum still agrees."""
    record = replace(RECORD, events=RECORD.events[:3], events_counted=3)
    summary = compare(record, books(), MADE)
    assert summary.differences == (
        "order events: 3 in the database, 4 in the exchange's books",
        "the journal lacks canceled of order 13",
    )


def test_a_lost_fill_shows_in_every_figure() -> None:
    """Count, balances, profit, equity."""
    summary = compare(replace(RECORD, fills=(BUY,)), books(), MADE)
    named = {difference.split(":")[0] for difference in summary.differences}
    assert named == {"fills", "ETH", "USDT", "P&L after fees", "equity"}


def test_an_event_that_never_was_is_named() -> None:
    """The journal cannot know more than the exchange."""
    summary = compare(RECORD, books(), MADE[:3])
    assert "the exchange never made canceled of order 13" in summary.differences


def test_events_are_told_apart_as_the_exchange_does() -> None:
    """A fill by its trade, everything else by its state."""
    assert exchange_identity({"ordId": "1", "state": "partially_filled", "tradeId": "7"}) == ("1", "fill:7")
    assert exchange_identity({"ordId": "1", "state": "mmp_canceled", "tradeId": ""}) == ("1", "canceled")


def test_nothing_is_rounded() -> None:
    """Sums of thirty digits and more stay whole."""
    fine = replace(
        BUY, price=Decimal("12345678901234.00000001"), quantity=Decimal("1.00000000000001"), fee=None
    )
    record = replace(RECORD, fills=(fine,), events=RECORD.events[1:2], events_counted=1)
    usdt = next(row for row in compare(record, books(), MADE[1:2]).rows if row.name == "USDT")
    assert usdt.journal == "-12345678891234.1234567990123400000001"
