"""One plan as kept: what `kokex plan show` tells."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from kokex.bootstrap import Application
from kokex.cli.output import market_time, plain, say, say_table, when
from kokex.cli.plan_capital import capital_document, capital_rows
from kokex.cli.plan_rhythm import rhythm_rows
from kokex.domain.account import ExchangeAccount
from kokex.domain.forecast import Forecast
from kokex.domain.forecast_skill import FEWEST_APART, FEWEST_FORECASTS, ForecastSkill
from kokex.domain.instrument import InstrumentKind
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order
from kokex.domain.plan import Plan, PlanStatus
from kokex.domain.position import PlanBook
from kokex.domain.standing import AccountStanding, Standing
from kokex.ports.store import SubscriptionStatus, TurnRecord
from kokex.services.accounts import market_of
from kokex.services.forecast_records import USUAL, ForecastRecords

_DECISIONS = 5


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What is kept of a plan. `book` is None until the instrument is known here."""

    plan: Plan
    account: ExchangeAccount
    book: PlanBook | None
    last_close: float | None
    pending: list[Order]
    forecast: Forecast | None
    skill: ForecastSkill
    turns: list[TurnRecord]
    decisions: int
    events: int
    subscription: SubscriptionStatus | None
    standing: AccountStanding | None
    engine: str | None


async def read_report(opened: Application, plan: Plan) -> PlanReport:
    """Read it all from the database."""
    store = opened.store
    account = await store.accounts.get(plan.account_id)
    market = market_of(account)
    instrument = await store.instruments.get(market, plan.inst_id)
    book = PlanBook(instrument).apply_all(await store.journal.fills(plan.id)) if instrument else None
    if book is not None:
        book = replace(book, funding=await store.funding.total(plan.id))
    newest = await store.candles.latest(market, plan.inst_id, plan.interval, 1)
    latest = await store.forecasts.latest(plan.id)
    subscriptions = [row for row in await store.subscriptions.list() if row.plan_id == plan.id]
    return PlanReport(
        plan=plan,
        account=account,
        book=book,
        last_close=float(newest.closes[-1]) if len(newest) else None,
        pending=await store.orders.pending(plan_id=plan.id),
        forecast=latest[1] if latest else None,
        skill=await ForecastRecords(store).skill(account, plan, USUAL),
        turns=await store.turns.recent(plan.id, limit=_DECISIONS),
        decisions=await store.turns.count(plan.id),
        events=await store.journal.count(plan.id),
        subscription=subscriptions[-1] if subscriptions else None,
        standing=await store.reconciliation.standing(plan.account_id),
        engine=(await store.owners.owners()).get(plan.account_id),
    )


def document(report: PlanReport) -> dict[str, Any]:
    """As JSON-ready values."""
    plan = report.plan
    return {
        "id": plan.id,
        "name": plan.name,
        "status": plan.status,
        "account": report.account.name,
        "environment": report.account.environment,
        "inst_id": plan.inst_id,
        "interval": str(plan.interval),
        "created_at": plan.created_at,
        "limits": asdict(plan.limits),
        "agent": asdict(plan.agent),
        "forecast": asdict(plan.forecast),
        "capital": capital_document(plan.capital),
        "holding": _holding(report.book),
        "pending_orders": [_order(order) for order in report.pending],
        "latest_forecast": _forecast(report.forecast),
        "forecast_skill": _skill(report.skill),
        "latest_decisions": [_turn(turn) for turn in report.turns],
        "decisions": report.decisions,
        "events": report.events,
        "standing": _standing(report.standing),
        "engine": report.engine,
        "connected": bool(report.subscription and report.subscription.connected_since),
        "stopped": report.subscription.stopped
        if report.subscription and report.subscription.active
        else None,
    }


def _approval(limits: RiskLimits, quote: str) -> str:
    if limits.approval_notional is None:
        return "no order"
    minutes = limits.approval_period.total_seconds() / 60
    return f"orders over {plain(limits.approval_notional)} {quote} that add risk, for {minutes:g} min"


def print_report(report: PlanReport) -> None:
    """For a person."""
    plan, limits, agent = report.plan, report.plan.limits, report.plan.agent
    quote = report.book.instrument.quote_currency if report.book else "quote currency"
    rows = [
        ("status", plan.status.value),
        ("account", f"{report.account.name} ({report.account.exchange} {report.account.environment.value})"),
        ("at work in", _engine(report)),
        ("account may", _may(report.standing)),
        *_stopped_rows(report),
        ("trades", f"{plan.inst_id}, candles of {plan.interval}"),
        ("created", when(plan.created_at)),
        ("largest order", f"{plain(limits.max_order_notional)} {quote}"),
        ("largest position", f"{plain(limits.max_position_notional)} {quote}"),
        ("orders", f"{limits.max_open_orders} open at once, {limits.max_orders_per_minute} a minute"),
        ("price collar", f"{limits.price_collar:.2%} from the last price"),
        ("cash reserve", f"{plain(limits.cash_reserve)} {quote}"),
        ("short", "allowed" if limits.allow_short else "not allowed"),
        ("waits for a person", _approval(limits, quote)),
        *capital_rows(plan.capital, quote),
        ("tools that trade", ", ".join(sorted(agent.trading_tools)) or "none: it can only watch"),
        ("agent wakes on", ", ".join(sorted(agent.triggers))),
        *rhythm_rows(agent),
        (
            "forecast",
            f"{plan.forecast.forecaster}: {plan.forecast.paths} paths of {plan.forecast.horizon} candles",
        ),
        ("events, decisions", f"{report.events}, {report.decisions}"),
        *_holding_rows(report, quote),
        *_forecast_rows(report.forecast),
        ("forecasts' skill", skill_words(report.skill)),
    ]
    say_table(f"{plan.name} (number {plan.id})", ("", ""), rows)
    if report.pending:
        columns = ("order", "side", "type", "quantity", "price", "filled", "status")
        say_table(
            "Pending orders", columns, [tuple(map(str, _order(row).values())) for row in report.pending]
        )
    for turn in report.turns:
        words = turn.decision.reason if turn.decision else (turn.error or turn.status.value)
        say(f"{when(turn.started_at)}  turn {turn.id}: {' '.join(words.split())}")


def _engine(report: PlanReport) -> str:
    if report.plan.status in (PlanStatus.CREATED, PlanStatus.STOPPED):
        return "no engine: the plan is not to run"
    return "no engine now; `kokex up` starts one" if report.engine is None else f"engine {report.engine}"


def _may(standing: AccountStanding | None) -> str:
    """What the risk gate lets through, and why not everything."""
    if standing is None:
        return "not reconciled yet"
    words = {
        Standing.TRADING: "trade",
        Standing.REDUCE_ONLY: "only reduce holdings",
        Standing.HALTED: "not trade",
    }[standing.standing]
    if standing.trouble is None:
        return f"{words}; last reconciled {when(standing.reconciled_at)}"
    return f"{words}, since {when(standing.trouble.since)}: {standing.trouble.reason}"


def _stopped_rows(report: PlanReport) -> list[tuple[str, str]]:
    """Why this plan stands still until a person acts, where it does."""
    subscription = report.subscription
    if subscription is None or not subscription.active or subscription.stopped is None:
        return []
    return [("stands still", subscription.stopped)]


def _standing(standing: AccountStanding | None) -> dict[str, Any] | None:
    if standing is None:
        return None
    trouble = standing.trouble
    return {
        "standing": standing.standing,
        "reason": None if trouble is None else trouble.reason,
        "since": None if trouble is None else trouble.since,
        "reconciled_at": standing.reconciled_at,
    }


def _holding_rows(report: PlanReport, quote: str) -> list[tuple[str, str]]:
    book = report.book
    if book is None or not book.fills:
        return [("holding", "none; no fills yet")]
    unit = book.instrument.base_currency if book.instrument.contract_value == 1 else "contracts"
    fees = ", ".join(f"{plain(amount)} {currency}" for currency, amount in book.fees) or "none"
    rows = [("holding", f"{plain(book.quantity)} {unit} after {book.fills} fills"), ("fees", fees)]
    if book.instrument.kind is InstrumentKind.SWAP:
        rows.append(("funding", f"{plain(book.funding)} {quote}"))
    if report.last_close is not None:
        pnl = book.pnl(Decimal(repr(report.last_close)))
        rows.append(("profit or loss", f"about {pnl:+.2f} {quote} after fees, at the last close"))
    return rows


def _forecast_rows(forecast: Forecast | None) -> list[tuple[str, str]]:
    if forecast is None:
        return [("latest forecast", "none yet")]
    low, middle, high = forecast.quantiles((0.05, 0.5, 0.95))[:, -1]
    words = (
        f"{market_time(forecast.origin_time)} UTC: from {forecast.origin_price:g} to {middle:.2f} "
        f"({low:.2f} to {high:.2f} in 90 of 100 paths); a hypothesis"
    )
    return [("latest forecast", words)]


def skill_words(skill: ForecastSkill) -> str:
    """What a plan's forecasts were worth, as a sentence."""
    if not skill.said or skill.crps is None or skill.baseline_crps is None or skill.coverage is None:
        return (
            f"{skill.verdict}: {skill.forecasts} of {FEWEST_FORECASTS} forecasts have come to their horizon, "
            f"{skill.apart} of {FEWEST_APART} without overlap"
        )
    hits = "" if skill.hit_rate is None else f"direction right in {skill.hit_rate:.0%} of {skill.called}, "
    return (
        f"{skill.verdict}: CRPS {skill.crps:.3g} % of the price, the baseline's {skill.baseline_crps:.3g} %; {hits}"
        f"90 % band held {skill.coverage[90]:.0%} of {skill.forecasts}"
    )


def _skill(skill: ForecastSkill) -> dict[str, Any]:
    facts = asdict(skill)
    for name in ("coverage", "baseline_coverage"):
        kept = facts[name]
        facts[name] = None if kept is None else {str(share): value for share, value in kept.items()}
    return facts


def _holding(book: PlanBook | None) -> dict[str, Any] | None:
    if book is None:
        return None
    return {
        "quantity": book.quantity,
        "cash_flow": book.cash,
        "fees": dict(book.fees),
        "fills": book.fills,
        "funding": book.funding,
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "side": order.side.value,
        "order_type": order.order_type,
        "quantity": plain(order.quantity),
        "price": None if order.price is None else plain(order.price),
        "filled_quantity": plain(order.filled_quantity),
        "status": order.status.value,
    }


def _forecast(forecast: Forecast | None) -> dict[str, Any] | None:
    if forecast is None:
        return None
    low, middle, high = (float(value) for value in forecast.quantiles((0.05, 0.5, 0.95))[:, -1])
    return {
        "forecaster": forecast.forecaster,
        "origin_time": forecast.origin_time,
        "origin_price": forecast.origin_price,
        "horizon": forecast.horizon,
        "quantiles_at_horizon": {"0.05": low, "0.5": middle, "0.95": high},
        "probability_up": forecast.probability_up(),
    }


def _turn(turn: TurnRecord) -> dict[str, Any]:
    return {
        "turn": turn.id,
        "status": turn.status,
        "started_at": turn.started_at,
        "action": turn.decision.action if turn.decision else None,
        "reason": turn.decision.reason if turn.decision else turn.error,
    }
