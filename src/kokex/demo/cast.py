"""What the demo is played with: the account at its market, both plans, and the training of the model."""

from __future__ import annotations

from kokex.adapters.model_libraries import missing_libraries
from kokex.adapters.okx import endpoints_for
from kokex.bootstrap import Application
from kokex.demo.market import Market
from kokex.demo.model import DemoModel, ModelState
from kokex.demo.options import (
    AGENT,
    FORECAST,
    INTERVAL,
    KEYS,
    LANGUAGE,
    LANGUAGE_AGENT,
    LANGUAGE_FORECAST,
    LANGUAGE_LIMITS,
    LIMITS,
    NAME,
    DemoOptions,
    MarketChoice,
)
from kokex.demo.training import DemoTraining
from kokex.domain.account import Environment, ExchangeAccount
from kokex.domain.errors import NotFoundError
from kokex.domain.plan import NewPlan, Plan, PlanStatus


async def demo_account(opened: Application, market: Market) -> ExchangeAccount:
    """The demo's account, at the market's present address."""
    endpoints = endpoints_for("global", Environment.PAPER, paper_url=market.rest_url)
    try:
        known = await opened.store.accounts.by_name(NAME)
    except NotFoundError:
        return await opened.store.accounts.add(NAME, "okx", Environment.PAPER, endpoints, KEYS)
    await opened.store.accounts.update_endpoints(known.id, endpoints)
    return await opened.store.accounts.get(known.id)


def demo_training(
    options: DemoOptions, opened: Application, plan: Plan, account: ExchangeAccount
) -> DemoTraining:
    """What sees to the model of `plan`."""
    wish, model = options.wish, DemoModel(ModelState.WAITING)
    missing = missing_libraries()
    if wish is None:
        model = DemoModel(
            ModelState.LEFT_OUT, line="No model is trained, as you wished: the baseline forecasts."
        )
    elif missing:
        words = f"No model is trained, for {', '.join(missing)} is not installed: the baseline forecasts (`make demo` installs it)."
        wish, model = None, DemoModel(ModelState.NOT_INSTALLED, line=words)
    return DemoTraining(opened, plan, account, wish, model)


async def demo_plans(
    opened: Application, account: ExchangeAccount, choice: MarketChoice
) -> tuple[Plan, Plan]:
    """The built-in policy's plan and the language model's, as a former demo left them or new."""
    built_in = NewPlan(
        NAME, account.id, choice.inst_id, INTERVAL, limits=LIMITS, agent=AGENT, forecast=FORECAST
    )
    language = NewPlan(
        LANGUAGE,
        account.id,
        choice.inst_id,
        INTERVAL,
        limits=LANGUAGE_LIMITS,
        agent=LANGUAGE_AGENT,
        forecast=LANGUAGE_FORECAST,
    )
    return await _plan(opened, built_in), await _plan(opened, language)


async def _plan(opened: Application, new: NewPlan) -> Plan:
    for plan in await opened.store.plans.list():
        if plan.name == new.name:
            if plan.status in (PlanStatus.RUNNING, PlanStatus.PAUSED):
                await opened.plans.stop(plan.id)
            return plan
    return await opened.plans.create(new)
