"""Every shared sample payload that concerns a parser parses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kokex.adapters.okx.parse.account import parse_balances, parse_position
from kokex.adapters.okx.parse.market import parse_candle, parse_instrument, parse_ticker
from kokex.adapters.okx.parse.orders import parse_fill, parse_order_push, parse_order_row
from kokex.adapters.okx.parse.scalars import kind_of
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
    "http_get_positions": parse_position,
    "http_transaction_detail": parse_fill,
    "http_transaction_detail_empty_fee": parse_fill,
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


def rows(folder: Path, name: str) -> list[Any]:
    """The items of a sample: of its `data`, or itself."""
    decoded = json.loads((folder / "okx-samples" / f"{name}.json").read_text())
    found: list[Any] = decoded.get("data", [decoded])
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_a_shared_sample_parses(shared_folder: Path, name: str) -> None:
    """Fixtures that others made of the same protocol."""
    for row in rows(shared_folder, name):
        SAMPLES[name](json.dumps(row).encode())


def test_the_shared_spot_and_linear_swap_instruments_are_all_traded(shared_folder: Path) -> None:
    """Nothing that KOKEX should know falls through a parser's sieve."""
    for name in ("http_get_instruments_spot", "http_get_instruments_swap"):
        for row in rows(shared_folder, name):
            found = parse_instrument(json.dumps(row).encode())
            assert (found is not None) == (row["ctType"] in ("", "linear")), row["instId"]
            assert found is None or found.kind is kind_of(row["instId"])
