"""What the gate is told of the moment of asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kokex.domain.grant import Grant
from kokex.domain.halt import Halt
from kokex.domain.instrument import Instrument, Side
from kokex.domain.order import Order
from kokex.domain.plan import PlanStatus
from kokex.domain.results import Worth
from kokex.domain.standing import Standing


@dataclass(frozen=True, slots=True)
class RecentOrder:
    """An order that was let through, or changed, a short while ago.

    Attributes:
        price: the last price where it had none of its own.
        name: its client order id.
    """

    side: Side
    price: Decimal
    at: datetime
    name: str = ""


@dataclass(frozen=True, slots=True)
class Performance:
    """What the plan's trading came to so far.

    Attributes:
        pnl: profit or loss since its first fill, after fees, with the holding at the present price; None: no price.
        losing_streak: losing results in a row, up to now, the last of them at `last_loss_at`.
        stops: when stops of the plan were triggered, oldest first, as far back as a protection looks.
        at: the exchange's present, which results and stops are told in; None: it is the moment of asking.
    """

    worth: Worth
    pnl: Decimal | None
    losing_streak: int = 0
    last_loss_at: datetime | None = None
    stops: tuple[datetime, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The account around the plan.

    Attributes:
        equity: worth of the whole account in quote currency; None: not known.
        exposure: what all other plans of the account hold or may come to hold, in quote currency; None: not known.
        resting: open orders of the other plans in the same instrument.
        reserved: quote currency that is set apart for other plans and not yet used by them.
        shared: another plan of the account trades the instrument.
    """

    equity: Decimal | None = None
    exposure: Decimal | None = Decimal(0)
    resting: tuple[Order, ...] = ()
    reserved: Decimal = Decimal(0)
    shared: bool = False


@dataclass(frozen=True, slots=True)
class RiskState:
    """What is known at the moment of asking.

    Attributes:
        instrument: the plan's own.
        reconciled: the account's record agrees with the exchange's.
        last_price: in quote currency; None when no fresh price is known.
        quantity: the plan's holding, from its fills (base for spot, contracts for swaps).
        pending: the plan's orders that are open, in flight, unknown or waiting for approval.
        free_cash: quote currency free to spend on the account, orders in flight and unknown already taken off; None: unknown.
        orders_last_minute: orders and changes of orders let through in the last 60 s.
        account: what the account may do, and `trouble`, why not everything.
        stale_candles: why the plan's candles are too old to decide on; None while they are fresh.
        stale_forecast: why its newest forecast is too old to add risk on; None while it is not, or there never was one.
        mark_price: the exchange's mark price; None where it has none for the instrument, or none is known.
        orders_today: orders let through in this UTC day.
        recent: orders let through lately, as far back as a limit looks.
        performance: None where the plan has none to be judged by (it was never at work here).
        halts: kill switches in force that touch the plan.
        grant: what is left of the turn's budget; None for orders that no turn asked for.
    """

    instrument: Instrument
    plan_status: PlanStatus
    reconciled: bool
    last_price: Decimal | None
    quantity: Decimal
    pending: tuple[Order, ...]
    free_cash: Decimal | None
    orders_last_minute: int
    checked_at: datetime
    account: Standing = Standing.TRADING
    trouble: str = ""
    stale_candles: str | None = None
    stale_forecast: str | None = None
    mark_price: Decimal | None = None
    orders_today: int = 0
    recent: tuple[RecentOrder, ...] = ()
    performance: Performance | None = None
    neighbours: Neighbours = Neighbours()
    halts: tuple[Halt, ...] = ()
    grant: Grant | None = None
