"""The account stream's other channels: two sockets, snapshots in pages, refusals, flaws, missing executions."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from kokex.adapters.okx import conversation
from kokex.adapters.okx.fill_gaps import FillGaps
from kokex.adapters.okx.http import HttpAnswer
from kokex.adapters.okx.parse.orders import parse_order_push
from kokex.adapters.okx.rate_limit import Budget
from kokex.domain.account_reports import BalanceReport, MarginWarning, PositionReport, StopReport, StopState
from tests.builders import START
from tests.unit.okx.account_stage import RealClock, Stage, order_push, stage
from tests.unit.okx.okx_fakes import item, ok, payload, socket_server, until


async def test_positions_balances_and_warnings_come_over_the_private_socket() -> None:
    """Events only: the regular pushes say nothing new."""
    async with stage(start=False) as at:
        at.stream.subscribe_account_channels()
        await at.ready()
        asked = {one["channel"]: one for one in at.server.subscribed()}
        assert asked == {
            "orders": {"channel": "orders", "instId": "ETH-USDT", "instType": "SPOT"},
            "positions": {
                "channel": "positions",
                "instType": "SWAP",
                "extraParams": '{"updateInterval": "0"}',
            },
            "account": {"channel": "account", "extraParams": '{"updateInterval": "0"}'},
            "balance_and_position": {"channel": "balance_and_position"},
            "liquidation-warning": {"channel": "liquidation-warning", "instType": "SWAP"},
        }
        await at.server.push(
            payload("ws_positions_event.json"),
            payload("ws_account_event.json"),
            payload("ws_balance_and_position.json"),
            payload("ws_liquidation_warning.json"),
        )
        await until(lambda: len(at.listener.reports) == 5)
        kinds = [PositionReport, BalanceReport, BalanceReport, PositionReport, MarginWarning]
        assert [type(one) for one in at.listener.reports] == kinds
        assert at.stream.status.events == 5 and at.server.paths == ["private"]
        at.stream.unsubscribe_account_channels()
        await until(lambda: at.server.received[0][-1]["op"] == "unsubscribe")
        assert len(at.server.received[0][-1]["args"]) == 4


async def test_stops_come_over_a_socket_of_their_own_that_logs_in() -> None:
    """Open while they are wanted; its return is told, for what stops did meanwhile was missed."""
    async with stage() as at:
        at.stream.subscribe_stop_channels()
        await at.stops_ready()
        assert at.server.paths == ["private", "business"]
        login = at.server.received[1][0]
        assert login["op"] == "login" and login["args"][0]["apiKey"] == "the-api-key"
        assert at.server.subscribed(1) == [
            {"channel": "orders-algo", "instType": "ANY"},
            {"channel": "algo-advance", "instType": "ANY"},
        ]
        await at.server.push(payload("ws_stop_triggered.json"), payload("ws_stop_trailing.json"))
        await until(lambda: len(at.listener.reports) == 2)
        states = [one.state for one in at.listener.reports if isinstance(one, StopReport)]
        assert states == [StopState.TRIGGERED, StopState.LIVE]
        await at.server.drop()
        await at.stops_ready(2)
        assert (at.listener.count("subscribed"), at.listener.count("disconnected")) == (1, 0)
        assert at.stream.stop_status.reconnects == 1 and at.stream.status.reconnects == 0
        at.stream.unsubscribe_stop_channels()
        await until(lambda: at.server.sockets[2].closed)
        assert not at.server.sockets[0].closed


async def test_the_business_socket_alone_is_no_account_stream() -> None:
    """While the private one is away, its return is not told: orders are not heard."""
    async with stage() as at:
        at.stream.subscribe_stop_channels()
        await at.stops_ready()
        at.server.refuse_paths.add("private")
        await at.server.sockets[0].close(code=1001)
        await until(lambda: at.listener.count("disconnected") == 1)
        await at.server.sockets[1].close(code=1001)
        await until(lambda: at.stream.stop_status.reconnects == 1 and at.server.paths.count("business") == 2)
        await until(lambda: at.stream.stop_status.connected_since is not None)
        assert (at.listener.count("subscribed"), at.listener.count("stops subscribed")) == (1, 1)
        at.server.refuse_paths.clear()
        await at.ready(2)
        assert at.listener.count("stops subscribed") == 1


async def test_a_refused_business_login_stops_the_stops_alone() -> None:
    """It is told, and the orders go on."""
    async with stage() as at:
        at.server.login_replies = [{"event": "error", "code": "60032", "msg": "no"}] * 2
        at.stream.subscribe_stop_channels()
        await until(lambda: len(at.listener.refused) == 2)
        assert [(channel, inst_id) for channel, inst_id, _ in at.listener.refused] == [
            ("orders-algo", ""),
            ("algo-advance", ""),
        ]
        await at.server.sockets[0].send_json(order_push("1"))
        await until(lambda: at.order_ids() == ["1"])


async def test_the_orders_of_all_instruments() -> None:
    """Spot and swaps are two subscriptions; one may go and the other instruments stay."""
    async with stage() as at:
        at.stream.subscribe_orders_channel()
        await at.ready(2)
        assert at.server.subscribed()[1:] == [
            {"channel": "orders", "instType": "SPOT"},
            {"channel": "orders", "instType": "SWAP"},
        ]
        await at.server.push(order_push("1"))
        await until(lambda: at.order_ids() == ["1"])
        at.stream.unsubscribe_orders_channel()
        await until(lambda: at.server.received[0][-1]["op"] == "unsubscribe")
        assert len(at.server.received[0][-1]["args"]) == 2


async def refuse_fills(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
    """The account's tier has no fills channel."""
    if frame["op"] != "subscribe" or not any(one["channel"] == "fills" for one in frame["args"]):
        return False
    error = {"event": "error", "code": "64003", "msg": "Your trading fee tier doesn't meet the requirement"}
    await socket.send_json({"id": frame["id"], **error, "connId": "x"})
    return True


async def test_a_tier_without_fills_is_told_once_and_harms_nothing() -> None:
    """Not again with every reconnect; the orders had a request of their own."""
    async with stage(start=False) as at:
        at.server.on_request = refuse_fills
        at.stream.subscribe_fills_channel()
        await at.ready()
        await at.server.drop()
        await at.ready(2)
        ((channel, inst_id, reason),) = at.listener.refused
        assert (channel, inst_id) == ("fills", "") and reason.startswith("64003 ")
        assert at.stream.refused == {}
        assert [[one["channel"] for one in frame["args"]] for frame in at.server.received[1][1:]] == [
            ["orders"],
            ["fills"],
        ]
        await at.server.push(order_push("1"))
        await until(lambda: at.order_ids() == ["1"])


async def test_fills_where_the_tier_has_them() -> None:
    """As reports, without a fee."""
    async with stage(start=False) as at:
        at.stream.subscribe_fills_channel("BTC-USDT-SWAP")
        await at.ready()
        assert {"channel": "fills", "instId": "BTC-USDT-SWAP"} in at.server.subscribed()
        await at.server.push(payload("ws_fills.json"))
        await until(lambda: len(at.listener.reports) == 1)


async def test_a_snapshot_in_pages_is_told_whole() -> None:
    """An event between the pages is told at once."""
    async with stage(start=False) as at:
        at.stream.subscribe_account_channels()
        await at.ready()
        first, second = payload("ws_positions_page_1.json"), payload("ws_positions_page_2.json")
        await at.server.push(first, payload("ws_positions_event.json"), second)
        await until(lambda: len(at.listener.reports) == 4)
        assert at.listener.batches == [1, 3]
        assert [one.snapshot for one in at.listener.reports if isinstance(one, PositionReport)] == [
            False,
            True,
            True,
            True,
        ]
        await at.server.push(first, first, second)  # begun anew
        await until(lambda: len(at.listener.reports) == 7)
        assert at.listener.flaws == []


async def test_a_missing_page_is_a_flaw() -> None:
    """Half a picture is not handed on as a whole one."""
    async with stage(start=False) as at:
        at.stream.subscribe_account_channels()
        await at.ready()
        await at.server.push(payload("ws_positions_page_2.json"), payload("ws_positions_event.json"))
        await until(lambda: len(at.listener.reports) == 1)
        assert len(at.listener.flaws) == 1 and "page 2" in at.listener.flaws[0]


async def test_a_page_of_the_lost_connection_is_not_waited_for() -> None:
    """The new connection's snapshot begins with its first page."""
    async with stage(start=False) as at:
        at.stream.subscribe_account_channels()
        await at.ready()
        await at.server.push(payload("ws_positions_page_1.json"))
        await at.server.drop()
        await at.ready(2)
        await at.server.push(payload("ws_positions_page_2.json"), order_push("1"))
        await until(lambda: at.order_ids() == ["1"])
        assert at.listener.reports == [] and len(at.listener.flaws) == 1


async def test_what_cannot_be_read_is_kept_and_told() -> None:
    """A frame, an item, a part: each harms only itself, and the listener may ask for what it may have said."""
    async with stage(start=False) as at:
        at.stream.subscribe_account_channels()
        await at.ready()
        account = payload("ws_account_snapshot.json")
        account["data"][0]["details"][0]["cashBal"] = "much"
        whole = json.dumps(payload("ws_positions_event.json"))
        orders = order_push("1", "2")
        orders["data"][0]["side"] = "sideways"
        await at.server.push(whole[:-40], {"x": 1}, account, orders)
        await until(lambda: len(at.listener.flaws) == 4)
        assert [type(one) for one in at.listener.reports] == [BalanceReport] and at.order_ids() == ["2"]
        kept = at.stream.status.malformed
        assert len(kept) == 4 and kept[0].payload == whole[:-40].encode() and b'"much"' in kept[2].payload
        assert at.listener.calls[-2:] == ["updates", "flaw"]  # what can be read is handed on first
        assert len(at.server.received) == 1


async def test_a_push_of_an_unknown_channel_is_kept() -> None:
    """It is no flaw: nothing that we asked for is missing."""
    async with stage() as at:
        await at.server.push({"arg": {"channel": "grid-positions"}, "data": [{"a": "1"}]}, order_push("1"))
        await until(lambda: at.order_ids() == ["1"])
        (kept,) = at.stream.status.malformed
        assert kept.payload == b'{"a": "1"}' and "grid-positions" in kept.reason and at.listener.flaws == []


async def test_a_channel_put_off_keeps_no_other_waiting() -> None:
    """Too many connections have `positions`: the orders stand, and the rest is told when it comes."""
    errors = 3

    async def overcrowd(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
        nonlocal errors
        await at.server.acknowledge(socket, frame)
        if errors and any(one["channel"] == "positions" for one in frame["args"]):
            errors -= 1
            await socket.send_json(
                {"event": "channel-conn-count-error", "channel": "positions", "connCount": "30"}
            )
        return True

    async with stage(start=False) as at:
        at.server.on_request = overcrowd
        at.stream.subscribe_account_channels()
        await at.ready()
        await until(lambda: errors == 0)
        await until(lambda: at.listener.calls[-1] == "subscribed" and at.listener.count("subscribed") >= 2)
        assert at.listener.count("disconnected") == 0 and len(at.server.received) == 1


async def test_orders_dropped_later_are_a_loss_until_they_are_back() -> None:
    """The connection lives, but says nothing of orders."""
    async with stage() as at:
        await at.server.push({"event": "channel-conn-count-error", "channel": "orders", "connCount": "30"})
        await at.ready(2)
        assert at.listener.calls[-2:] == [
            "disconnected: OKX dropped the orders channel: 30 connections of the account have it",
            "subscribed",
        ]
        assert len(at.server.received) == 1 and len(at.server.subscribed()) == 2


async def test_a_wish_beyond_the_room_of_a_connection_is_never_sent() -> None:
    """It is told with the reason, and asked for when there is room."""
    async with stage(start=False) as at:
        names = ["N" * 6000 + str(number) for number in range(11)]
        for name in names:
            at.stream.subscribe_orders_channel(name)
        await at.ready()
        ((channel, inst_id, reason),) = at.listener.refused
        assert (channel, inst_id) == ("orders", names[10]) and "no room" in reason
        assert len(at.server.subscribed()) == 11 and at.stream.refused == {names[10]: reason}
        at.stream.unsubscribe_orders_channel(names[0])
        await at.ready(2)
        assert at.server.subscribed()[-1]["instId"] == names[10] and at.stream.refused == {}


async def test_a_connection_that_has_used_up_its_requests_is_handed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next wish goes out on a new connection, and nothing is lost."""
    assert Budget(480, 3600.0) == conversation.REQUESTS
    monkeypatch.setattr(conversation, "REQUESTS", Budget(20, 3600.0))
    async with stage() as at:

        async def one_more_request() -> None:
            heard = len(at.server.received[0])
            await until(lambda: len(at.server.received[0]) > heard or len(at.server.received) > 1)

        while len(at.server.received) == 1:
            at.stream.subscribe_orders_channel("BTC-USDT")
            await one_more_request()
            at.stream.unsubscribe_orders_channel("BTC-USDT")
            await one_more_request()
        await until(lambda: at.stream.status.handovers == 1)
        assert len(at.server.received[0]) == 20 and at.listener.count("disconnected") == 0


async def test_a_full_fill_without_its_execution_is_left_to_the_question() -> None:
    """A market order of spot may become filled with `fillSz` "0": whoever asks tells it with price, fee and id."""
    async with stage() as at:
        await at.server.push(
            order_push("1"),
            order_push("1", name="ws_order_filled_without_trade_id.json"),
            order_push("2"),
        )
        await until(lambda: at.order_ids() == ["1", "2"])
        assert at.listener.flaws == ["order 1 of ETH-USDT has filled 0.3 of which no execution was pushed"]
        assert at.listener.count("disconnected") == 0 and at.stream.status.malformed_count == 0


async def test_a_full_fill_without_its_execution_that_is_pushed_twice_is_left_to_the_question() -> None:
    """The second push proves no more than the first: it is not the order's end either."""
    async with stage() as at:
        done = order_push("1", name="ws_order_filled_without_trade_id.json")
        await at.server.push(order_push("1"), done, done, order_push("2"))
        await until(lambda: at.order_ids() == ["1", "2"])
        assert set(at.listener.flaws) == {
            "order 1 of ETH-USDT has filled 0.3 of which no execution was pushed"
        }


async def test_a_full_fill_whose_executions_were_all_told_is_left_to_the_question_too() -> None:
    """The last push of an order sized in quote: over REST its end goes by the name of its last execution, here by none."""
    async with stage() as at:
        partial = order_push("1", name="ws_order_partial.json")
        partial["data"][0] |= {"accFillSz": "0.3", "fillSz": "0.3"}
        done = order_push("1", name="ws_order_filled_without_trade_id.json")
        await at.server.push(order_push("1"), partial, done)
        await until(lambda: at.listener.flaws)
        assert [one.event_key for one in at.listener.updates] == ["live", "fill:900001"]
        assert at.listener.flaws == ["order 1 of ETH-USDT was pushed as filled without its last execution"]


@pytest.mark.parametrize("trade_id", ["", "0"])
async def test_an_execution_without_a_trade_id_is_left_to_the_question(trade_id: str) -> None:
    """Pushed without, listed with one (a liquidation's is "0" here): told under both names it would count twice."""
    async with stage() as at:
        done = order_push("1", name="ws_order_filled.json")
        done["data"][0]["tradeId"] = trade_id
        ended = order_push("2", name="ws_order_filled.json")
        ended["data"][0] |= {"tradeId": trade_id, "state": "canceled", "cancelSource": "3"}
        await at.server.push(order_push("1"), done, ended)
        await until(lambda: len(at.listener.flaws) == 2)
        assert [one.event_key for one in at.listener.updates] == ["live", "canceled"]
        assert at.listener.updates[-1].update.fill is None


async def test_a_missing_push_between_two_is_noticed() -> None:
    """0.1 of 0.3 was told, then the rest at once: what is told is handed on, what is missing asked for."""
    async with stage() as at:
        last = order_push("1", name="ws_order_filled.json")
        last["data"][0]["fillSz"] = "0.15"
        await at.server.push(order_push("1"), order_push("1", name="ws_order_partial.json"), last, last)
        await until(lambda: len(at.listener.updates) == 4)
        assert at.listener.flaws == ["order 1 of ETH-USDT has filled 0.05 of which no execution was pushed"]


async def test_executions_pushed_in_the_wrong_order_are_all_told_the_late_one_marked() -> None:
    """The second first: the first is missed, asked for, and told at once when it comes; `accFillSz` of 0.1 is of before then."""
    async with stage() as at:
        first, second = (order_push("1", name="ws_order_partial.json") for _ in range(2))
        first["data"][0] |= {"accFillSz": "0.1", "fillSz": "0.1", "tradeId": "1"}
        second["data"][0] |= {"accFillSz": "0.2", "fillSz": "0.1", "tradeId": "2"}
        await at.server.push(order_push("1"), second, first)
        await until(lambda: len(at.listener.updates) == 3)
        told = [(one.event_key, one.update.filled_quantity, one.update.late) for one in at.listener.updates]
        assert told == [
            ("live", Decimal(0), False),
            ("fill:2", Decimal("0.2"), False),
            ("fill:1", Decimal("0.1"), True),
        ]
        assert at.listener.flaws == ["order 1 of ETH-USDT has filled 0.1 of which no execution was pushed"]


def test_an_order_not_heard_of_before_may_have_filled_before() -> None:
    """That was asked for when the stream began; and only so many orders are remembered."""
    gaps = FillGaps(kept=2)
    partial = json.loads(item("ws_order_partial.json"))
    rows = [{**partial, "ordId": str(number), "accFillSz": "0.2"} for number in range(3)]
    assert [gaps.note(parse_order_push(json.dumps(row).encode())) for row in rows] == [None] * 3
    later = [{**row, "accFillSz": "0.3", "fillSz": "0.05"} for row in rows]
    told = [gaps.note(parse_order_push(json.dumps(row).encode())) for row in reversed(later)]
    assert [gap is not None for gap in told] == [True, True, False]  # the first one is forgotten
    assert gaps.note(parse_order_push(json.dumps(rows[2]).encode())) is None  # late: proves nothing


class StallingLine:
    """A pipe between the stream and the server; its first connection can stop moving anything, without closing."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stalled = asyncio.Event()
        self.made = 0

    def stall(self) -> None:
        """From now on nothing passes through the first connection."""
        self._stalled.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join one connection to the server."""
        self.made += 1
        first = self.made == 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, there_writer, first))
                group.create_task(self._pump(there_reader, writer, first))
        finally:
            there_writer.close()
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bool) -> None:
        while data := await reader.read(4096):
            if not (first and self._stalled.is_set()):
                writer.write(data)


async def test_a_line_that_stalls_without_closing_is_replaced() -> None:
    """Nothing comes and nothing goes, and TCP says nothing: no pong, so a new connection."""
    async with socket_server() as server, AsyncExitStack() as stack:
        port = urlsplit(server.url).port
        line = StallingLine(port or 0)
        pipe = await asyncio.start_server(line.serve, "127.0.0.1", 0)
        stack.callback(pipe.close)
        server.url = server.url.replace(str(port), str(pipe.sockets[0].getsockname()[1]))
        at = Stage(server, RealClock(), idle_seconds=0.1, pong_seconds=0.1)
        running = asyncio.create_task(at.stream.run())
        stack.push_async_callback(asyncio.wait, [running])
        stack.callback(running.cancel)
        await at.ready()
        line.stall()
        await at.ready(2)
        assert line.made == 2 and any("not even a pong" in call for call in at.listener.calls)
        await server.push(order_push("1"))
        await until(lambda: at.order_ids() == ["1"])


@pytest.mark.parametrize("nonsense", [ok(), ok({"ts": "soon"}), ok({})])
async def test_a_time_that_cannot_be_read_costs_one_attempt(nonsense: HttpAnswer) -> None:
    """It is asked for before the login; the stream tries again instead of ending the engine."""
    async with socket_server() as server:
        at = Stage(server, RealClock())
        told = ok({"ts": str(round(START.timestamp() * 1000))})
        at.transport.script("public/time", nonsense, told)
        running = asyncio.create_task(at.stream.run())
        try:
            await asyncio.wait(
                {running, asyncio.create_task(at.ready())}, return_when=asyncio.FIRST_COMPLETED
            )
            assert not running.done() and at.listener.count("subscribed") == 1
        finally:
            running.cancel()
            await asyncio.wait([running])


@pytest.mark.parametrize("code", ["60004", "60006"])
async def test_a_clock_that_stays_wrong_is_told_at_last(code: str) -> None:
    """The exchange's time is asked for before each attempt; the fifth refusal in a row names the clock."""
    async with stage(start=False) as at:
        at.server.login_replies = [{"event": "error", "code": code, "msg": "Timestamp request expired"}] * 9
        assert at.task is not None
        await asyncio.wait([at.task], timeout=5)
        error = at.task.exception()
        assert "clock" in str(error) and len(at.server.received) == 5
        assert len(at.transport.seen("public/time")) == 5
