"""Every shared sample payload that concerns a parser parses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kokex.adapters.okx.account_channels import read_push
from kokex.adapters.okx.parse.account import parse_balances, parse_position
from kokex.adapters.okx.parse.market import parse_candle, parse_instrument, parse_ticker
from kokex.adapters.okx.parse.orders import parse_fill, parse_order_push, parse_order_row
from kokex.adapters.okx.parse.positions import parse_position_report
from kokex.adapters.okx.parse.scalars import kind_of
from kokex.adapters.okx.parse.stops import parse_stop
from kokex.adapters.okx.wire import Frame
from kokex.domain.account_reports import BalanceReport, PositionReport, StopReport, StopState
from kokex.domain.instrument import InstrumentKind

Parser = Callable[[bytes], object]

SAMPLES: dict[str, Parser] = {
    "http_get_account_balance": parse_balances,
    "ws_account": parse_balances,
    "ws_account_empty": parse_balances,
    "http_get_candlesticks": lambda row: parse_candle(row, InstrumentKind.SPOT),
    "http_get_candlesticks_full": lambda row: parse_candle(row, InstrumentKind.SWAP),
    "ws_candle": lambda row: parse_candle(row, InstrumentKind.SPOT),
    "http_get_instruments_spot": parse_instrument,
    "http_get_instruments_swap": parse_instrument,
    "http_get_instruments_margin": parse_instrument,
    "http_get_instruments_futures": parse_instrument,
    "http_get_instruments_option": parse_instrument,
    "http_get_orders_history": parse_order_row,
    "http_get_orders_pending": parse_order_row,
    "http_get_orders_pending_with_attached_tp_sl": parse_order_row,
    "http_get_orders_algo_history": parse_stop,
    "http_get_orders_algo_pending": parse_stop,
    "http_get_orders_algo_pending_attached_oco": parse_stop,
    "http_get_orders_algo_pending_close_fraction": parse_stop,
    "http_get_positions": parse_position,
    "http_transaction_detail": parse_fill,
    "http_transaction_detail_empty_fee": parse_fill,
    "ws_orders_algo": parse_stop,
    "ws_orders": parse_order_push,
    "ws_orders_adl": parse_order_push,
    "ws_orders_fok": parse_order_push,
    "ws_orders_ioc": parse_order_push,
    "ws_orders_liquidation": parse_order_push,
    "ws_orders_optimal_limit_ioc": parse_order_push,
    "ws_orders_option": parse_order_push,
    "ws_orders_trigger": parse_order_push,
    "ws_tickers": parse_ticker,
}

UNTOLD = {
    "ws_account_empty",
    "http_get_instruments_margin",
    "http_get_instruments_futures",
    "http_get_instruments_option",
}
"""An account with nothing in it, and instruments that KOKEX does not trade: read, and passed over."""


def rows(folder: Path, name: str) -> list[Any]:
    """The items of a sample: of its `data`, or itself."""
    decoded = json.loads((folder / "okx-samples" / f"{name}.json").read_text())
    found: list[Any] = decoded.get("data", [decoded])
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_a_shared_sample_parses(shared_folder: Path, name: str) -> None:
    """Fixtures that others made of the same protocol."""
    told = [SAMPLES[name](json.dumps(row).encode()) for row in rows(shared_folder, name)]
    assert any(told) == (name not in UNTOLD)


def test_the_shared_spot_and_linear_swap_instruments_are_all_traded(shared_folder: Path) -> None:
    """Nothing that KOKEX should know falls through a parser's sieve."""
    for name in ("http_get_instruments_spot", "http_get_instruments_swap"):
        for row in rows(shared_folder, name):
            found = parse_instrument(json.dumps(row).encode())
            assert (found is not None) == (row["ctType"] in ("", "linear")), row["instId"]
            assert found is None or found.kind is kind_of(row["instId"])


def test_the_shared_account_push_tells_each_currency(shared_folder: Path) -> None:
    """Captured: three currencies to the last digit, blank margin numbers; and an empty account, which tells nothing."""
    full, empty = (
        read_push(
            msgspec.json.decode((shared_folder / "okx-samples" / f"{name}.json").read_bytes(), type=Frame)
        )
        for name in ("ws_account", "ws_account_empty")
    )
    reports = [one for one in full.reports if isinstance(one, BalanceReport)]
    assert {one.currency: str(one.total) for one in reports} == {
        "USDT": "100.52768569797846",
        "BTC": "5.1E-9",
        "ETH": "1.85E-7",
    }
    assert all(one.available == one.total == one.equity and one.frozen == 0 for one in reports)
    assert full.flaws == [] and empty.reports == [] and empty.flaws == []


def test_the_shared_stops_tell_what_became_of_them(shared_folder: Path) -> None:
    """One instrument, five stops; those that were triggered name their orders."""
    frame = msgspec.json.decode(
        (shared_folder / "okx-samples" / "ws_orders_algo.json").read_bytes(), type=Frame
    )
    reports = [one for one in read_push(frame).reports if isinstance(one, StopReport)]
    assert [one.state for one in reports] == [
        StopState.LIVE,
        StopState.LIVE,
        StopState.TRIGGERED,
        StopState.CANCELED,
        StopState.TRIGGERED,
    ]
    assert [bool(one.order_ids) for one in reports] == [False, False, True, False, True]


def test_the_shared_position_is_a_report(shared_folder: Path) -> None:
    """Isolated, long, with every price."""
    (row,) = rows(shared_folder, "http_get_positions")
    report = parse_position_report(json.dumps(row).encode(), snapshot=True)
    assert isinstance(report, PositionReport) and report.side == "long" and report.snapshot
    assert (str(report.quantity), str(report.liquidation_price), report.margin_mode) == (
        "0.5",
        "9000",
        "isolated",
    )
