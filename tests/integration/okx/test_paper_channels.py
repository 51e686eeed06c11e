"""The account stream's other channels against the paper exchange, and its faults as the adapter meets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from kokex.adapters.okx import OKXAccountWebSocket, OKXAdapter, endpoints_for
from kokex.adapters.okx.exchange import OKXExchange
from kokex.domain.account import Credentials, Environment, ExchangeAccount, PositionMode
from kokex.domain.account_reports import (
    BalanceReport,
    FillReport,
    PositionReport,
    PositionSide,
    StopReport,
    StopState,
)
from kokex.domain.order import OrderStatus
from kokex.paper import PaperConfig, PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT, AccountConfig
from tests.contract.exchange.venue import Ear, WallClock
from tests.integration.paper.client import RestClient, rest
from tests.unit.okx.okx_fakes import until

SPOT, SWAP = "ETH-USDT", "ETH-USDT-SWAP"
D = Decimal
VIP = replace(DEFAULT_ACCOUNT, fee_tier=5)


@dataclass
class Stand:
    """A stream of every channel, the same account by hand, and the exchange's own books."""

    stream: OKXAccountWebSocket
    ear: Ear
    exchange: OKXExchange
    hand: RestClient
    server: PaperServer

    async def market(self, inst_id: str, side: str, quantity: str, **fields: Any) -> str:
        """A market order by hand; its number."""
        mode = {"tdMode": "cash", "tgtCcy": "base_ccy"} if inst_id == SPOT else {"tdMode": "cross"}
        order = {"instId": inst_id, "side": side, "ordType": "market", "sz": quantity, **mode, **fields}
        answer = await self.hand.place(**order)
        assert answer["code"] == "0", answer
        return str(answer["data"][0]["ordId"])

    async def stop(self, **fields: Any) -> str:
        """A stop by hand; its number."""
        stop = {
            "instId": SWAP,
            "tdMode": "cross",
            "side": "sell",
            "ordType": "conditional",
            "sz": "1",
            **fields,
        }
        _, answer = await self.hand.call("POST", "trade/order-algo", stop)
        assert answer["code"] == "0", answer
        return str(answer["data"][0]["algoId"])

    async def fault(self, kind: str, **fields: Any) -> None:
        """Arm a fault."""
        await self.hand.admin("POST", "faults", {"kind": kind, **fields})

    def positions(self) -> list[PositionReport]:
        """Heard so far, in order."""
        return [one for one in self.ear.reports if isinstance(one, PositionReport)]

    def balances(self) -> list[BalanceReport]:
        """Heard so far, in order."""
        return [one for one in self.ear.reports if isinstance(one, BalanceReport)]

    def stops(self) -> list[StopReport]:
        """Heard so far, in order."""
        return [one for one in self.ear.reports if isinstance(one, StopReport)]


@asynccontextmanager
async def stand(account: AccountConfig = VIP) -> AsyncIterator[Stand]:
    """Everything wanted, and both sockets standing."""
    config = PaperConfig(
        paused=True, instruments=(SPOT, SWAP), warmup_candles=50, ticks_per_candle=20, accounts=(account,)
    )
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(PaperServer(config))
        endpoints = endpoints_for("global", Environment.PAPER, paper_url=server.rest_url)
        known = ExchangeAccount(1, "paper", "okx", Environment.PAPER, endpoints)
        keys = Credentials(account.api_key, account.secret_key, account.passphrase)
        adapter, ear = OKXAdapter(WallClock()), Ear()
        stream = adapter.account_stream(known, keys, ear)
        exchange = adapter.exchange(known, keys)
        stack.push_async_callback(exchange.close)
        stream.subscribe_orders_channel()
        stream.subscribe_account_channels()
        stream.subscribe_stop_channels()
        stream.subscribe_fills_channel()
        running = asyncio.create_task(stream.run())
        stack.push_async_callback(asyncio.wait, [running])
        stack.callback(running.cancel)
        hand = await stack.enter_async_context(rest(server, account))
        await ear.until(lambda: ear.subscribed >= 1 and stream.stop_status.connected_since is not None)
        yield Stand(stream, ear, exchange, hand, server)


async def test_the_stream_begins_with_what_the_account_holds() -> None:
    """The same as what is asked for, told as a picture and not as news."""
    async with stand() as at:
        asked = {one.currency: one.total for one in await at.exchange.balances()}
        await at.ear.until(
            lambda: {one.currency for one in at.balances() if one.frozen is not None} == set(asked)
        )
        assert {one.currency: one.total for one in at.balances()} == asked
        assert all(one.snapshot and one.cause is None for one in at.balances())
        assert at.positions() == [] == await at.exchange.positions()
        settings = await at.exchange.settings()
        assert settings.position_mode is PositionMode.NET and "trade" in settings.permissions


async def test_a_position_is_opened_reduced_and_closed() -> None:
    """Each change with its cause and its fill; the last report is zero; equal to the last digit to what is asked for."""
    async with stand() as at:
        await at.market(SWAP, "buy", "3")
        await at.ear.until(lambda: any(one.quantity == 3 and one.mark_price for one in at.positions()))
        (asked,) = await at.exchange.positions()
        heard = next(one for one in at.positions() if one.mark_price)
        assert replace(heard, snapshot=True, raw=b"", occurred_at=asked.occurred_at) == replace(
            asked, raw=b""
        )
        told = next(one for one in at.positions() if one.cause == "filled")
        fill = (await at.exchange.fills(SWAP, at.ear.updates[0].update.created_at))[0]
        assert told.trade_id == fill.trade_id and told.quantity == 3
        await at.market(SWAP, "sell", "1")
        await at.market(SWAP, "sell", "2")
        await at.ear.until(
            lambda: any(one.quantity == 0 and one.mark_price is not None for one in at.positions())
        )
        sizes = list(dict.fromkeys(one.quantity for one in at.positions() if one.cause == "filled"))
        assert sizes == [D(3), D(2), D(0)]
        assert await at.exchange.positions() == [] and at.ear.flaws == []


async def test_a_balance_changes_with_its_cause() -> None:
    """A purchase and a transfer; the fills that did it are named."""
    async with stand() as at:
        await at.market(SPOT, "buy", "0.5")
        await at.ear.until(lambda: any(one.cause == "filled" for one in at.balances()))
        trade_ids = {one.update.fill.trade_id for one in at.ear.updates if one.update.fill is not None}
        named = {trade for one in at.balances() for trade in one.trade_ids}
        assert named and named <= trade_ids
        await at.hand.admin(
            "POST", "transfer", {"account": VIP.api_key, "currency": "USDT", "amount": "-100"}
        )
        await at.ear.until(lambda: any(one.cause == "transferred" for one in at.balances()))
        asked = {one.currency: one.total for one in await at.exchange.balances()}
        last = {one.currency: one.total for one in at.balances() if one.cause is not None}
        assert last == {currency: asked[currency] for currency in last} and set(last) == {"ETH", "USDT"}


async def test_fills_come_where_the_tier_has_them() -> None:
    """The same executions as in the orders' pushes, without their fees."""
    async with stand() as at:
        await at.market(SPOT, "buy", "0.5")
        await at.ear.until(lambda: any(one.update.status is OrderStatus.FILLED for one in at.ear.updates))
        await at.ear.until(lambda: any(isinstance(one, FillReport) for one in at.ear.reports))
        pushed = {one.update.fill.trade_id: one.update.fill for one in at.ear.updates if one.update.fill}
        for report in at.ear.reports:
            if isinstance(report, FillReport):
                fill = pushed[report.fill.trade_id]
                assert (report.fill.price, report.fill.fee) == (fill.price, None)
        assert at.ear.refused == []


async def test_a_tier_without_fills_is_told_once() -> None:
    """And nothing else is harmed, not after a reconnect either."""
    async with stand(DEFAULT_ACCOUNT) as at:
        await at.hand.admin("POST", "disconnect", {})
        await at.ear.until(lambda: len(at.ear.losses) == 1)
        await at.ear.until(lambda: at.stream.status.connected_since is not None)
        await at.market(SPOT, "buy", "0.5")
        await at.ear.until(lambda: bool(at.ear.updates) and any(one.cause for one in at.balances()))
        ((channel, inst_id, reason),) = at.ear.refused
        assert (channel, inst_id) == ("fills", "") and reason.startswith("64003")


async def test_a_stop_waits_is_triggered_and_names_its_order() -> None:
    """The order that it became is heard on the orders channel, under the id that the stop names."""
    async with stand() as at:
        await at.market(SWAP, "buy", "2")
        price = (await at.exchange.ticker(SWAP)).last
        number = await at.stop(sz="2", slTriggerPx=str(price - 1), slOrdPx="-1", reduceOnly="true")
        await at.ear.until(lambda: any(one.state is StopState.LIVE for one in at.stops()))
        (waiting,) = await at.exchange.open_stops(SWAP)
        assert waiting.stop_id == number and waiting.stop_loss_price == price - 1
        for _ in range(200):
            if await at.exchange.open_stops(SWAP) == []:
                break
            await at.hand.admin("POST", "clock", {"step_ticks": 5})
        await at.ear.until(lambda: any(one.state is StopState.TRIGGERED for one in at.stops()))
        triggered = next(one for one in at.stops() if one.state is StopState.TRIGGERED)
        await at.ear.until(lambda: any(one.update.order_id in triggered.order_ids for one in at.ear.updates))
        asked = await at.exchange.stop(number)
        assert asked is not None and asked.state is StopState.TRIGGERED
        assert asked.order_ids == triggered.order_ids and at.ear.flaws == []


async def test_a_stop_that_is_canceled_and_one_that_trails() -> None:
    """Trailing stops have a channel of their own."""
    async with stand() as at:
        number = await at.stop(ordType="trigger", triggerPx="100", orderPx="-1", side="buy")
        trailing = await at.stop(ordType="move_order_stop", callbackRatio="0.05", side="sell")
        await at.ear.until(lambda: {one.stop_id for one in at.stops()} >= {number, trailing})
        assert {one.stop_id for one in await at.exchange.open_stops()} == {number, trailing}
        _, answer = await at.hand.call("POST", "trade/cancel-algos", [{"instId": SWAP, "algoId": number}])
        assert answer["code"] == "0", answer
        await at.ear.until(lambda: any(one.state is StopState.CANCELED for one in at.stops()))
        assert [one.stop_id for one in await at.exchange.open_stops()] == [trailing]


async def test_long_and_short_side_by_side() -> None:
    """An account in long/short mode: orders carry their side, a short position is negative."""
    async with stand() as at:
        _, answer = await at.hand.call("POST", "account/set-position-mode", {"posMode": "long_short_mode"})
        assert answer["code"] == "0", answer
        await at.market(SWAP, "buy", "3", posSide="long")
        await at.market(SWAP, "sell", "2", posSide="short")
        await at.ear.until(lambda: {one.quantity for one in at.positions()} >= {D(3), D(-2)})
        assert {one.update.position_side for one in at.ear.updates} == {PositionSide.LONG, PositionSide.SHORT}
        asked = {(one.side, one.quantity) for one in await at.exchange.positions()}
        assert asked == {(PositionSide.LONG, D(3)), (PositionSide.SHORT, D(-2))}
        assert (await at.exchange.settings()).position_mode is PositionMode.LONG_SHORT


@pytest.mark.parametrize("kind", ["truncate_frame", "malformed_frame"])
async def test_a_frame_that_cannot_be_read_is_kept_and_told(kind: str) -> None:
    """The connection stays; what the frame may have said can be asked for."""
    async with stand() as at:
        await at.fault(kind)
        number = await at.market(SPOT, "buy", "0.5")
        await at.ear.until(lambda: bool(at.ear.flaws))
        row = await at.exchange.order(SPOT, order_id=number)
        assert row is not None and row.status is OrderStatus.FILLED
        status = (at.stream.status, at.stream.stop_status)
        assert sum(one.malformed_count for one in status) == 1 and at.ear.losses == []


async def test_a_full_fill_without_a_trade_id_is_asked_for() -> None:
    """Not told without its execution: whoever asks finds it with its id, price and fee."""
    async with stand() as at:
        await at.fault("fill_without_trade_id")
        number = await at.market(SPOT, "buy", "0.5")
        await at.ear.until(lambda: bool(at.ear.flaws))
        assert "no execution was pushed" in at.ear.flaws[0] and number in at.ear.flaws[0]
        assert not any(one.update.status is OrderStatus.FILLED for one in at.ear.updates)
        row = await at.exchange.order(SPOT, order_id=number)
        assert row is not None
        fills = [one for one in await at.exchange.fills(SPOT, row.created_at) if one.order_id == number]
        assert sum(one.quantity for one in fills) == row.filled_quantity == D("0.5")
        assert all(one.trade_id and one.fee for one in fills)


async def test_a_restart_with_its_deadline_is_no_loss() -> None:
    """The server closes soon after its notice; before that everything comes over the new connection."""
    async with stand() as at:
        await at.fault("restart_notice", seconds=1.0)
        first = await at.market(SPOT, "buy", "0.1")
        await at.ear.until(lambda: any(one.update.order_id == first for one in at.ear.updates))
        await until(lambda: at.stream.status.handovers + at.stream.stop_status.handovers == 1)
        second = await at.market(SPOT, "sell", "0.1")
        await at.ear.until(lambda: any(one.update.order_id == second for one in at.ear.updates))
        assert at.ear.losses == [] and at.stream.status.reconnects == 0
