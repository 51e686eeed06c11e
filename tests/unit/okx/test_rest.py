"""REST: what is signed, what is repeated, what never is."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from kokex.adapters.okx import routes
from kokex.adapters.okx.errors import ErrorKind, error_kind
from kokex.adapters.okx.http import HttpAnswer, NoAnswerError, NotSentError
from kokex.adapters.okx.rest import SENT_WITHIN
from kokex.adapters.okx.shared_reading import SharedReading
from kokex.adapters.okx.signing import signature
from kokex.domain.errors import (
    DataError,
    ExchangeRejectedError,
    ExchangeStoppedError,
    ExchangeUnavailableError,
    ExchangeUnknownError,
)
from tests.builders import START
from tests.unit.okx.okx_fakes import (
    CREDENTIALS,
    Request,
    ScriptedTransport,
    SkippingClock,
    item_answer,
    ok,
    refusal,
    rest_client,
)

CUT = NoAnswerError("the connection was cut")
NEVER_SENT = NotSentError("no connection")
BODY = {"instId": "ETH-USDT", "clOrdId": "c1"}


@pytest.fixture
def transport() -> ScriptedTransport:
    """An exchange with a script."""
    return ScriptedTransport(SkippingClock())


async def test_a_signed_read_signs_the_path_it_sends(transport: ScriptedTransport) -> None:
    """Query included, byte for byte; the demo header goes along."""
    transport.script("account/positions", ok())
    await rest_client(transport).read(routes.POSITIONS, {"instType": "SWAP"})
    sent = transport.seen("account/positions")[0]
    timestamp = sent.headers["OK-ACCESS-TIMESTAMP"]
    path = "/api/v5/account/positions?instType=SWAP"
    assert sent.headers["OK-ACCESS-SIGN"] == signature("the-secret", timestamp, "GET", path)
    assert sent.headers["x-simulated-trading"] == "1" and "expTime" not in sent.headers


async def test_live_sends_no_demo_header(transport: ScriptedTransport) -> None:
    """Its absence is what makes it live."""
    transport.script("public/instruments", ok())
    await rest_client(transport, demo=False).read(routes.INSTRUMENTS, {"instType": "SPOT"})
    headers = transport.requests[0].headers
    assert "x-simulated-trading" not in headers and "OK-ACCESS-KEY" not in headers


async def test_the_exchange_s_time_is_learned_before_the_first_signature() -> None:
    """Our clock may be minutes off."""
    transport = ScriptedTransport(SkippingClock(), skew=timedelta(minutes=7))
    transport.script("account/balance", ok())
    client = rest_client(transport)
    await client.read(routes.BALANCE, {})
    await client.read(routes.BALANCE, {})
    assert len(transport.seen("public/time")) == 1
    assert transport.seen("account/balance")[0].headers["OK-ACCESS-TIMESTAMP"] == "2026-01-01T00:07:00.000Z"
    assert client.server_clock.ours(client.server_clock.now()) == START


async def test_an_expired_timestamp_is_mended_once(transport: ScriptedTransport) -> None:
    """50102: learn the time again, try again; a second one is told, and may be tried anew later."""
    transport.script("account/balance", refusal("50102", status=401), ok({"details": []}))
    client = rest_client(transport)
    await client.read(routes.BALANCE, {})
    assert len(transport.seen("public/time")) == 2
    transport.script("account/balance", refusal("50102", status=401))
    with pytest.raises(ExchangeUnavailableError, match="clock is off"):
        await client.read(routes.BALANCE, {})
    assert len(transport.seen("account/balance")) == 4


@pytest.mark.parametrize(
    "trouble",
    [
        refusal("50011"),
        refusal(50011, status=429),
        refusal("50001", status=503),
        refusal("50013", status=429),
        refusal("50004", status=400),
        HttpAnswer(502, b"<html>Bad gateway</html>"),
        HttpAnswer(429, b""),
        HttpAnswer(200, b"not json"),
        CUT,
        NEVER_SENT,
    ],
)
async def test_a_read_is_repeated_with_back_off(
    transport: ScriptedTransport, trouble: HttpAnswer | Exception
) -> None:
    """Busy, limited, cut: a read can do no harm."""
    transport.script("market/ticker", trouble, trouble, ok({"x": 1}))
    rows = await rest_client(transport).read(routes.TICKER, {"instId": "ETH-USDT"})
    assert [json.loads(bytes(row)) for row in rows] == [{"x": 1}]
    assert len(transport.requests) == 3
    first, second = transport.clock.slept[0], transport.clock.slept[-1]
    assert 0.12 <= first <= 0.25 and second > 0.2


async def test_reading_gives_up_in_the_end(transport: ScriptedTransport) -> None:
    """Bounded attempts, bounded waits, one error that says to try later."""
    transport.script("market/ticker", refusal("50001", status=503))
    with pytest.raises(ExchangeUnavailableError) as raised:
        await rest_client(transport).read(routes.TICKER, {"instId": "ETH-USDT"})
    assert raised.value.code == "50001" and len(transport.requests) == 6
    assert sum(transport.clock.slept) < 20


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal("51001"), ExchangeRejectedError),
        (refusal("99999"), ExchangeRejectedError),
        (HttpAnswer(403, b"error 1010"), ExchangeRejectedError),
        (refusal("50119", status=401), ExchangeStoppedError),
        (refusal("50113", status=401), ExchangeStoppedError),
        (HttpAnswer(200, b'{"code":"0","data":{"a":1}}'), DataError),
    ],
)
async def test_a_refused_read_is_not_repeated(
    transport: ScriptedTransport, answer: HttpAnswer, error: type[Exception]
) -> None:
    """Asking again cannot help."""
    transport.script("market/ticker", answer)
    with pytest.raises(error):
        await rest_client(transport).read(routes.TICKER, {"instId": "ETH-USDT"})
    assert len(transport.requests) == 1


async def test_answers_without_data_have_no_rows(transport: ScriptedTransport) -> None:
    """Missing and null alike."""
    transport.script(
        "market/ticker", HttpAnswer(200, b'{"code":0}'), HttpAnswer(200, b'{"code":"0","data":null}')
    )
    client = rest_client(transport)
    assert await client.read(routes.TICKER, {}) == [] and await client.read(routes.TICKER, {}) == []


async def test_an_order_says_until_when_it_may_arrive(transport: ScriptedTransport) -> None:
    """`expTime`, five seconds from now, in the exchange's time."""
    transport.script("trade/order", item_answer("0", order_id="77", top="0"))
    answer = await rest_client(transport).write(routes.SUBMIT, BODY, scope="ETH-USDT", expires=True)
    assert answer.ordId == "77"
    expires = int(transport.seen("trade/order")[0].headers["expTime"])
    assert expires == int((START + timedelta(seconds=5)).timestamp() * 1000)


@pytest.mark.parametrize("trouble", [refusal("50011"), refusal("50061"), HttpAnswer(429, b""), NEVER_SENT])
async def test_a_write_is_repeated_after_an_answer_that_nothing_was_done(
    transport: ScriptedTransport, trouble: HttpAnswer | Exception
) -> None:
    """Rate limits, and requests that never left."""
    transport.script("trade/order", trouble, item_answer("0", order_id="77", top="0"))
    await rest_client(transport).write(routes.SUBMIT, BODY, scope="ETH-USDT", expires=True)
    assert len(transport.seen("trade/order")) == 2


async def test_a_write_that_is_never_taken_is_unavailable(transport: ScriptedTransport) -> None:
    """After several attempts, each proven to have done nothing."""
    transport.script("trade/order", refusal("50011"))
    with pytest.raises(ExchangeUnavailableError):
        await rest_client(transport).write(routes.SUBMIT, BODY, scope="ETH-USDT")
    assert len(transport.seen("trade/order")) == 4


@pytest.mark.parametrize(
    "trouble",
    [
        CUT,
        refusal("50004", status=400),
        refusal("51149", status=500),
        refusal("50001", status=503),
        refusal("50013", status=429),
        refusal("50026", status=500),
        refusal("99999"),
        HttpAnswer(502, b"<html>"),
        HttpAnswer(200, b""),
        HttpAnswer(200, b'{"code":"1","data":[]}'),
        HttpAnswer(200, b'{"code":"0","data":[]}'),
        item_answer("51149"),
        item_answer("50026"),
    ],
)
async def test_an_unknown_write_is_sent_once(
    transport: ScriptedTransport, trouble: HttpAnswer | Exception
) -> None:
    """No word of what became of it: never again, whatever the answer looked like."""
    transport.script("trade/order", trouble)
    with pytest.raises(ExchangeUnknownError):
        await rest_client(transport).write(routes.SUBMIT, BODY, scope="ETH-USDT")
    assert len(transport.seen("trade/order")) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (item_answer("51008", message="Insufficient balance"), "51008"),
        (item_answer("51008", top="0"), "51008"),
        (item_answer("59999"), "59999"),
        (refusal("51000", status=400), "51000"),
    ],
)
async def test_a_rejected_write_carries_its_code(
    transport: ScriptedTransport, answer: HttpAnswer, code: str
) -> None:
    """The item's own code decides over the envelope's."""
    transport.script("trade/order", answer)
    with pytest.raises(ExchangeRejectedError) as raised:
        await rest_client(transport).write(routes.SUBMIT, BODY, scope="ETH-USDT")
    assert raised.value.code == code


async def test_an_item_accepts_although_the_envelope_complains(transport: ScriptedTransport) -> None:
    """OKX v5: where an item has `sCode`, that decides."""
    transport.script("trade/order", item_answer("0", order_id="5", top="2"))
    assert (await rest_client(transport).write(routes.SUBMIT, BODY, scope="x")).ordId == "5"


async def test_an_order_that_arrived_too_late_mends_the_clock(transport: ScriptedTransport) -> None:
    """50036 with a clock that is off: nothing was done, so learn and send once more."""
    transport.script("trade/order", item_answer("50036"), item_answer("0", order_id="5", top="0"))
    client = rest_client(transport)
    await client.write(routes.SUBMIT, BODY, scope="x", expires=True)
    assert len(transport.seen("public/time")) == 2
    transport.script("trade/order", item_answer("50036"))
    with pytest.raises(ExchangeRejectedError):
        await client.write(routes.SUBMIT, BODY, scope="x", expires=True)


async def test_an_order_goes_out_soon_or_not_at_all(transport: ScriptedTransport) -> None:
    """After half a minute of silence others take it for never sent: by then it must not leave any more."""
    transport.script("trade/order", item_answer("50036"), item_answer("0", order_id="5", top="0"))
    client = rest_client(transport)
    await client.server_time()

    def slow(_: Request) -> HttpAnswer:
        transport.clock.elapsed += SENT_WITHIN.total_seconds() + 1
        return ok({"ts": str(round(transport.clock.now().timestamp() * 1000))})

    await client.server_clock.ready()
    transport.handle("public/time", slow)
    with pytest.raises(ExchangeUnavailableError, match="too late"):
        await client.write(routes.SUBMIT, BODY, scope="x", expires=True)
    assert len(transport.seen("trade/order")) == 1


async def test_reads_stay_within_their_budget(transport: ScriptedTransport) -> None:
    """The 21st ticker waits."""
    transport.script("market/ticker", ok())
    client = rest_client(transport)
    for _ in range(21):
        await client.read(routes.TICKER, {"instId": "ETH-USDT"})
    assert transport.clock.slept == [pytest.approx(2.0 / 0.9)]


class Distant(ScriptedTransport):
    """An answer takes a while."""

    async def request(self, *arguments: Any, **named: Any) -> HttpAnswer:
        await asyncio.sleep(0)
        return await super().request(*arguments, **named)


async def test_what_the_exchange_tells_everybody_is_asked_once_for_all_accounts() -> None:
    """Twenty accounts that start together: the time, and each instrument, once or twice. What is an account's own is not shared."""
    transport = Distant(SkippingClock())
    transport.script("market/ticker", ok())
    transport.script("account/balance", ok())
    shared = SharedReading()
    clients = [rest_client(transport, shared=shared) for _ in range(20)]
    await asyncio.gather(*(client.read(routes.TICKER, {"instId": "ETH-USDT"}) for client in clients))
    await asyncio.gather(*(client.read(routes.BALANCE, {}) for client in clients))
    assert len(transport.seen("market/ticker")) <= 2
    assert len(transport.seen("public/time")) == 1
    assert len(transport.seen("account/balance")) == 20


async def test_orders_of_two_instruments_do_not_slow_each_other(transport: ScriptedTransport) -> None:
    """OKX v5 counts trade/order per user and instrument."""
    transport.script("trade/order", item_answer("0", order_id="5", top="0"))
    client = rest_client(transport)
    for inst_id in ("ETH-USDT", "BTC-USDT"):
        for _ in range(54):
            await client.write(routes.SUBMIT, BODY, scope=inst_id)
    assert transport.clock.slept == []


@pytest.mark.parametrize("secret", [CREDENTIALS.api_key, CREDENTIALS.secret, CREDENTIALS.passphrase])
async def test_no_key_is_ever_shown(transport: ScriptedTransport, secret: str) -> None:
    """Even where the exchange repeats it in its message."""
    transport.script("account/balance", refusal("50111", status=401, message=f"Invalid {secret}"))
    with pytest.raises(ExchangeStoppedError) as raised:
        await rest_client(transport).read(routes.BALANCE, {})
    assert secret not in str(raised.value) + repr(raised.value) + repr(raised.value.__context__)


def test_the_planned_restart_is_no_error_of_a_request() -> None:
    """64008 asks for a new connection."""
    assert error_kind("64008") is ErrorKind.RECONNECT
