"""Balances and positions."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kokex.adapters.okx.parse.account import account_snapshot, net_positions, parse_balances, parse_position
from kokex.domain.errors import DataError
from tests.builders import START
from tests.unit.okx.okx_fakes import item

D = Decimal


def test_balances_by_currency() -> None:
    """A blank available balance is what is not frozen."""
    found = parse_balances(item("rest_balance.json"))
    assert (found["USDT"].total, found["USDT"].available, found["USDT"].frozen) == (D(1000), D(900), D(100))
    assert (found["ETH"].total, found["ETH"].available, found["ETH"].frozen) == (D("0.5"), D("0.5"), D(0))


def test_an_empty_account_holds_nothing() -> None:
    """Its numbers are blank and its details an empty list."""
    snapshot = account_snapshot(parse_balances(item("rest_balance_empty.json")), [], START)
    assert snapshot.balances == {} and snapshot.available("USDT") == 0


def test_a_balance_without_any_total_is_an_error() -> None:
    """Unknown is never zero."""
    with pytest.raises(DataError):
        parse_balances(b'{"details":[{"ccy":"USDT","cashBal":"","eq":""}]}')


def test_a_position_is_signed() -> None:
    """Net mode signs `pos` itself; in long/short mode the side tells."""
    short = parse_position(item("rest_positions.json"))
    assert (short.inst_id, short.quantity, short.average_price) == ("BTC-USDT-SWAP", D(-3), D(60000))
    assert (short.unrealised_pnl, short.leverage) == (D("-1.25"), D(3))
    assert parse_position(item("rest_positions.json", 2)).quantity == D(-2)


def test_positions_are_netted_by_instrument_and_closed_ones_left_out() -> None:
    """5 long and 2 short are 3; their common entry price is unknown."""
    found = net_positions(parse_position(item("rest_positions.json", index)) for index in range(4))
    assert set(found) == {"BTC-USDT-SWAP", "ETH-USDT-SWAP"}
    both = found["ETH-USDT-SWAP"]
    assert (both.quantity, both.average_price, both.unrealised_pnl, both.leverage) == (D(3), None, D(5), D(3))
