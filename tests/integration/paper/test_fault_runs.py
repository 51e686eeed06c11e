"""Whole runs under many faults at once: they repeat, and the exchange's own record stays right."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from kokex.paper import PaperConfig, PaperServer
from kokex.paper.faults import KINDS, Fault, FaultPlan
from kokex.paper.faults.kinds import Site
from kokex.paper.ledger.account import Account
from tests.integration.paper.client import SPOT, SWAP, RestClient, connect, rest

_WITHOUT_TIME = {"slow_rest": 0.001, "delay_frame": 0.001, "reorder_frame": 30.0, "restart_notice": 30.0}
ORDERS_A_RUN = 30


def everything(seed: int) -> FaultPlan:
    """Every kind at once, each now and then; logins, whose refusal would end the listening, apart."""
    faults = []
    for kind in KINDS.values():
        if kind.site in (Site.LOGIN, Site.SUBSCRIPTION, Site.CANDLE, Site.CLOCK):
            continue
        channel = "orders" if kind.site is Site.PUSH else ""
        rate = 0.02 if kind.name in ("stall", "stall_with_pongs", "cut_socket", "close_socket") else 0.1
        seconds = _WITHOUT_TIME.get(kind.name)
        faults.append(Fault(kind=kind.name, channel=channel, probability=rate, seconds=seconds))
    return FaultPlan(tuple(faults), seed)


@dataclass
class Run:
    """What is left of a run."""

    strikes: list[tuple[str, int, str, str]]
    events: list[bytes]
    account: Account
    server: PaperServer


async def attempt(client: RestClient, method: str, path: str, body: Any = None) -> None:
    """A call whatever becomes of it."""
    try:
        await client.call(method, path, body)
    except (aiohttp.ClientError, ValueError):
        return


async def trade(seed: int) -> Run:
    """The same commands, one after the other, in a market that stands still between them."""
    config = PaperConfig(
        paused=True, ticks_per_candle=40, warmup_candles=50, instruments=(SPOT, SWAP), rate_limits=False
    )
    async with PaperServer(config) as server, rest(server) as client, connect(server, "private") as socket:
        assert (await socket.login())["code"] == "0"
        await socket.subscribe({"channel": "orders", "instType": "ANY"})
        server.faults.arm_plan(everything(seed))
        mark = server.exchange.marks[SPOT]
        for number in range(ORDERS_A_RUN):
            name = f"n{number}"
            spot = {"instId": SPOT, "tdMode": "cash", "clOrdId": name, "sz": "0.1"}
            price = str((mark * Decimal("0.99")).quantize(Decimal("0.01")))
            kinds = (
                {**spot, "side": "buy", "ordType": "market", "tgtCcy": "base_ccy"},
                {**spot, "side": "buy", "ordType": "limit", "px": price},
                {**spot, "side": "buy", "ordType": "post_only", "px": price},
                {**spot, "instId": SWAP, "tdMode": "cross", "side": "sell", "ordType": "market"},
            )
            await attempt(client, "POST", "trade/order", kinds[number % 4])
            if number % 4 == 1:
                change = {"instId": SPOT, "clOrdId": name, "newSz": "0.2", "reqId": f"r{number}"}
                await attempt(client, "POST", "trade/amend-order", change)
                await attempt(client, "POST", "trade/cancel-order", {"instId": SPOT, "clOrdId": name})
            await attempt(client, "GET", "trade/orders-pending")
            await attempt(client, "GET", f"market/ticker?instId={SPOT}")
            server.exchange.advance(server.exchange.now_ms + 600_000)
            server.publisher.flush(force=True)
        [account] = server.exchange.accounts.values()
        strikes = [(one.kind, one.occasion, one.path, one.detail) for one in server.faults.strikes()]
        events = [event.payload for event in server.exchange.records.events[account.uid]]
        return Run(strikes, events, account, server)


def check_record(run: Run) -> None:
    """Balances are what the bills say, executions what the orders say, and every order has one story."""
    records, uid = run.server.exchange.records, run.account.uid
    moved: dict[str, Decimal] = defaultdict(Decimal)
    for bill in records.bills[uid]:
        moved[bill.currency] += bill.change
    assert {name: amount for name, amount in moved.items() if amount} == {
        name: amount for name, amount in run.account.cash.items() if amount
    }
    filled: dict[int, Decimal] = defaultdict(Decimal)
    for fill in records.fills[uid]:
        filled[fill.order_id] += fill.quantity
    for order in records.orders_of(uid):
        assert order.instrument.size(order.filled_lots) == filled[order.order_id]
        story = [one for one in records.events[uid] if one.order_id == str(order.order_id)]
        assert story[-1].state == order.state
        totals = [Decimal(one.filled) for one in story]
        assert totals == sorted(totals)
        assert sum(1 for one in story if one.state in ("filled", "canceled")) <= 1
    names = [order.client_order_id for order in records.orders_of(uid)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_run_repeats_and_the_record_stays_right(seed: int) -> None:
    """The same seed strikes the same occasions and leaves the same events; the books balance."""
    first = await trade(seed)
    check_record(first)
    assert len({kind for kind, *_ in first.strikes}) > 10
    second = await trade(seed)
    assert second.strikes == first.strikes
    assert second.events == first.events


async def test_another_seed_is_another_run() -> None:
    """Other occasions are struck."""
    one, other = await asyncio.gather(trade(1), trade(2))
    assert one.strikes != other.strikes
