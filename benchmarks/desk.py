"""Accounts at the paper exchange and plans on them, as `kokex account add` and `kokex plan create` make them."""

from __future__ import annotations

from benchmarks.frames import INST_ID
from benchmarks.market_process import KEYS
from kokex.adapters.okx import endpoints_for
from kokex.bootstrap import Application
from kokex.domain.account import Credentials, Environment, ExchangeAccount
from kokex.domain.candle import Interval
from kokex.domain.plan import ForecastSettings, NewPlan


async def add_account(
    app: Application, name: str, rest_url: str, keys: tuple[str, str, str] = KEYS
) -> ExchangeAccount:
    """Keep an account of the paper exchange at `rest_url`."""
    endpoints = endpoints_for("global", Environment.PAPER, paper_url=rest_url)
    return await app.store.accounts.add(name, "okx", Environment.PAPER, endpoints, Credentials(*keys))


async def start_plan(app: Application, name: str, rest_url: str, forecast: ForecastSettings) -> None:
    """Start a plan on candles of a minute, on an account of its own; both have that name."""
    account = await add_account(app, name, rest_url)
    new = NewPlan(name, account.id, INST_ID, Interval("1m"), forecast=forecast)
    await app.plans.start((await app.plans.create(new)).id)
