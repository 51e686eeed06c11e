"""The account stream against a scripted server: login, subscriptions, losses, life signs, back-pressure."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from kokex.adapters.okx.backoff import Backoff
from kokex.adapters.okx.connection_queue import ConnectionQueue
from kokex.adapters.okx.rate_limit import Budget
from kokex.domain.errors import ExchangeStoppedError
from tests.fakes.clock import ManualClock, settle
from tests.unit.okx.account_stage import RealClock, Stage, order_push, stage
from tests.unit.okx.okx_fakes import SkippingClock, socket_server, until


async def test_login_then_subscription_then_events() -> None:
    """In this order; the listener hears of it once everything is acknowledged."""
    async with stage() as at:
        login, subscription = at.server.received[0]
        assert login["op"] == "login" and login["args"][0]["apiKey"] == "the-api-key"
        assert subscription["args"] == [{"channel": "orders", "instType": "SPOT", "instId": "ETH-USDT"}]
        await at.server.push(order_push("1"), order_push("2", "3"))
        await until(lambda: len(at.listener.updates) == 3)
        assert at.order_ids() == ["1", "2", "3"]
        assert at.listener.updates[0].event_type == "buy_order_live"
        status = at.stream.status
        assert status.events == 3 and status.connected_since and status.last_event_at
        assert status.reconnects == 0


async def test_nothing_is_announced_before_the_acknowledgement() -> None:
    """A subscription that was only sent may not exist yet."""
    held: list[tuple[web.WebSocketResponse, dict[str, Any]]] = []

    async def hold(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
        held.append((socket, frame))
        return True

    async with stage(start=False) as at:
        at.server.on_request = hold
        await until(lambda: bool(held))
        assert at.listener.calls == []
        await at.server.acknowledge(*held[0])
        await at.ready()


async def test_channels_may_be_added_and_dropped_while_connected() -> None:
    """Added: subscribed and announced again, for its past was missed. Dropped: unsubscribed, no announcement."""
    async with stage() as at:
        at.stream.subscribe_orders_channel("BTC-USDT-SWAP")
        await at.ready(2)
        assert at.server.subscribed()[1] == {
            "channel": "orders",
            "instType": "SWAP",
            "instId": "BTC-USDT-SWAP",
        }
        at.stream.unsubscribe_orders_channel("ETH-USDT")
        await until(lambda: any(frame["op"] == "unsubscribe" for frame in at.server.received[0]))
        assert at.listener.count("subscribed") == 2 and len(at.server.received) == 1


async def test_no_connection_while_nothing_is_wanted() -> None:
    """OKX closes idle sockets; it opens with the first wish and closes with the last."""
    async with stage() as at:
        at.stream.unsubscribe_orders_channel("ETH-USDT")
        await until(lambda: at.listener.count("disconnected") == 1)
        at.stream.subscribe_orders_channel("ETH-USDT")
        await at.ready(2)
        assert len(at.server.received) == 2


@pytest.mark.parametrize("how", ["closed", "cut"])
async def test_every_loss_is_followed_by_a_new_connection_with_all_that_is_wanted(how: str) -> None:
    """The record of what is wanted now, not of what was subscribed then."""
    async with stage() as at:
        at.stream.subscribe_orders_channel("BTC-USDT")
        await at.ready(2)
        at.stream.unsubscribe_orders_channel("ETH-USDT")
        if how == "closed":
            await at.server.drop()
        else:
            at.server.cut()
        await at.ready(3)
        assert [argument["instId"] for argument in at.server.subscribed()] == ["BTC-USDT"]
        assert at.listener.calls[-2].startswith("disconnected") and at.listener.calls[-1] == "subscribed"
        await at.server.push(order_push("7"))
        await until(lambda: at.order_ids() == ["7"])
        assert at.stream.status.reconnects == 1


async def test_reconnecting_never_gives_up_and_waits_longer_up_to_a_cap() -> None:
    """Twelve refused handshakes; waits between half and all of 1, 2, 4, then 5 seconds."""
    clock = SkippingClock(longest=10.0)
    async with stage(clock, backoff=Backoff(base=1.0, cap=5.0)) as at:
        at.server.refuse_handshakes = 12
        clock.slept.clear()
        await at.server.drop()
        await at.ready(2)
        assert at.server.attempts == 14
        assert len(clock.slept) == 13
        for attempt, wait in enumerate(clock.slept):
            full = min(5.0, 2.0**attempt)
            assert full / 2 <= wait <= full


async def test_connections_are_opened_no_faster_than_okx_allows() -> None:
    """Three a second for an address, whichever account or path they are of."""
    clock = SkippingClock(longest=10.0)
    async with stage(clock, connects=Budget(2, 1.0), queue=ConnectionQueue(clock), steady_seconds=0.0) as at:
        at.stream.subscribe_stop_channels()
        await at.stops_ready()
        assert clock.slept == []
        await at.server.drop()
        await at.stops_ready(2)
        assert len(at.server.received) == 3 and sum(clock.slept) == pytest.approx(1.0 / 0.9)


async def test_a_connection_that_lasted_is_replaced_at_once_and_one_that_did_not_after_a_wait() -> None:
    """A server that drops everybody is not knocked at without a pause."""
    clock = SkippingClock(longest=10.0)
    async with stage(clock, backoff=Backoff(base=1.0, cap=5.0), steady_seconds=4.0) as at:
        clock.slept.clear()
        clock.elapsed += 4.0
        await at.server.drop()
        await at.ready(2)
        assert clock.slept == []
        await at.server.drop()
        await at.ready(3)
        assert len(clock.slept) == 1 and 0.5 <= clock.slept[0] <= 1.0


async def test_a_host_that_complains_of_too_many_connections_is_left_alone_for_a_while() -> None:
    """HTTP 429 to the handshake: everybody waits for a window, the private socket is first again."""
    clock = SkippingClock(longest=10.0)
    async with stage(clock, start=False, queue=ConnectionQueue(clock)) as at:
        at.server.refuse_handshakes, at.server.refuse_with = 1, 429
        await at.ready()
        assert at.server.attempts == 2 and max(clock.slept) > 1.0


async def test_silence_is_answered_with_a_ping_and_a_pong_keeps_the_line() -> None:
    """After twenty quiet seconds, not before."""
    clock = ManualClock()
    async with stage(clock) as at:
        await clock.advance(19.0)
        assert at.server.pings == 0
        await clock.advance(2.0)
        await until(lambda: at.server.pings == 1)
        await settle_pong(at)
        await clock.advance(10.0)
        assert at.listener.count("disconnected") == 0


async def settle_pong(at: Stage) -> None:
    """Let the pong come in: a push behind it proves that it did."""
    await at.server.push(order_push("99"))
    await until(lambda: "99" in at.order_ids())


async def test_a_socket_that_is_open_but_silent_is_replaced() -> None:
    """No pong within eight seconds of the ping: dead, all within OKX's thirty."""
    clock = ManualClock()
    async with stage(clock) as at:
        at.server.answer_pings = False
        await clock.advance(20.5)
        await until(lambda: at.server.pings == 1)
        await clock.advance(8.0)
        await until(lambda: at.listener.count("disconnected") == 1)
        assert any("not even a pong" in call for call in at.listener.calls)
        await clock.advance(1.0)
        await at.ready(2)


@pytest.mark.parametrize("code", ["60005", "60007", "60024", "60026", "60032", "50101"])
async def test_wrong_keys_stop_the_stream(code: str) -> None:
    """Trying again cannot help; the error says what to look at, and shows no key."""
    async with socket_server() as server:
        at = Stage(server, RealClock())
        server.login_replies = [{"event": "error", "code": code, "msg": "no"}] * 9
        with pytest.raises(ExchangeStoppedError) as raised:
            await asyncio.wait_for(at.stream.run(), 60)
        assert raised.value.code == code and "the-" not in str(raised.value)
        assert len(server.received) == 2 and at.transport.closed


async def test_keys_that_are_refused_once_are_tried_again() -> None:
    """A gateway may not have heard of them yet; a stream that gave up then would be deaf for ever."""
    async with stage(start=False) as at:
        at.server.login_replies = [{"event": "error", "code": "60032", "msg": "no"}]
        await at.ready()
        assert len(at.server.received) == 2


async def test_an_expired_login_learns_the_time_and_tries_again() -> None:
    """60006: our clock went off since the time was learned before the login."""
    async with stage(start=False) as at:
        at.server.login_replies = [{"event": "error", "code": "60006", "msg": "Timestamp request expired"}]
        await at.ready()
        assert len(at.transport.seen("public/time")) == 2 and len(at.server.received) == 2


@pytest.mark.parametrize("code", ["60009", "63999", "60014", "60023"])
async def test_a_login_that_fails_for_now_is_tried_again(code: str) -> None:
    """Twice refused, then let in."""
    async with stage(start=False) as at:
        at.server.login_replies = [{"event": "error", "code": code, "msg": "Login failed."}] * 2
        await at.ready()
        assert len(at.server.received) == 3


async def test_a_login_that_fails_five_times_in_a_row_stops() -> None:
    """Then a person must look."""
    async with socket_server() as server:
        at = Stage(server, RealClock())
        server.login_replies = [{"event": "error", "code": "60009", "msg": "Login failed."}] * 9
        with pytest.raises(ExchangeStoppedError, match="5 times in a row"):
            await asyncio.wait_for(at.stream.run(), 60)
        assert len(server.received) == 5


async def test_a_refused_login_may_be_a_mere_close() -> None:
    """Close code 4001 without the error that explains it counts as a refusal."""
    async with socket_server() as server:
        at = Stage(server, RealClock())

        server.login_replies = [{"close": 4001}] * 9
        with pytest.raises(ExchangeStoppedError):
            await asyncio.wait_for(at.stream.run(), 60)
        assert len(server.received) == 5


async def test_a_refusal_and_the_close_behind_it_are_one_refusal() -> None:
    """OKX closes with 4001 behind the error: four refusals are four, not eight, and the fifth login is let in."""
    async with stage(start=False) as at:
        at.server.login_replies = [
            {"event": "error", "code": "60009", "msg": "failed", "goodbye": 4001} for _ in range(4)
        ]
        await at.ready()
        assert len(at.server.received) == 5


async def test_a_login_that_finds_the_exchange_in_trouble_is_never_given_up() -> None:
    """63999 is no word about our keys, however often it comes."""
    async with stage(start=False) as at:
        at.server.login_replies = [
            {"event": "error", "code": "63999", "msg": "later", "goodbye": 4001} for _ in range(7)
        ]
        await at.ready()
        assert len(at.server.received) == 8


async def test_wrong_keys_stop_although_the_close_comes_first() -> None:
    """With the code that said why."""
    async with socket_server() as server:
        at = Stage(server, RealClock())
        server.login_replies = [{"event": "error", "code": "60024", "goodbye": 4001} for _ in range(9)]
        with pytest.raises(ExchangeStoppedError) as raised:
            await asyncio.wait_for(at.stream.run(), 60)
        assert raised.value.code == "60024"
        assert len(server.received) == 2


async def test_a_repeated_login_is_a_login() -> None:
    """60031: we are in already."""
    async with stage(start=False) as at:
        at.server.login_replies = [{"event": "error", "code": "60031", "msg": "already"}]
        await at.ready()
        assert len(at.server.received) == 1


async def test_no_answer_to_the_login_is_a_loss() -> None:
    """A server that accepts and says nothing is left."""
    async with stage(start=False, answer_seconds=0.2) as at:
        at.server.login_replies = [{"event": "channel-conn-count", "channel": "orders", "connCount": "1"}]
        await at.ready()
        assert len(at.server.received) == 2


async def test_no_answer_to_a_subscription_is_a_loss() -> None:
    """Better a new connection than one that is deaf."""
    seen: list[dict[str, Any]] = []

    async def ignore_the_first(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
        seen.append(frame)
        return len(seen) == 1

    async with stage(start=False, answer_seconds=0.2) as at:
        at.server.on_request = ignore_the_first
        await at.ready()
        assert len(at.server.received) == 2


async def test_a_channel_over_the_connection_limit_is_asked_for_again() -> None:
    """The acknowledgement came first, and the subscription is dead all the same."""

    async def overcrowd(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
        await at.server.acknowledge(socket, frame)
        if len(at.server.subscribed()) < 3:
            error = {"event": "channel-conn-count-error", "channel": "orders", "connCount": "30"}
            await socket.send_json({**error, "connId": "x"})
        return True

    async with stage(start=False) as at:
        at.server.on_request = overcrowd
        await until(lambda: len(at.server.subscribed()) == 3 and at.listener.calls[-1:] == ["subscribed"])
        await at.server.push(order_push("1"))
        await until(lambda: at.order_ids() == ["1"])
        assert len(at.server.received) == 1 and at.listener.calls[-2:] == ["subscribed", "updates"]


async def test_a_refused_instrument_does_not_take_the_others_with_it() -> None:
    """It is shown in `refused`; the rest is subscribed and announced."""

    async def refuse_one(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
        if any(argument["instId"] == "NO-SUCH" for argument in frame["args"]):
            await socket.send_json({"id": frame["id"], "event": "error", "code": "60018", "msg": "wrong"})
            return True
        return False

    async with stage(start=False) as at:
        at.server.on_request = refuse_one
        at.stream.subscribe_orders_channel("NO-SUCH")
        await at.ready()
        assert at.stream.refused == {"NO-SUCH": "60018 wrong"}
        await at.server.push(order_push("1"))
        await until(lambda: at.order_ids() == ["1"])


async def test_a_malformed_frame_harms_only_itself() -> None:
    """It is kept and counted; what follows is heard."""
    async with stage() as at:
        whole = json.dumps(order_push("1"))
        await at.server.push("{not json", whole[: len(whole) // 2], '{"arg":5}', "[]", order_push("2"))
        await at.server.sockets[-1].send_bytes(b"\xff\xfe\x00")
        await at.server.push({"event": "surprise"}, {"x": 1}, order_push("3"))
        await until(lambda: at.order_ids() == ["2", "3"])
        status = at.stream.status
        assert status.malformed_count == len(status.malformed) == 7
        assert status.malformed[0].payload == b"{not json" and status.malformed[0].reason
        assert len(at.server.received) == 1


async def test_one_bad_item_in_a_batch_harms_only_itself() -> None:
    """Its neighbours are handed on; the item is kept."""
    async with stage() as at:
        frame = order_push("1", "2", "3")
        frame["data"][1]["state"] = "melted"
        await at.server.push(frame)
        await until(lambda: at.order_ids() == ["1", "3"])
        assert at.stream.status.malformed_count == 1
        assert b'"melted"' in at.stream.status.malformed[0].payload


async def test_what_is_kept_is_bounded() -> None:
    """A flood of rubbish fills no memory."""
    async with stage() as at:
        await at.server.push(*["x" * 20_000] * 300, order_push("1"))
        await until(lambda: at.order_ids() == ["1"])
        status = at.stream.status
        assert status.malformed_count == 300 and len(status.malformed) == 100
        assert len(status.malformed[0].payload) == 16_384


async def test_a_full_listener_stops_the_reading_and_loses_nothing() -> None:
    """While it is full no more is handed on, whatever was received; then all follows in order."""
    async with stage() as at:
        at.listener.full_at = 3
        for number in range(400):
            await at.server.push(order_push(str(number)))
        await until(lambda: len(at.listener.updates) >= 3)
        await at.server.push(order_push("last"))
        await settle(500)  # rounds in which a reader that does not stop would hand on more
        assert at.order_ids() == ["0", "1", "2"]
        at.listener.make_room()
        await until(lambda: len(at.listener.updates) == 401)
        assert at.order_ids() == [*map(str, range(400)), "last"]


async def test_a_full_listener_is_not_taken_for_a_dead_line() -> None:
    """Nothing is read while it is full, so silence proves nothing; pings go on, or OKX would hang up."""
    clock = ManualClock()
    async with stage(clock) as at:
        at.listener.full_at = 1
        await at.server.push(order_push("1"))
        await until(lambda: len(at.listener.updates) == 1)
        for _ in range(8):
            await clock.advance(15.0)
        await until(lambda: at.server.pings >= 3)
        assert at.listener.count("disconnected") == 0
        at.listener.make_room()
        await at.server.push(order_push("2"))
        await until(lambda: at.order_ids() == ["1", "2"])


async def test_what_was_received_before_the_loss_is_handed_on_before_it_is_told() -> None:
    """Held frames come first, then `on_disconnected`."""
    async with stage() as at:
        at.listener.full_at = 1
        await at.server.push(*[order_push(str(number)) for number in range(6)])
        await until(lambda: len(at.listener.updates) == 1)
        await at.server.drop()
        at.listener.make_room()
        await at.ready(2)
        heard = [call for call in at.listener.calls if not call.startswith("subscribed")]
        assert heard[-1].startswith("disconnected")
        assert at.order_ids() == [str(number) for number in range(len(at.order_ids()))]


async def test_a_forgotten_login_makes_a_new_connection() -> None:
    """60011 to a subscription: the server does not know us any more."""

    async def forget(socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
        if len(at.server.received) == 1:
            await socket.send_json({"id": frame["id"], "event": "error", "code": "60011", "msg": "login"})
            return True
        return False

    async with stage(start=False) as at:
        at.server.on_request = forget
        await at.ready()
        assert len(at.server.received) == 2


async def test_a_failing_listener_is_not_hidden() -> None:
    """Its error ends the stream instead of looping through reconnects."""
    async with stage() as at:

        def fail(updates: object, received_at: object) -> bool:
            raise RuntimeError("a bug")

        at.listener.on_order_updates = fail  # type: ignore[method-assign]
        await at.server.push(order_push("1"))
        assert at.task is not None
        with pytest.raises(RuntimeError, match="a bug"):
            await asyncio.wait_for(at.task, 60)


async def test_fragmented_frames_are_put_together() -> None:
    """A message may come in pieces."""
    async with stage() as at:
        text = json.dumps(order_push("1")).encode()
        writer = at.server.sockets[-1]._writer
        assert writer is not None
        transport = writer.transport
        half = len(text) // 2
        for opcode, part in ((0x01, text[:half]), (0x80, text[half:])):
            transport.write(bytes([opcode, 126]) + len(part).to_bytes(2, "big") + part)
        await until(lambda: at.order_ids() == ["1"])


async def test_cancelling_closes_the_socket() -> None:
    """The server sees us go."""
    async with stage() as at:
        assert at.task is not None
        at.task.cancel()
        await asyncio.wait([at.task])
        await until(lambda: at.server.sockets[0].closed)
        assert at.transport.closed
