"""One-shot faults and the admin face."""

from __future__ import annotations

from decimal import Decimal

import aiohttp
import pytest

from kokex.paper import PaperServer
from tests.integration.paper.client import SPOT, SWAP, rest, trading


def market(server: PaperServer) -> dict[str, object]:
    code = server.exchange.instruments[SPOT].code
    return {
        "instIdCode": code,
        "tdMode": "cash",
        "side": "buy",
        "ordType": "market",
        "sz": "100",
        "clOrdId": "f1",
    }


async def test_rest_cut_between_execution_and_answer(server: PaperServer) -> None:
    """The connection dies, the order lives and is found by its client order id."""
    async with rest(server) as client:
        await client.admin("POST", "faults", {"kind": "cut_before_ack"})
        with pytest.raises(aiohttp.ClientError):
            await client.place(sz="0.1", px=str(server.exchange.marks[SPOT] / 2), clOrdId="lost1")
        [order] = await client.get(f"trade/order?instId={SPOT}&clOrdId=lost1")
        assert order["state"] == "live"
        assert (await client.place(sz="0.1", px="2000", clOrdId="lost2"))["code"] == "0"


async def test_socket_cut_between_execution_and_answer(server: PaperServer) -> None:
    """The same over WebSocket: no answer, no push, but the order and the exchange's record of its events."""
    async with rest(server) as client, trading(server) as socket:
        await client.admin("POST", "faults", {"kind": "cut_before_ack"})
        await socket.send(id="c1", op="order", args=[market(server)])
        with pytest.raises(ConnectionResetError):
            await socket.next(lambda message: "op" in message)
        [order] = await client.get(f"trade/order?instId={SPOT}&clOrdId=f1")
        assert order["state"] == "filled"
        record = await client.admin("GET", "events")
        assert record["events"][0]["state"] == "live"
        assert record["events"][-1]["payload"]["state"] == "filled"


async def test_timeout_with_the_order_live(server: PaperServer) -> None:
    """50004 without data, over both faces; the order is there."""
    async with rest(server) as client, trading(server) as socket:
        await client.admin("POST", "faults", {"kind": "timeout_live", "count": 2})
        answer = await client.place(sz="0.1", px=str(server.exchange.marks[SPOT] / 2), clOrdId="slow1")
        assert (answer["code"], "data" in answer) == ("50004", False)
        assert (await client.get(f"trade/order?instId={SPOT}&clOrdId=slow1"))[0]["state"] == "live"
        await socket.send(id="t1", op="order", args=[market(server)])
        answer = await socket.next(lambda message: "op" in message)
        assert answer["code"] == "50004"
        await socket.push("orders", lambda item: item["state"] == "filled")


async def test_push_before_answer(server: PaperServer) -> None:
    """For one command."""
    async with rest(server) as client, trading(server) as socket:
        await client.admin("POST", "faults", {"kind": "push_first"})
        await socket.send(id="p1", op="order", args=[market(server)])
        first = await socket.next(lambda message: "data" in message)
        assert first.get("arg", {}).get("channel") == "orders"


async def test_duplicate_push_with_a_later_time(server: PaperServer) -> None:
    """The same state twice, the second with another uTime."""
    async with rest(server) as client, trading(server) as socket:
        await client.admin("POST", "faults", {"kind": "duplicate_push"})
        await client.place(sz="0.1", px=str(server.exchange.marks[SPOT] / 2))
        first = (await socket.push("orders"))["data"][0]
        second = (await socket.push("orders"))["data"][0]
        assert int(second.pop("uTime")) == int(first.pop("uTime")) + 1
        assert first == second
        assert len((await client.admin("GET", "events"))["events"]) == 1


async def test_malformed_frame(server: PaperServer) -> None:
    """Something that is not JSON comes first, the real push after it."""
    async with rest(server) as client, trading(server) as socket:
        await client.admin("POST", "faults", {"kind": "malformed_frame"})
        await client.place(sz="0.1", px=str(server.exchange.marks[SPOT] / 2))
        await socket.push("orders")
        assert any(isinstance(message, str) for message in socket.received)


async def test_dropping_every_socket(server: PaperServer) -> None:
    """Without a close frame."""
    async with rest(server) as client, trading(server) as one, trading(server) as two:
        assert (await client.admin("POST", "disconnect"))["disconnected"] == 2
        assert {await one.closed(), await two.closed()} == {1006}


async def test_books_and_events_report_exactly(server: PaperServer) -> None:
    """pnl is equity less the initial balances at today's prices, from exact strings."""
    async with rest(server) as client:
        await client.place(ordType="market", sz="30000")
        await client.place(instId=SWAP, tdMode="cross", side="sell", ordType="market", sz="20")
        await client.admin("POST", "clock", {"step_candles": 4})
        await client.place(side="sell", ordType="market", sz="3")
        books = await client.admin("GET", "books")
        prices = {name: Decimal(text) for name, text in books["prices"].items()}

        def worth(amounts: dict[str, str]) -> Decimal:
            return sum(
                (Decimal(amount) * prices.get(name, Decimal(0)) for name, amount in amounts.items()),
                Decimal(0),
            )

        equity = worth(books["balances"]) + Decimal(books["unrealised_pnl"])
        assert Decimal(books["equity"]) == equity
        assert Decimal(books["pnl"]) == equity - worth(books["initial_balances"])
        assert Decimal(books["equity_change"]) == equity - Decimal(books["equity_start"])
        record = await client.admin("GET", f"events?account={books['account']}")
        seqs = [event["seq"] for event in record["events"]]
        assert seqs == sorted(seqs)
        later = await client.admin("GET", f"events?account={books['account']}&after={seqs[2]}")
        assert [event["seq"] for event in later["events"]] == seqs[3:]


async def test_accounts_can_be_opened(server: PaperServer) -> None:
    """A new key trades at once; a taken one is refused in a sentence."""
    async with aiohttp.ClientSession() as session:
        url = f"{server.rest_url}/paper/v1/accounts"
        fields = {"api_key": "k2", "secret_key": "s2", "passphrase": "p2", "balances": {"USDT": "500.5"}}
        async with session.post(url, json=fields) as response:
            opened = await response.json()
        async with session.post(url, json=fields) as response:
            assert response.status == 400
            assert "k2" in (await response.json())["error"]
    account = server.exchange.find_account(opened["account"])
    assert account is not None
    async with rest(server, account.config) as client:
        [balance] = await client.get("account/balance")
        assert balance["totalEq"] == "500.5"


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "faults", {"kind": "earthquake"}, "earthquake"),
        ("POST", "clock", {"speed": 0}, "speed 0"),
        ("POST", "clock", {"step_ms": "soon"}, "soon"),
        ("GET", "books?account=nobody", None, "nobody"),
        ("POST", "accounts", {"api_key": "k"}, "secret_key"),
        (
            "POST",
            "accounts",
            {"api_key": "k", "secret_key": "s", "passphrase": "p", "balances": {"USDT": "x"}},
            "'x'",
        ),
        ("GET", "nothing", None, "nothing"),
    ],
)
async def test_admin_errors_are_sentences(
    server: PaperServer, method: str, path: str, body: object, words: str
) -> None:
    """The value that was wrong is named."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{server.rest_url}/paper/v1/{path}", json=body) as response,
    ):
        assert response.status in (400, 404)
        assert words in (await response.json())["error"]


async def test_the_clock_can_be_paused_stepped_and_sped_up(server: PaperServer) -> None:
    """Stopped means stopped; a step is exact; running again moves on from there."""
    async with rest(server) as client:
        before = (await client.admin("GET", "state"))["market_ms"]
        assert (await client.admin("GET", "state"))["market_ms"] == before
        state = await client.admin("POST", "clock", {"step_ms": 1234})
        assert state["market_ms"] == before + 1234
        state = await client.admin("POST", "clock", {"speed": 36000, "resume": True})
        assert (state["paused"], state["speed"]) == (False, 36000)
        for _ in range(500):
            state = await client.admin("GET", "state")
            if state["market_ms"] > before + 10_000:
                break
        assert state["market_ms"] > before + 10_000
        stopped = await client.admin("POST", "clock", {"pause": True})
        assert (await client.admin("GET", "state"))["market_ms"] == stopped["market_ms"]
