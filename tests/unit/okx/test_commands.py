"""Submit, amend and cancel: the three outcomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kokex.adapters.okx.commands import SETTLING_MARGIN, submit_body
from kokex.adapters.okx.exchange import OKXExchange
from kokex.adapters.okx.http import HttpAnswer, NoAnswerError, NotSentError
from kokex.adapters.okx.rest import ORDER_LIFETIME
from kokex.domain.errors import ExchangeStoppedError
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.risk import Approved, ApprovedAmendment, check, check_amendment
from kokex.domain.stops import Stops
from kokex.ports.exchange import Accepted, Rejected, Unknown
from tests.builders import ETH_SWAP, START, order, request, risk_state
from tests.unit.okx.okx_fakes import (
    ScriptedTransport,
    SkippingClock,
    item_answer,
    ok,
    payload,
    refusal,
    rest_client,
)

CUT = NoAnswerError("the connection was cut")


@pytest.fixture
def transport() -> ScriptedTransport:
    """An exchange with a script."""
    return ScriptedTransport(SkippingClock())


@pytest.fixture
def exchange(transport: ScriptedTransport) -> OKXExchange:
    """The adapter on it."""
    return OKXExchange(rest_client(transport), transport.clock)


def approved(**changes: Any) -> Approved:
    """An order that the gate let through."""
    found = check(request(**changes), RiskLimits(), risk_state())
    assert isinstance(found, Approved)
    return found


def test_a_limit_order_of_spot() -> None:
    """Cash, sized in base, numbers as plain strings."""
    body = submit_body(request(quantity=Decimal("1E-3"), price=Decimal("2E+3")))
    assert body == {
        "instId": "ETH-USDT",
        "tdMode": "cash",
        "clOrdId": "KXtestP1D1S0",
        "side": "buy",
        "ordType": "limit",
        "sz": "0.001",
        "px": "2000",
    }


def test_a_market_order_of_spot_is_sized_in_base() -> None:
    """Without `tgtCcy` a market buy would be sized in quote."""
    body = submit_body(request(order_type=OrderType.MARKET, price=None))
    assert body["tgtCcy"] == "base_ccy" and "px" not in body


def test_a_swap_order_is_crossed_and_may_only_reduce() -> None:
    """Contracts; `reduceOnly` is a boolean and only sent where it means something."""
    swap = replace(request(), inst_id=ETH_SWAP.inst_id, quantity=Decimal(3), reduce_only=True)
    body = submit_body(swap)
    assert body["tdMode"] == "cross" and body["reduceOnly"] is True and "tgtCcy" not in body
    assert "reduceOnly" not in submit_body(request(reduce_only=True))


async def test_accepted_has_the_exchange_s_id(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """`sCode` 0."""
    transport.script("trade/order", item_answer("0", order_id="26", top="0"))
    assert await exchange.submit(approved()) == Accepted("26")
    assert transport.seen("trade/order")[0].body["clOrdId"] == "KXtestP1D1S0"


async def test_rejected_has_code_and_reason(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """Insufficient balance, told in the exchange's words."""
    transport.script("trade/order", item_answer("51008", message="Insufficient USDT"))
    outcome = await exchange.submit(approved())
    assert isinstance(outcome, Rejected) and outcome.code == "51008" and "Insufficient USDT" in outcome.reason


@pytest.mark.parametrize(
    "trouble", [CUT, refusal("50004", status=400), item_answer("51149"), HttpAnswer(502, b"<html>")]
)
async def test_unknown_says_when_absence_will_be_proof(
    exchange: OKXExchange, transport: ScriptedTransport, trouble: HttpAnswer | Exception
) -> None:
    """The order's expiry and a margin after the last moment at which it may have been sent."""
    transport.script("trade/order", trouble)
    outcome = await exchange.submit(approved())
    assert isinstance(outcome, Unknown)
    assert outcome.settled_after == START + ORDER_LIFETIME + SETTLING_MARGIN
    assert len(transport.seen("trade/order")) == 1


@pytest.mark.parametrize("trouble", [NotSentError("no connection"), refusal("50011")])
async def test_an_order_that_was_never_taken_is_settled_at_once(
    exchange: OKXExchange, transport: ScriptedTransport, trouble: HttpAnswer | Exception
) -> None:
    """Every attempt is proven to have done nothing; asking once will show it."""
    transport.script("trade/order", trouble)
    outcome = await exchange.submit(approved())
    assert isinstance(outcome, Unknown) and outcome.settled_after == transport.clock.now()


@pytest.mark.parametrize("code", ["51016", "51011", "50071", "50042"])
async def test_a_duplicate_is_the_order_that_was_accepted_before(
    exchange: OKXExchange, transport: ScriptedTransport, code: str
) -> None:
    """Found by client order id: the same order, once."""
    transport.script("trade/order", item_answer(code), ok(payload("rest_order_open.json")["data"][0]))
    assert await exchange.submit(approved()) == Accepted("2600000000000000101")
    assert transport.requests[-1].query == {"instId": "ETH-USDT", "clOrdId": "KXtestP1D1S0"}


@pytest.mark.parametrize("answer", [refusal("51603"), refusal("50001", status=503), ok({"instId": 1})])
async def test_a_duplicate_that_cannot_be_found_is_unknown(
    exchange: OKXExchange, transport: ScriptedTransport, answer: HttpAnswer
) -> None:
    """It exists, says one answer, and the next does not show it."""
    transport.script("trade/order", item_answer("51016"), answer)
    outcome = await exchange.submit(approved())
    assert isinstance(outcome, Unknown) and outcome.settled_after > transport.clock.now()


@pytest.mark.parametrize("code", ["50100", "50113", "51155", "50110"])
async def test_keys_and_permissions_stop(
    exchange: OKXExchange, transport: ScriptedTransport, code: str
) -> None:
    """A person must act."""
    transport.script("trade/order", refusal(code, status=401))
    transport.script("trade/cancel-order", refusal(code, status=401))
    with pytest.raises(ExchangeStoppedError):
        await exchange.submit(approved())
    with pytest.raises(ExchangeStoppedError):
        await exchange.cancel("ETH-USDT", "c1")


async def test_cancel_has_the_same_three_outcomes(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """By client order id; already gone is rejected; cut is unknown."""
    path = "trade/cancel-order"
    transport.script(path, item_answer("0", order_id="26", top="0"), item_answer("51400"), CUT)
    assert await exchange.cancel("ETH-USDT", "c1") == Accepted("26")
    rejected = await exchange.cancel("ETH-USDT", "c1")
    assert isinstance(rejected, Rejected) and rejected.code == "51400"
    unknown = await exchange.cancel("ETH-USDT", "c1")
    assert isinstance(unknown, Unknown) and unknown.settled_after >= START + timedelta(seconds=5)
    assert transport.seen(path)[0].body == {"instId": "ETH-USDT", "clOrdId": "c1"}


def test_stops_go_with_the_order() -> None:
    """One attachment under the stops' own name, a leg for each, at market when the last price triggers it."""
    body = submit_body(request(stops=Stops(Decimal("1.9E+3"), Decimal(2100))))
    assert body["attachAlgoOrds"] == [
        {
            "attachAlgoClOrdId": "KXtestP1D1S0T",
            "slTriggerPx": "1900",
            "slTriggerPxType": "last",
            "slOrdPx": "-1",
            "tpTriggerPx": "2100",
            "tpTriggerPxType": "last",
            "tpOrdPx": "-1",
        }
    ]
    (alone,) = submit_body(request(stops=Stops(take_profit=Decimal(2100))))["attachAlgoOrds"]  # type: ignore[misc]
    assert "slTriggerPx" not in alone
    assert "attachAlgoOrds" not in submit_body(request())


def changed(**changes: Any) -> ApprovedAmendment:
    """A change that the gate let through."""
    before = order(status=OrderStatus.ACCEPTED, price=Decimal(2000))
    found = check_amendment(request(**changes), before, RiskLimits(), risk_state(pending=(before,)))
    assert isinstance(found, ApprovedAmendment)
    return found


async def test_a_change_says_what_is_different_and_no_more(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """`newSz` is the new total; a bad change must not end a sound order, so `cxlOnFail` is never sent."""
    transport.script("trade/amend-order", item_answer("0", order_id="26", top="0"))
    assert await exchange.amend(changed(price=Decimal("1.99E+3")), "A1") == Accepted("26")
    assert await exchange.amend(changed(quantity=Decimal("0.2")), "A2") == Accepted("26")
    first, second = transport.seen("trade/amend-order")
    names = {"instId": "ETH-USDT", "clOrdId": "KXtestP1D1S0"}
    assert first.body == {**names, "reqId": "A1", "newPx": "1990"}
    assert second.body == {**names, "reqId": "A2", "newSz": "0.2"}
    assert "expTime" in first.headers


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [
        (item_answer("51503"), Rejected),
        (item_answer("51511"), Rejected),
        (CUT, Unknown),
        (item_answer("51149"), Unknown),
    ],
)
async def test_a_change_has_three_outcomes(
    exchange: OKXExchange, transport: ScriptedTransport, trouble: HttpAnswer | Exception, outcome: type
) -> None:
    """And is sent once."""
    transport.script("trade/amend-order", trouble)
    assert isinstance(await exchange.amend(changed(price=Decimal(1990)), "A1"), outcome)
    assert len(transport.seen("trade/amend-order")) == 1


async def test_stops_are_canceled_one_by_one(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """By their own id, in a list of one."""
    transport.script("trade/cancel-algos", item_answer("0", top="0"))
    assert await exchange.cancel_stop("ETH-USDT", "77") == Accepted("77")
    assert transport.seen("trade/cancel-algos")[0].body == [{"instId": "ETH-USDT", "algoId": "77"}]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (item_answer("0", top="0"), Accepted),
        (item_answer("51503"), Rejected),
        (CUT, Unknown),
    ],
)
async def test_a_stop_changes_its_size(
    exchange: OKXExchange, transport: ScriptedTransport, answer: HttpAnswer | Exception, outcome: type
) -> None:
    """By its own id, asked for once; a change that cannot be made leaves the stop."""
    transport.script("trade/amend-algos", answer)
    assert isinstance(await exchange.amend_stop("ETH-USDT", "77", Decimal("0.30")), outcome)
    (sent,) = transport.seen("trade/amend-algos")
    assert sent.body == {"instId": "ETH-USDT", "algoId": "77", "newSz": "0.30"}
