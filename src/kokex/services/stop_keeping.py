"""Stops that orders brought along are as large as what they protect, and end with it.

The exchange makes such a stop once its order has filled, and keeps it until it triggers. Where the holding ends in another way the stop
would stay, and trigger later on what is not the plan's: so it is canceled. Where a holding of spot becomes smaller, a stop in full size
would sell other coins of the account: so it is amended, which leaves no moment without it. (On swaps they only reduce the position.)

Nothing is remembered of what was asked: the exchange shows how large its stops are, and is asked until they are as they should be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import structlog

from kokex.domain.account_reports import StopReport
from kokex.domain.errors import KokexError
from kokex.domain.ids import client_order_id, order_origin
from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.standing import Standing
from kokex.domain.stop_sizes import oversized
from kokex.ports.clock import Clock
from kokex.ports.exchange import Outcome, Rejected, Unknown
from kokex.services.accounts import AccountSession, AccountSessions
from kokex.services.ledger import Ledgers, PlanLedger
from kokex.services.order_events import OrderEventService

log = structlog.get_logger(__name__)

SETTLING_SECONDS: Final = 5.0
"""After a change of the holding, stops that the exchange makes late are there by then."""
AGAIN_SECONDS: Final = 1.0
LONGEST_AGAIN_SECONDS: Final = 60.0
"""How soon what was refused is asked for again; twice as late each time, up to this."""
LACKING_SECONDS: Final = 600.0
"""How long an execution that is known to be missing is waited for: longer than from one look at the account to the next."""


@dataclass(slots=True)
class _Sizing:
    """How far the sizes of a plan's stops are known to be right.

    Attributes:
        held, waiting: what they were looked at for: the holding, and orders that have yet to bring stops along.
        until: by the monotonic clock: they have to be right then, or later, to be right for good.
        next_at: when they are looked at again; None: they are right.
        again: seconds after the next refusal.
    """

    held: Decimal
    waiting: frozenset[str]
    until: float
    next_at: float | None
    again: float = AGAIN_SECONDS


class StopKeeping:
    """Sees to the stops of every plan at work."""

    def __init__(
        self,
        clock: Clock,
        sessions: AccountSessions,
        ledgers: Ledgers,
        order_events: OrderEventService,
        installation: str,
    ) -> None:
        self._clock = clock
        self._sessions = sessions
        self._ledgers = ledgers
        self._order_events = order_events
        self._installation = installation
        self._sizings: dict[int, _Sizing] = {}
        self._lacking_since: dict[int, float] = {}

    async def look(self) -> None:
        """Look at every plan at work; an account that cannot be asked now is asked at the next look."""
        for session in self._sessions.all():
            if not (session.owned and session.reconciled) or session.stopped:
                continue
            connection = self._order_events.connections.get(session.account.connection_key)
            for plan_id in list(connection.plans) if connection is not None else ():
                ledger = self._ledgers.get(plan_id)
                if ledger is None or not ledger.stops_out or self._lacks(plan_id, ledger):
                    continue
                try:
                    if _protects(ledger):
                        await self._fit(session, plan_id, ledger)
                    else:
                        await self._cancel(session, plan_id, ledger)
                except KokexError as error:
                    log.warning("stops not looked at", plan=plan_id, reason=str(error))

    def _lacks(self, plan_id: int, ledger: PlanLedger) -> bool:
        """Whether the plan holds something else than is counted, and how much is not known yet: its stops stay as they are."""
        if ledger.whole:
            self._lacking_since.pop(plan_id, None)
            return False
        now = self._clock.monotonic()
        return now - self._lacking_since.setdefault(plan_id, now) < LACKING_SECONDS

    async def _cancel(self, session: AccountSession, plan_id: int, ledger: PlanLedger) -> None:
        own = await self._own(session, plan_id, ledger)
        for stop in own:
            if _protects(ledger):
                return
            outcome = await session.exchange.cancel_stop(stop.inst_id, stop.stop_id)
            _log("stop of an ended holding", plan_id, stop, outcome)
        if not _protects(ledger):
            ledger.stops_out = bool(own)
            self._sizings.pop(plan_id, None)

    async def _fit(self, session: AccountSession, plan_id: int, ledger: PlanLedger) -> None:
        """Make stops smaller that are larger than what is held. Where the record may be wrong they stay as they are."""
        spot = ledger.book.instrument.kind is InstrumentKind.SPOT
        if not spot or session.standing is not Standing.TRADING:
            return
        sizing = self._sizing(plan_id, ledger)
        now = self._clock.monotonic()
        if sizing.next_at is None or now < sizing.next_at:
            return
        # Of an order that is pending the fills may not all be counted yet: its stops are looked at when it is over.
        own = [
            stop
            for stop in await self._own(session, plan_id, ledger)
            if stop.side is Side.SELL and _maker(stop) not in ledger.pending
        ]
        if (sizing.held, sizing.waiting) != _looked_at_for(ledger):
            return
        changes = oversized(sizing.held, own, ledger.book.instrument)
        if not changes:
            sizing.next_at = sizing.until if now < sizing.until else None
            return
        for stop in own:
            if stop.stop_id in changes:
                await self._resize(session, plan_id, stop, changes[stop.stop_id], sizing)

    async def _resize(
        self, session: AccountSession, plan_id: int, stop: StopReport, quantity: Decimal, sizing: _Sizing
    ) -> None:
        exchange, now = session.exchange, self._clock.monotonic()
        if quantity:
            outcome = await exchange.amend_stop(stop.inst_id, stop.stop_id, quantity)
        else:
            outcome = await exchange.cancel_stop(stop.inst_id, stop.stop_id)
        _log("stop larger than its holding", plan_id, stop, outcome, quantity=str(quantity))
        match outcome:
            case Rejected():
                sizing.next_at = now + sizing.again
                sizing.again = min(2 * sizing.again, LONGEST_AGAIN_SECONDS)
            case Unknown(_, settled_after):  # it may take effect until then, also after a later one
                left = (settled_after - self._clock.now()).total_seconds()
                sizing.until = max(sizing.until, now + left)

    def _sizing(self, plan_id: int, ledger: PlanLedger) -> _Sizing:
        held, waiting = _looked_at_for(ledger)
        known = self._sizings.get(plan_id)
        if known is None or (known.held, known.waiting) != (held, waiting):
            now = self._clock.monotonic()
            until = now + SETTLING_SECONDS if known is None else max(now + SETTLING_SECONDS, known.until)
            known = self._sizings[plan_id] = _Sizing(held, waiting, until, next_at=now)
        return known

    async def _own(self, session: AccountSession, plan_id: int, ledger: PlanLedger) -> list[StopReport]:
        """The plan's stops at the exchange, oldest first."""
        stops = await session.exchange.open_stops(ledger.book.instrument.inst_id)
        return [one for one in stops if self._is_of(plan_id, one.client_stop_id)]

    def _is_of(self, plan_id: int, name: str | None) -> bool:
        origin = order_origin(name)
        return origin is not None and (origin.installation, origin.plan_id) == (self._installation, plan_id)


def _looked_at_for(ledger: PlanLedger) -> tuple[Decimal, frozenset[str]]:
    waiting = frozenset(name for name, order in ledger.pending.items() if order.stops is not None)
    return ledger.book.quantity, waiting


def _maker(stop: StopReport) -> str | None:
    """Name of the order that brought the stop along."""
    origin = order_origin(stop.client_stop_id)
    return None if origin is None else client_order_id(replace(origin, stop=False))


def _log(what: str, plan_id: int, stop: StopReport, outcome: Outcome, **more: str) -> None:
    log.info(what, plan=plan_id, stop=stop.stop_id, outcome=type(outcome).__name__.lower(), **more)


def _protects(ledger: PlanLedger) -> bool:
    """Whether stops have something to protect, or may come to have."""
    if abs(ledger.book.quantity) >= ledger.book.instrument.min_quantity:
        return True
    return any(order.stops is not None for order in ledger.pending.values())
