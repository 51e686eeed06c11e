"""Positions, balances, stops, fills and warnings: every shape that OKX documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.okx.account_channels import Reading, read_push
from kokex.adapters.okx.parse.balances import parse_balance_report
from kokex.adapters.okx.parse.orders import parse_fill_push, parse_order_push
from kokex.adapters.okx.parse.positions import parse_margin_warning, parse_position_report
from kokex.adapters.okx.parse.settings import parse_settings
from kokex.adapters.okx.parse.stops import parse_stop
from kokex.adapters.okx.wire import Frame
from kokex.domain.account import AccountSettings, PositionMode
from kokex.domain.account_reports import BalanceReport, MarginWarning, PositionReport, PositionSide, StopState
from kokex.domain.errors import DataError
from kokex.domain.instrument import Side
from tests.unit.okx.okx_fakes import item, payload

D = Decimal


def at(milliseconds: int) -> datetime:
    """Unix milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def push(name: str, **changes: Any) -> Reading:
    """A stored push, read."""
    return read_push(msgspec.json.decode(json.dumps({**payload(name), **changes}), type=Frame))


def changed(name: str, **changes: Any) -> bytes:
    """One row of a stored push with other fields."""
    return json.dumps({**json.loads(item(name)), **changes}).encode()


def test_a_net_position_is_signed_by_itself() -> None:
    """Every number exact; what is blank is unknown; news, because the frame is an event."""
    (report,) = push("ws_positions_event.json").reports
    assert isinstance(report, PositionReport)
    assert (report.inst_id, report.margin_mode, report.side) == ("BTC-USDT-SWAP", "cross", PositionSide.NET)
    assert (report.quantity, report.average_price, report.leverage) == (D("-0.03"), D(60000), D(3))
    assert (report.mark_price, report.liquidation_price, report.margin_ratio) == (D(60010), None, D("42.5"))
    assert (report.unrealised_pnl, report.realised_pnl, report.trade_id) == (D("-0.003"), D("1.2"), "900002")
    assert report.occurred_at == at(1795000006001) and not report.snapshot and report.cause is None
    assert json.loads(report.raw)["posId"] == "1752810569801498626"


def test_a_short_position_of_long_short_mode_is_negative() -> None:
    """There `pos` is positive on both sides."""
    short, long = push("ws_positions_page_2.json").reports
    assert isinstance(short, PositionReport) and isinstance(long, PositionReport)
    assert (short.side, short.quantity, short.liquidation_price) == (PositionSide.SHORT, D(-2), D("2900.1"))
    assert (long.side, long.quantity, long.margin_mode) == (PositionSide.LONG, D(5), "isolated")
    assert short.snapshot and long.snapshot


def test_a_closed_position_is_zero() -> None:
    """One frame with `pos` "0"; its entry price is gone."""
    (report,) = push("ws_positions_closed.json").reports
    assert isinstance(report, PositionReport)
    assert (report.quantity, report.average_price, report.realised_pnl) == (D(0), None, D("2.4"))
    assert report.margin_ratio is None and report.trade_id == "900003"


@pytest.mark.parametrize("kind", ["MARGIN", "FUTURES", "OPTION", "EVENTS", ""])
def test_a_position_in_something_else_is_left_out(kind: str) -> None:
    """KOKEX trades spot and swaps; a margin position's sign is told otherwise."""
    assert parse_position_report(changed("ws_positions_event.json", instType=kind)) is None
    assert parse_margin_warning(changed("ws_liquidation_warning.json", instType=kind)) is None


def test_a_position_without_a_size_is_an_error() -> None:
    """Unknown is not zero: zero would be a closed position."""
    with pytest.raises(DataError):
        parse_position_report(changed("ws_positions_event.json", pos=""))


def test_a_currency_has_what_is_held_free_and_frozen() -> None:
    """Equity has the unrealised profit, the total has not; no digit is lost."""
    (report,) = push("ws_account_event.json").reports
    assert isinstance(report, BalanceReport)
    assert (report.currency, report.total, report.equity) == (
        "USDT",
        D("1000.00000192834"),
        D("999.99700192834"),
    )
    assert (report.available, report.frozen) == (D("888.25"), D("111.75"))
    assert report.occurred_at == at(1795000006001) and not report.snapshot


def test_a_snapshot_of_balances() -> None:
    """A currency without a time of its own has the account's; a blank free balance is what is free as equity."""
    usdt, btc = push("ws_account_snapshot.json").reports
    assert isinstance(usdt, BalanceReport) and isinstance(btc, BalanceReport)
    assert usdt.snapshot and btc.snapshot
    assert (btc.available, btc.occurred_at) == (D("0.4"), at(1795000005000))


def test_an_empty_account_reports_nothing() -> None:
    """All numbers blank, no details; and that is no error."""
    empty = {"adjEq": "", "details": [], "imr": "", "totalEq": "0", "uTime": "1774795570586", "upl": ""}
    reading = push("ws_account_snapshot.json", data=[empty])
    assert reading.reports == [] and reading.flaws == []


def test_blank_numbers_are_unknown() -> None:
    """Neither zero nor an error."""
    report = parse_balance_report(
        b'{"ccy":"USDT","cashBal":"","eq":"","availBal":"","frozenBal":"","uTime":"1795000000000"}'
    )
    assert (report.total, report.available, report.frozen, report.equity) == (None, None, None, None)


def test_a_change_of_balance_and_position_says_why() -> None:
    """`eventType` is in the item; the fills that did it are named; a margin position is left out."""
    balance, position = push("ws_balance_and_position.json").reports
    assert isinstance(balance, BalanceReport) and isinstance(position, PositionReport)
    assert (balance.total, balance.cause, balance.trade_ids) == (D("1000.00000192834"), "filled", ("900002",))
    assert balance.available is None and balance.equity is None
    assert (position.quantity, position.cause, position.trade_id) == (D("-0.03"), "filled", "900002")
    assert not balance.snapshot and not position.snapshot


def test_the_first_push_of_balance_and_position_is_a_snapshot() -> None:
    """Without a cause, for nothing happened."""
    reports = push("ws_balance_and_position_snapshot.json").reports
    assert [(one.snapshot, one.cause) for one in reports if isinstance(one, BalanceReport)] == [
        (True, None)
    ] * 2


def test_a_balance_may_change_alone() -> None:
    """The side that did not change is not sent; zero is told as zero."""
    (report,) = push("ws_balance_transferred.json").reports
    assert isinstance(report, BalanceReport)
    assert (report.total, report.cause, report.trade_ids) == (D(0), "transferred", ())


def test_a_margin_warning() -> None:
    """When it was pushed, not when the position last changed."""
    (warning,) = push("ws_liquidation_warning.json").reports
    assert isinstance(warning, MarginWarning)
    assert (warning.inst_id, warning.side, warning.quantity) == ("ETH-USDT-SWAP", PositionSide.SHORT, D(-2))
    assert (warning.margin_ratio, warning.mark_price, warning.liquidation_price) == (
        D("1.35"),
        D("2890.2"),
        None,
    )
    assert warning.occurred_at == at(1795000026000)


def test_a_stop_that_waits() -> None:
    """Both of its prices; no order yet."""
    stop = parse_stop(item("ws_stop_live.json"))
    assert (stop.stop_id, stop.client_stop_id, stop.inst_id) == (
        "2600000000000000501",
        "stop1",
        "BTC-USDT-SWAP",
    )
    assert (stop.state, stop.order_type, stop.side) == (StopState.LIVE, "conditional", Side.BUY)
    assert (stop.stop_loss_price, stop.take_profit_price, stop.trigger_price) == (D(61000), D(58000), None)
    assert (stop.quantity, stop.order_ids, stop.reason) == (D("0.03"), (), None)


def test_a_triggered_stop_names_the_orders_that_it_became() -> None:
    """All of them; the old field names only the last."""
    stop = parse_stop(item("ws_stop_triggered.json"))
    assert stop.state is StopState.TRIGGERED and stop.occurred_at == at(1795000030001)
    assert stop.order_ids == ("2600000000000000777", "2600000000000000778")
    assert parse_stop(changed("ws_stop_triggered.json", ordIdList=None)).order_ids == ("2600000000000000777",)


def test_a_failed_stop_says_why() -> None:
    """By the exchange's code; without one, that there is none."""
    stop = parse_stop(item("ws_stop_failed.json"))
    assert stop.state is StopState.FAILED and stop.reason == "OKX could not place its order: error 51008"
    assert "does not say why" in (parse_stop(changed("ws_stop_failed.json", failCode="")).reason or "")


def test_a_trailing_stop_has_its_trigger_price_of_now() -> None:
    """Paused is waiting too; its only time is the push's."""
    (stop,) = push("ws_stop_trailing.json").reports
    assert stop == parse_stop(stop.raw)
    found = parse_stop(stop.raw)
    assert (found.state, found.order_type, found.trigger_price) == (
        StopState.LIVE,
        "move_order_stop",
        D("57000.5"),
    )
    assert found.client_stop_id is None and found.occurred_at == at(1795000002000)


@pytest.mark.parametrize(
    ("state", "meant"),
    [
        ("partially_effective", StopState.TRIGGERED),
        ("partially_failed", StopState.FAILED),
        ("canceled", StopState.CANCELED),
        ("pause", StopState.LIVE),
    ],
)
def test_every_state_of_a_stop_is_known(state: str, meant: StopState) -> None:
    """The lists of both channels."""
    assert parse_stop(changed("ws_stop_live.json", state=state)).state is meant


@pytest.mark.parametrize("changes", [{"sz": ""}, {"sz": "11", "tgtCcy": "quote_ccy"}])
def test_a_stop_of_unknown_quantity(changes: dict[str, str]) -> None:
    """A fraction of the position, or money."""
    assert parse_stop(changed("ws_stop_live.json", **changes)).quantity is None


def test_a_fill_ahead_of_its_order_has_no_fee() -> None:
    """A client order id "0" is none; matches at one price are one."""
    report = parse_fill_push(item("ws_fills.json"))
    fill = report.fill
    assert (fill.trade_id, fill.price, fill.quantity, fill.fee) == ("900002", D(60000), D(2), None)
    assert (report.count, fill.client_order_id, fill.maker) == (3, None, False)
    assert report.occurred_at == at(1795000006000)


def test_how_an_account_is_set_up() -> None:
    """Position mode, what the key may do, where fees are taken."""
    assert parse_settings(item("rest_settings.json")) == AccountSettings(
        account_id="4470589",
        position_mode=PositionMode.LONG_SHORT,
        margin_mode="futures",
        permissions=frozenset({"read_only", "trade"}),
        fees_in_quote=False,
    )


@pytest.mark.parametrize(
    ("side", "meant"),
    [
        ("long", PositionSide.LONG),
        ("short", PositionSide.SHORT),
        ("net", PositionSide.NET),
        ("", PositionSide.NET),
    ],
)
def test_an_order_says_whose_position_it_trades(side: str, meant: PositionSide) -> None:
    """Blank for spot."""
    assert parse_order_push(changed("ws_order_live.json", posSide=side)).position_side is meant


def test_one_bad_part_harms_only_itself() -> None:
    """A currency among currencies, a position among positions; each flaw with its own JSON."""
    frame = payload("ws_account_snapshot.json")
    frame["data"][0]["details"][0]["cashBal"] = "much"
    reading = push("ws_account_snapshot.json", data=frame["data"])
    assert [one.currency for one in reading.reports if isinstance(one, BalanceReport)] == ["BTC"]
    ((part, reason),) = reading.flaws
    assert b'"much"' in bytes(part) and "unreadable" in reason
    both = payload("ws_balance_and_position.json")
    both["data"][0]["posData"][0]["posSide"] = "sideways"
    reading = push("ws_balance_and_position.json", data=both["data"])
    assert len(reading.reports) == 1 and len(reading.flaws) == 1


@pytest.mark.parametrize("data", [[5], ["x"], [{"details": 7}], [None], [{"balData": {}}]])
@pytest.mark.parametrize("name", ["ws_account_event.json", "ws_balance_and_position.json", "ws_fills.json"])
def test_an_item_that_is_something_else_is_a_flaw(name: str, data: list[Any]) -> None:
    """Never an exception."""
    reading = push(name, data=[*payload(name)["data"], *data])
    assert reading.reports == push(name).reports


_JUNK = st.one_of(
    st.text(max_size=12),
    st.integers(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.lists(st.integers()),
)


@given(
    st.sampled_from(
        [
            "ws_positions_event.json",
            "ws_account_event.json",
            "ws_balance_and_position.json",
            "ws_stop_triggered.json",
        ]
    ),
    st.dictionaries(
        st.sampled_from(
            [
                "pos",
                "posSide",
                "uTime",
                "pTime",
                "details",
                "balData",
                "posData",
                "trades",
                "state",
                "ordIdList",
                "sz",
            ]
        ),
        _JUNK,
    ),
)
def test_no_push_breaks_more_than_itself(name: str, changes: dict[str, Any]) -> None:
    """Whatever a field holds: reports and flaws, nothing else."""
    row = {**payload(name)["data"][0], **changes}
    reading = push(name, data=[row, *payload(name)["data"]])
    assert reading.reports
