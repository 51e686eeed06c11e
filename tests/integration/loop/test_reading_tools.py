"""Tools that read, on the whole platform: what they tell agrees with the exchange and with each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from kokex.domain.decision import Turn
from kokex.domain.indicator import Indicator
from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.domain.plan import ForecastSettings, TriggerKind
from kokex.ports.toolbox import Toolbox
from tests.world import LIMITS, eventually, market, platform

Answers = dict[str, Mapping[str, Any]]


async def test_market_orders_and_limits(database_url: str, tmp_path: Path) -> None:
    """After a trade: the book, indicators with their times, the order, its fills, and what is left of the limits."""
    told: Answers = {}

    async def look(turn: Turn, toolbox: Toolbox) -> None:
        if told:
            return
        before = await toolbox.get_trading_limits()
        await toolbox.place_order(Side.BUY, OrderType.MARKET, Decimal("500"))
        await toolbox.place_order(Side.BUY, OrderType.MARKET, Decimal("0.4"))
        await eventually(lambda: _filled(toolbox), "the fill")
        told["book"] = await toolbox.get_order_book(5)
        told["funding"] = await toolbox.get_funding_rate()
        told["indicators"] = await toolbox.get_indicators(
            [Indicator.RSI_14, Indicator.MACD, Indicator.RSI_14], 3
        )
        told["candles"] = await toolbox.query_historical_kline_data(3)
        told["history"] = await toolbox.get_order_history()
        told["newest"] = await toolbox.get_order_history(1)
        told["fills"] = await toolbox.get_fills()
        told["limits"] = await toolbox.get_trading_limits()
        told["before"] = before

    limits = replace(LIMITS, max_orders_per_day=50, max_position_notional=Decimal(4000))
    async with platform(database_url, tmp_path, look) as (world, _, _):
        plan = await world.plan(limits=limits)
        await eventually(lambda: "before" in told, "all answers")
        kept = await world.orders(plan)
        pushed = world.pushed()

    assert json.loads(json.dumps(told)) == told
    book = told["book"]
    bids, asks = ([Decimal(level[0]) for level in book[side]] for side in ("bids", "asks"))
    assert 1 <= len(bids) <= 5 and bids == sorted(bids, reverse=True) and asks == sorted(asks)
    assert Decimal(book["spread"]) == asks[0] - bids[0] > 0 and book["quantity_unit"] == "ETH"
    assert told["funding"]["code"] == "no_funding" and "spot" in told["funding"]["error"]
    indicators = told["indicators"]
    assert indicators["open_times"] == [row[0] for row in told["candles"]["candles"]]
    assert set(indicators["indicators"]) == {"rsi_14", "macd_12_26_9"}
    rsi = indicators["indicators"]["rsi_14"]
    assert rsi["unit"] == "0 to 100" and len(rsi["rsi_14"]) == 3 and 0 < rsi["rsi_14"][-1] < 100
    assert [row["status"] for row in told["history"]["orders"]] == ["filled", "denied"]
    assert told["history"]["orders"][1]["reason"].startswith("order_too_large")
    assert told["newest"]["orders"] == told["history"]["orders"][:1]
    assert [row["client_order_id"] for row in told["history"]["orders"]] == [
        order.client_order_id for order in reversed(kept)
    ]
    fills = told["fills"]["fills"]
    assert sum(Decimal(fill["quantity"]) for fill in fills) == Decimal("0.4")
    assert {fill["trade_id"] for fill in fills} == {trade for _, _, trade in pushed if trade}
    before, after = told["before"]["left"], told["limits"]["left"]
    assert told["limits"]["max_orders_per_day"] == 50 and told["limits"]["max_daily_loss"] is None
    assert before["orders_today"] == 50 and after["orders_today"] == 49
    spent = Decimal(before["turn"]["notional"]) - Decimal(after["turn"]["notional"])
    assert Decimal(700) < spent < Decimal(1300)
    assert after["turn"]["orders"] == before["turn"]["orders"] - 1 and after["daily_loss"] is None


async def _filled(toolbox: Toolbox) -> bool:
    return (
        bool((await toolbox.get_positions())["fills"]) and not (await toolbox.get_pending_orders())["orders"]
    )


async def test_a_swap_has_funding(database_url: str, tmp_path: Path) -> None:
    """Its rate and when it is due, by the exchange's clock."""
    told: Answers = {}

    async def look(turn: Turn, toolbox: Toolbox) -> None:
        told["funding"] = await toolbox.get_funding_rate()
        told["price"] = await toolbox.get_current_price()

    config = market(instruments=("ETH-USDT-SWAP",))
    async with platform(database_url, tmp_path, look, config) as (world, _, _):
        await world.plan(inst_id="ETH-USDT-SWAP")
        await eventually(lambda: "price" in told, "an answer")
    funding = told["funding"]
    assert (
        abs(Decimal(funding["funding_rate"])) < Decimal("0.05")
        and "longs pay" in funding["funding_rate_unit"]
    )
    due = datetime.fromisoformat(funding["due_at"])
    assert due > datetime.fromisoformat(told["price"]["occurred_at"])


async def test_forecasts_are_measured_against_what_came(database_url: str, tmp_path: Path) -> None:
    """Silence while there are too few; then figures, the same in every tool, and the latest one against the market."""
    told: list[Answers] = []

    async def look(turn: Turn, toolbox: Toolbox) -> None:
        told.append(
            {
                "prediction": await toolbox.query_prediction_data(),
                "skill": await toolbox.get_forecast_skill(),
                "history": await toolbox.get_prediction_history(3),
                "analysis": await toolbox.get_latest_prediction_analysis(),
                "asked": await toolbox.run_latest_model_inference(),
                "again": await toolbox.run_latest_model_inference(),
            }
        )

    async with platform(database_url, tmp_path, look) as (world, agent, _):
        await world.plan(forecast=ForecastSettings(context=100, horizon=1, paths=32))
        for turns in range(1, 34):
            await eventually(lambda turns=turns: len(told) >= turns, f"turn {turns}")
            world.step()
        assert all(turn.triggers[0].kind is TriggerKind.FORECAST for turn in agent.turns)

    first, last = told[0], told[32]
    assert json.loads(json.dumps(last)) == last
    assert first["prediction"]["measured_skill"] is None
    assert first["prediction"]["measured_skill_note"].startswith("too few to say: 0 forecasts")
    assert first["skill"]["verdict"] == "too few to say" and "crps_percent" not in first["skill"]
    assert first["history"]["forecasts"][0]["came"] is None
    skill = last["skill"]
    assert 30 <= skill["forecasts"] <= 32 and skill["forecasts_apart"] == skill["forecasts"]
    assert skill["crps_percent"] > 0 and skill["baseline_crps_percent"] > 0 and 0 <= skill["inside_90"] <= 1
    assert last["prediction"]["measured_skill"] == {
        name: value for name, value in skill.items() if name not in {"interval", "horizon"}
    }
    newest, *older = last["history"]["forecasts"]
    assert newest["forecast_id"] == last["prediction"]["forecast_id"] and newest["came"] is None
    assert all(one["came"] is not None for one in older)
    analysis = last["analysis"]
    assert (analysis["candles_since"], analysis["candles_left"]) == (0, 1)
    assert 0 <= analysis["price_against_next_close"]["share_of_paths_below"] <= 1
    assert analysis["left"]["band_90"] == newest["band_90"]
    assert first["asked"]["made_now"] is False and "no candle has closed since" in first["asked"]["note"]
    assert first["asked"]["forecast_id"] == first["prediction"]["forecast_id"]
    assert first["again"]["code"] == "too_soon" and "once a minute" in first["again"]["error"]
