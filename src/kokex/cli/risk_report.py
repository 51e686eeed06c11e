"""What `kokex risk show` tells: halts, and of a plan its limits, what of them is used, and what was denied."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kokex.bootstrap import Application
from kokex.cli.output import plain, say, say_table, when
from kokex.domain.capital import Trail
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderStatus
from kokex.domain.plan import Plan
from kokex.domain.results import Worth
from kokex.ports.risk import HaltRecord
from kokex.services.accounts import market_of
from kokex.services.halts import covers
from kokex.services.ledger import Ledgers, PlanLedger

_DENIALS_OF = 500
"""Latest orders among which denials are counted."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a plan uses of its limits, in quote currency where it is money; None is unknown."""

    quote: str
    position: Decimal | None
    pending: int
    orders_last_minute: int
    orders_today: int
    pnl: Decimal | None
    lost_today: Decimal | None
    drawdown: Decimal | None
    losing_streak: int


@dataclass(frozen=True, slots=True)
class RiskReport:
    """What is kept. Everything but `halts` is of one plan, and empty where none was asked for; `trail` is of its latest holding."""

    halts: list[HaltRecord]
    plan: Plan | None = None
    usage: Usage | None = None
    denials: tuple[tuple[str, int, datetime], ...] = ()
    trail: Trail | None = None


async def read_report(opened: Application, plan: Plan | None) -> RiskReport:
    """Read it from the database."""
    halts = await opened.store.risk.halts_in_force()
    if plan is None:
        return RiskReport(halts)
    orders = await opened.store.orders.recent(plan.id, limit=_DENIALS_OF)
    return RiskReport(
        [record for record in halts if covers(record.halt, plan)],
        plan,
        await _usage(opened, plan),
        denials_by_code(orders),
        await opened.store.trails.latest(plan.id),
    )


def denials_by_code(orders: list[Order]) -> tuple[tuple[str, int, datetime], ...]:
    """Code, how often, when last; most frequent first. `orders` are newest first."""
    denied = [order for order in orders if order.status is OrderStatus.DENIED]
    codes = Counter((order.reason or "unknown").partition(":")[0] for order in denied)
    latest: dict[str, datetime] = {}
    for order in denied:
        latest.setdefault((order.reason or "unknown").partition(":")[0], order.created_at)
    return tuple((code, count, latest[code]) for code, count in codes.most_common())


async def _usage(opened: Application, plan: Plan) -> Usage | None:
    """None until the plan's instrument is known here."""
    store, now = opened.store, opened.clock.now()
    market = market_of(await store.accounts.get(plan.account_id))
    instrument = await store.instruments.get(market, plan.inst_id)
    if instrument is None:
        return None
    ledger = Ledgers().open(
        plan.id,
        instrument,
        await store.journal.fills(plan.id),
        await store.orders.pending(plan_id=plan.id),
        await store.orders.let_through_since(plan.id, now - timedelta(hours=24)),
    )
    newest = await store.candles.latest(market, plan.inst_id, plan.interval, 1)
    price = Decimal(repr(float(newest.closes[-1]))) if len(newest) else None
    return _used(ledger, await store.risk.worth(plan.id), price, now)


def _used(ledger: PlanLedger, worth: Worth | None, price: Decimal | None, now: datetime) -> Usage:
    instrument = ledger.book.instrument
    flat = not ledger.book.quantity
    pnl = ledger.book.cash if flat else (None if price is None else ledger.book.pnl(price))
    known = worth is not None and pnl is not None
    return Usage(
        quote=instrument.quote_currency,
        position=Decimal(0)
        if not ledger.furthest
        else (None if price is None else instrument.notional(ledger.furthest, price)),
        pending=len(ledger.pending),
        orders_last_minute=ledger.orders_since(now - timedelta(minutes=1)),
        orders_today=ledger.pace.today(now.astimezone(UTC)),
        pnl=pnl,
        lost_today=worth.day_loss(pnl, worth.marked_at) if known and worth and pnl is not None else None,
        drawdown=worth.drawdown(pnl) if known and worth and pnl is not None else None,
        losing_streak=ledger.results.losing_streak(),
    )


def halt_document(record: HaltRecord) -> dict[str, Any]:
    """As JSON-ready values."""
    halt = record.halt
    return {
        "id": record.id,
        "scope": halt.scope,
        "number": halt.number,
        "level": halt.level,
        "reason": halt.reason,
        "by": halt.by,
        "since": halt.since,
        "flatten": halt.flatten,
        "lifted_at": record.lifted_at,
        "lifted_by": record.lifted_by,
        "lift_reason": record.lift_reason,
    }


def document(report: RiskReport) -> dict[str, Any]:
    """As JSON-ready values."""
    halts = [halt_document(record) for record in report.halts]
    if report.plan is None:
        return {"halts": halts}
    return {
        "plan": report.plan.name,
        "halts": halts,
        "limits": asdict(report.plan.limits),
        "usage": None if report.usage is None else asdict(report.usage),
        "protections_in_force": protections_in_force(report),
        "denials": [{"code": code, "count": count, "last_at": at} for code, count, at in report.denials],
        "trailing_stop_hit_at": None if report.trail is None else report.trail.hit_at,
    }


def protections_in_force(report: RiskReport) -> list[str]:
    """Names of the protections that hold back new risk by what is kept now."""
    plan, used = report.plan, report.usage
    if plan is None or used is None:
        return []
    guard, found = plan.limits.protections, []
    if (
        guard.max_daily_loss is not None
        and used.lost_today is not None
        and used.lost_today >= guard.max_daily_loss
    ):
        found.append("max_daily_loss")
    capital = plan.limits.capital or plan.limits.max_position_notional
    if guard.max_drawdown is not None and used.drawdown is not None and used.pnl is not None:
        peak = capital + used.pnl + used.drawdown
        if used.drawdown >= guard.max_drawdown * peak:
            found.append("max_drawdown")
    if guard.losing_streak is not None and used.losing_streak >= guard.losing_streak:
        found.append("losing_streak")
    return found


def print_report(report: RiskReport) -> None:
    """For a person."""
    if report.halts:
        rows = [
            (
                str(one.id),
                one.halt.where,
                one.halt.level.value,
                when(one.halt.since),
                one.halt.by,
                one.halt.reason,
            )
            for one in report.halts
        ]
        say_table("Halts in force", ("halt", "where", "level", "since", "by", "reason"), rows)
    else:
        say("Nothing is halted.")
    if report.plan is None:
        return
    say_table(
        f"Limits of {report.plan.name}",
        ("limit", "is", "used"),
        _limit_rows(report.plan.limits, report.usage),
    )
    for name in protections_in_force(report):
        say(f"In force: {name} holds back new risk.")
    if report.trail is not None and report.trail.hit_at is not None:
        best = plain(report.trail.best)
        say(
            f"The trailing stop of the latest holding was hit at {when(report.trail.hit_at)}, after a best price of {best}."
        )
    if report.denials:
        denied = [(code, str(count), when(at)) for code, count, at in report.denials]
        say_table(f"Denied among the latest {_DENIALS_OF} orders", ("code", "times", "last"), denied)


def _limit_rows(limits: RiskLimits, used: Usage | None) -> list[tuple[str, str, str]]:
    values = {**asdict(limits), **asdict(limits.protections)}
    values.pop("protections")
    shown = {
        "max_position_notional": used.position if used else None,
        "max_position_share": used.position if used else None,
        "capital": used.position if used else None,
        "max_daily_loss": used.lost_today if used else None,
        "max_drawdown": used.drawdown if used else None,
    }
    counts = {
        "max_open_orders": used.pending if used else None,
        "max_orders_per_minute": used.orders_last_minute if used else None,
        "max_orders_per_day": used.orders_today if used else None,
        "losing_streak": used.losing_streak if used else None,
    }
    rows = []
    for name, value in values.items():
        money = shown.get(name)
        count = counts.get(name)
        usage = (
            "-"
            if money is None and count is None
            else (str(count) if money is None else f"{money:.2f} {used.quote if used else ''}")
        )
        rows.append((name, value_words(value), usage))
    return rows


def value_words(value: Any) -> str:
    """A limit as a person reads it; `none` where there is none."""
    if value is None:
        return "none"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    if isinstance(value, frozenset):
        return ",".join(sorted(str(one) for one in value))
    return str(value)
