"""A planned restart (notice 64008): the new connection stands before the old one is dropped, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from kokex.domain.errors import ExchangeStoppedError
from tests.fakes.clock import ManualClock, settle
from tests.unit.okx.account_stage import Stage, order_push, stage
from tests.unit.okx.okx_fakes import until

NOTICE = {"event": "notice", "code": "64008", "msg": "soon", "connId": "x"}


async def handed_over(at: Stage, times: int = 1) -> None:
    """Return when the new connection has taken over and the old one is closed."""
    await until(lambda: at.stream.status.handovers == times and at.server.sockets[times - 1].closed)


async def test_the_listener_hears_no_loss() -> None:
    """The new connection is subscribed before the old one is closed; nothing has to be asked for."""
    async with stage() as at:
        at.stream.subscribe_orders_channel("BTC-USDT")
        await at.ready(2)
        closed_before_subscription: list[bool] = []

        async def note(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
            closed_before_subscription.append(at.server.sockets[0].closed)
            return False

        at.server.on_request = note
        await at.server.push(NOTICE)
        await handed_over(at)
        assert closed_before_subscription == [False]
        assert [one["instId"] for one in at.server.subscribed()] == ["ETH-USDT", "BTC-USDT"]
        await at.server.push(order_push("7"))
        await until(lambda: at.order_ids() == ["7"])
        assert at.listener.count("disconnected") == 0 and at.listener.count("subscribed") == 2
        status = at.stream.status
        assert status.reconnects == 0 and status.connected_since is not None


async def test_no_push_is_lost_and_none_overtakes() -> None:
    """Both connections push everything from the subscription on; what the old one says comes first, then it repeats."""
    async with stage() as at:
        at.listener.full_at = 2
        old = at.server.sockets[0]
        held: list[Any] = []

        async def hold(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
            held.append((socket, frame))
            return True

        at.server.on_request = hold
        await at.server.push(NOTICE)
        await until(lambda: bool(held))
        for number in range(4):  # while only the old one is subscribed
            await old.send_json(order_push(str(number)))
        await at.server.acknowledge(*held[0])
        for number in range(4, 8):
            await old.send_json(order_push(str(number)))
            await held[0][0].send_json(order_push(str(number)))
        await until(lambda: len(at.listener.updates) == 2)
        await settle(300)
        assert at.order_ids() == ["0", "1"]  # full: nobody is hurried
        at.listener.make_room()
        await handed_over(at)
        await held[0][0].send_json(order_push("8"))
        await until(lambda: at.order_ids()[-1] == "8")
        assert at.order_ids() == [*"01234567", *"4567", "8"]
        assert at.listener.count("disconnected") == 0


async def test_a_new_one_that_cannot_be_had_is_tried_for_again() -> None:
    """The old one goes on meanwhile."""
    async with stage() as at:
        at.server.refuse_handshakes = 3
        await at.server.push(NOTICE, order_push("1"))
        await handed_over(at)
        assert at.server.attempts == 5 and at.order_ids() == ["1"]
        assert at.listener.count("disconnected") == 0


async def test_a_new_one_that_is_to_be_closed_as_well_is_no_good() -> None:
    """It may have reached a server that restarts too."""

    async def restart_again(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
        if len(at.server.received) == 2:
            await socket.send_json(NOTICE)
            return True
        return False

    async with stage() as at:
        at.server.on_request = restart_again
        await at.server.push(NOTICE)
        await until(lambda: at.stream.status.handovers == 1)
        assert len(at.server.received) == 3 and at.listener.count("disconnected") == 0


async def test_a_restart_announced_to_both_is_handed_over_twice() -> None:
    """The new one stands already: it takes over, and is replaced in turn."""
    async with stage() as at:
        at.server.answer_pings = False
        await at.server.push(NOTICE)
        await until(
            lambda: at.server.pings == 1
        )  # the new one stands, and the old one is asked for all it has
        old, new = at.server.sockets
        for one in (new, old):
            await one.send_json(NOTICE)
            await one.send_json(order_push("1"))
        at.server.answer_pings = True
        await old.send_str("pong")
        await handed_over(at, 2)
        await at.server.push(order_push("2"))
        await until(lambda: at.order_ids() == ["1", "1", "2"])
        assert at.listener.count("disconnected") == 0 and at.listener.count("subscribed") == 1


async def test_when_the_old_one_closes_first_it_is_an_ordinary_loss() -> None:
    """The connection that is being made goes on and is announced as every other."""
    held: list[Any] = []

    async def hold(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
        held.append((socket, frame))
        return True

    async with stage() as at:
        at.server.on_request = hold
        await at.server.push(NOTICE)
        await until(lambda: bool(held))
        await at.server.sockets[0].close(code=1001)
        await until(lambda: at.listener.count("disconnected") == 1)
        assert at.stream.status.connected_since is None
        at.server.on_request = None
        await at.server.acknowledge(*held[0])
        await at.ready(2)
        await at.server.push(order_push("1"))
        await until(lambda: at.order_ids() == ["1"])
        assert len(at.server.received) == 2 and at.stream.status.reconnects == 1
        assert at.stream.status.handovers == 0


async def test_an_old_one_that_says_nothing_more_is_no_proof_that_nothing_was_lost() -> None:
    """It answers no ping, so what it was sent may be lost: that is told, and asked for."""
    clock = ManualClock()
    async with stage(clock) as at:
        at.server.answer_pings = False
        await at.server.push(NOTICE)
        await until(lambda: at.server.pings == 1)
        await clock.advance(2.0)
        await at.ready(2)
        assert at.listener.calls[-2:] == ["disconnected: handed over to a new connection", "subscribed"]
        assert at.stream.status.handovers == 0 and at.stream.status.reconnects == 1


async def test_what_is_wanted_only_since_then_is_announced() -> None:
    """Its past was missed; the rest had no gap."""

    async def subscribe_more(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
        if len(at.server.received) == 2 and frame["id"] == "s1":
            at.stream.subscribe_orders_channel("BTC-USDT")
        # The old connection leaves the new wish unanswered.
        return socket is at.server.sockets[0]

    async with stage() as at:
        at.server.on_request = subscribe_more
        await at.server.push(NOTICE)
        await at.ready(2)
        assert at.listener.count("disconnected") == 0
        assert [one["instId"] for one in at.server.subscribed()] == ["ETH-USDT", "BTC-USDT"]


async def test_keys_that_are_refused_meanwhile_stop_the_stream_when_the_old_one_ends() -> None:
    """Not before: until then events come in."""
    async with stage() as at:
        at.server.login_replies = [{"event": "error", "code": "60005", "msg": "no"}] * 9
        await at.server.push(NOTICE)
        await until(lambda: len(at.server.login_replies) < 9)
        await at.server.sockets[0].send_json(order_push("1"))
        await until(lambda: at.order_ids() == ["1"])
        await at.server.sockets[0].close(code=1001)
        assert at.task is not None
        with pytest.raises(ExchangeStoppedError):
            await at.task


async def test_many_restarts_in_a_row() -> None:
    """Each is handed over; every push is heard."""
    async with stage() as at:
        for number in range(1, 6):
            await at.server.push(order_push(f"before {number}"), NOTICE, order_push(f"after {number}"))
            await handed_over(at, number)
        heard = at.order_ids()
        assert list(dict.fromkeys(heard)) == [
            f"{when} {number}" for number in range(1, 6) for when in ("before", "after")
        ]
        assert at.listener.count("disconnected") == 0 and at.listener.count("subscribed") == 1
