"""Tools that trade beyond a plain order, from the agent to the exchange and back."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.trigger_facts import trigger_facts
from kokex.ports.toolbox import Toolbox
from tests.integration.loop.once import Answers, Once
from tests.world import LIMITS, eventually, platform

LOT = Decimal("0.5")


async def _bid(toolbox: Toolbox) -> Decimal:
    return Decimal(str((await toolbox.get_current_price())["bid"]))


async def _amended(toolbox: Toolbox, name: str, word: str) -> bool:
    (pending,) = (await toolbox.get_pending_orders())["orders"]
    return str(pending["client_order_id"]) == name and pending["amend"] == word


async def test_an_order_is_changed_and_the_event_tells(database_url: str, tmp_path: Path) -> None:
    """Pending until the exchange's own event; then price and total are the new ones, here, on record and at the exchange."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        bid = await _bid(toolbox)
        made = await toolbox.place_order(Side.BUY, OrderType.LIMIT, LOT, bid - 20)
        name = str(made["client_order_id"])
        answers.append(await toolbox.amend_order(name, quantity=Decimal("0.7"), price=bid - 30))
        await eventually(lambda: _amended(toolbox, name, "applied"), "the change")
        answers.append(await toolbox.amend_order(name, price=bid - 30))
        answers.append(await toolbox.amend_order(name, quantity=Decimal(50)))
        answers.append(await toolbox.amend_order("KXnoneP1D1S0", price=bid))
        answers.append(await toolbox.get_order_info(name))

    once = Once(act)
    async with platform(database_url, tmp_path, once) as (world, _, _):
        plan = await world.plan()
        await eventually(lambda: once.done, "all answers")
        changed, same, too_much, unknown, info = once.answers
        assert (changed["amend"], changed.get("code")) in {("pending", None), ("applied", None)}
        assert same["code"] == "nothing_changes"
        assert too_much["amend"] == "denied" and too_much["code"] == "order_too_large"
        assert unknown["code"] == "not_found"
        assert (info["quantity"], info["amend"]) == ("0.7", "applied")
        (made,) = await world.orders(plan)
        assert (made.quantity, made.status) == (Decimal("0.7"), OrderStatus.ACCEPTED)
        kept = [(one.request_id, one.decision_id, one.step) for one in made.amendments]
        assert kept == [("A1", 1, 1)]
        (there,) = world.server.exchange.records.open_orders(_uid(world))
        assert there.instrument.size(there.lots) == Decimal("0.7")
        events = await world.application.store.journal.events_after(plan.id, 0)
        assert [event.event_key for event in events] == ["live", "amend:A1"]


async def test_what_becomes_of_a_change_is_put_on_record(database_url: str, tmp_path: Path) -> None:
    """Once the event has told it; the row then says applied, also after a restart."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        bid = await _bid(toolbox)
        made = await toolbox.place_order(Side.BUY, OrderType.LIMIT, LOT, bid - 20)
        answers.append(await toolbox.amend_order(str(made["client_order_id"]), quantity=Decimal("0.2")))

    once = Once(act)
    async with platform(database_url, tmp_path, once) as (world, _, _):
        plan = await world.plan()

        async def recorded() -> bool:
            orders = await world.orders(plan)
            return bool(orders and orders[0].amendments) and not orders[0].amendments[0].status.undecided

        await eventually(recorded, "the outcome on record")
        (made,) = await world.orders(plan)
        assert (made.amendments[0].status.value, made.quantity) == ("applied", Decimal("0.2"))


@pytest.mark.parametrize("kind", ["amend_fails_later", "cut_before_ack"])
async def test_a_change_that_fails_or_is_unknown_is_found_out(
    database_url: str, tmp_path: Path, kind: str
) -> None:
    """Acknowledged and then not made: the order is as it was. No answer at all, but made: it is found on the order."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        bid = await _bid(toolbox)
        made = await toolbox.place_order(Side.BUY, OrderType.LIMIT, LOT, bid - 20)
        name = str(made["client_order_id"])
        box[0].server.faults.arm(kind)
        answers.append(await toolbox.amend_order(name, quantity=Decimal("0.6")))
        word = "failed" if kind == "amend_fails_later" else "applied"
        await eventually(lambda: _amended(toolbox, name, word), "what became of it")
        answers.append(await toolbox.amend_order(name, quantity=Decimal("0.8")))

    box: list[Any] = []
    once = Once(act)
    async with platform(database_url, tmp_path, once) as (world, agent, _):
        box.append(world)
        plan = await world.plan()
        await eventually(lambda: once.done, "all answers")
        first, again = once.answers

        async def told() -> bool:
            facts = [trigger_facts(one) for turn in agent.turns for one in turn.triggers if one.events]
            events = [event for one in facts for event in one["latest_events"]]
            return any(event.get("change") == "failed: the order is as it was" for event in events)

        if kind == "amend_fails_later":
            await eventually(told, "the agent told")
        if kind == "cut_before_ack":
            assert first["code"] == "unknown"
        assert "code" not in again
        (made,) = await world.orders(plan)
        assert len(made.amendments) == 2


def _uid(world: Any) -> str:
    owner = world.server.exchange.find_account(world.server.config.accounts[0].api_key)
    assert owner is not None
    return str(owner.uid)


async def test_a_holding_is_ended_in_whole_lots(database_url: str, tmp_path: Path) -> None:
    """Other orders go first; a fee taken in base leaves less than a lot, which is named; a second time there is nothing to send."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        bid = await _bid(toolbox)
        answers.append(await toolbox.close_position())
        await toolbox.place_order(Side.BUY, OrderType.MARKET, LOT)
        await eventually(lambda: _holds(toolbox), "a holding")
        await toolbox.place_order(Side.BUY, OrderType.LIMIT, LOT, bid - 30)
        await toolbox.place_order(Side.SELL, OrderType.LIMIT, Decimal("0.3"), bid + 40)
        answers.append(await toolbox.close_position())
        name = str(answers[-1]["client_order_id"])
        await eventually(lambda: _filled(toolbox, name), "its end")
        answers.append(await toolbox.get_positions())
        answers.append(await toolbox.close_position())

    once = Once(act)
    async with platform(database_url, tmp_path, once) as (world, _, _):
        await world.plan()
        await eventually(lambda: once.done, "all answers")
        nothing, closed, after, dust = once.answers
        assert nothing["code"] == "nothing_held"
        assert closed["side"] == "sell" and closed["quantity"] == "0.4995"
        assert len(closed["canceled"]) == 2 and closed["remains"] in {"0", "0.0000"}
        assert Decimal(str(after["quantity"])) == 0
        assert dust["code"] == "nothing_held"
        assert world.server.exchange.records.open_orders(_uid(world)) == []


async def _holds(toolbox: Toolbox) -> bool:
    return Decimal(str((await toolbox.get_positions())["quantity"])) > 0


async def _filled(toolbox: Toolbox, name: str) -> bool:
    return (await toolbox.get_order_info(name))["status"] == "filled"


async def test_a_holding_over_the_limit_of_an_order_is_ended_in_parts(
    database_url: str, tmp_path: Path
) -> None:
    """What one order may not be remains, and is said."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        for _ in range(3):
            await toolbox.place_order(Side.BUY, OrderType.MARKET, Decimal("0.3"))
        await eventually(lambda: _holds_more(toolbox), "a holding")
        answers.append(await toolbox.close_position())

    async def _holds_more(toolbox: Toolbox) -> bool:
        return Decimal(str((await toolbox.get_positions())["quantity"])) > Decimal("0.89")

    once = Once(act)
    limits = replace(LIMITS, max_order_notional=Decimal(1500))
    async with platform(database_url, tmp_path, once) as (world, _, _):
        await world.plan(limits=limits)
        await eventually(lambda: once.done, "an answer")
        (closed,) = once.answers
        assert "error" not in closed
        assert Decimal(closed["quantity"]) + Decimal(closed["remains"]) == Decimal("0.8991")
        assert 0 < Decimal(closed["quantity"]) < Decimal("0.8")


async def test_a_post_only_order_that_would_take_says_so_with_the_best_prices(
    database_url: str, tmp_path: Path
) -> None:
    """In its own answer, and whenever it is asked for."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        ask = Decimal(str((await toolbox.get_current_price())["ask"]))
        made = await toolbox.place_order(Side.BUY, OrderType.POST_ONLY, LOT, ask)
        answers.append(made)
        answers.append(await toolbox.get_order_info(str(made["client_order_id"])))
        best = Decimal(str(made["best_bid"]))
        answers.append(await toolbox.place_order(Side.BUY, OrderType.POST_ONLY, LOT, best))
        answers.append(await toolbox.amend_order(str(answers[-1]["client_order_id"]), price=ask))

    once = Once(act)
    async with platform(database_url, tmp_path, once) as (world, _, _):
        await world.plan()
        await eventually(lambda: once.done, "all answers")
        taken, asked, rests, dearer = once.answers
        for told in (taken, asked):
            assert (told["status"], told["code"]) == ("canceled", "post_only_would_take")
            assert Decimal(told["best_bid"]) < Decimal(told["best_ask"])
        assert rests["status"] == "accepted" and "code" not in rests
        assert (dearer["status"], dearer["amend"], dearer["code"]) == ("accepted", "rejected", "51511")
        assert Decimal(dearer["best_bid"]) < Decimal(dearer["best_ask"])


async def test_an_order_s_costs_are_told_against_its_decision(database_url: str, tmp_path: Path) -> None:
    """The mid of the moment when it was decided on is on record; a market order pays half the spread, and its fee."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        price = await toolbox.get_current_price()
        answers.append(price)
        made = await toolbox.place_order(Side.BUY, OrderType.MARKET, LOT)
        name = str(made["client_order_id"])
        await eventually(lambda: _filled(toolbox, name), "a fill")
        answers.append(await toolbox.get_order_info(name))

    once = Once(act)
    async with platform(database_url, tmp_path, once) as (world, _, _):
        plan = await world.plan()
        await eventually(lambda: once.done, "all answers")
        price, info = once.answers
        mid = (Decimal(str(price["bid"])) + Decimal(str(price["ask"]))) / 2
        assert Decimal(info["decision_mid"]) == mid
        expected = (Decimal(info["average_price"]) - mid) / mid * 10_000
        assert info["slippage_bps"] == f"{expected:.2f}" and expected > 0
        assert Decimal(info["fees"]["ETH"]) == Decimal("-0.0005")
        (made,) = await world.orders(plan)
        assert made.decision_mid == mid
