"""What the risk gate is told of the moment of asking, put together from whoever knows it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from kokex.domain.grant import Grant
from kokex.domain.plan import Plan
from kokex.domain.risk import RiskState, Sketch, draw_grant
from kokex.domain.risk.state import Neighbours
from kokex.domain.standing import Standing
from kokex.ports.clock import Clock
from kokex.services.accounts import AccountSession
from kokex.services.forecast_age import ForecastAges
from kokex.services.halts import Halts
from kokex.services.ledger import Ledgers, PlanLedger
from kokex.services.market_data import MarketDataService
from kokex.services.neighbours import Neighbourhood
from kokex.services.performance import PerformanceService
from kokex.services.turn_budget import TurnBudget

NOT_OURS: Final = "not sent: this engine does not own the account at this moment; another may"
_MINUTE = timedelta(seconds=60)


class RiskPictures:
    """Draws the gate's picture of a plan."""

    def __init__(
        self,
        clock: Clock,
        market_data: MarketDataService,
        neighbourhood: Neighbourhood,
        performance: PerformanceService,
        halts: Halts,
        ledgers: Ledgers,
        ages: ForecastAges,
    ) -> None:
        self._clock = clock
        self._market_data = market_data
        self._neighbourhood = neighbourhood
        self._performance = performance
        self._halts = halts
        self._ledgers = ledgers
        self._ages = ages

    @property
    def halts_known(self) -> bool:
        """Whether what is halted was read yet; until then all is."""
        return self._halts.known

    def state(
        self, session: AccountSession, plan: Plan, ledger: PlanLedger, grant: Grant | None = None
    ) -> RiskState:
        """The plan, its orders and its account as they are known now."""
        now = self._clock.now()
        ticker = self._market_data.fresh_ticker(session.account, plan.inst_id)
        instrument, limits = ledger.book.instrument, plan.limits
        lost = session.lost.get(plan.inst_id)
        return RiskState(
            instrument=instrument,
            plan_status=plan.status,
            reconciled=session.reconciled and session.owned,
            last_price=ticker.last if ticker else None,
            mark_price=self._market_data.mark_price(session.account, plan.inst_id),
            stale_candles=self._market_data.staleness(session.account, plan.inst_id, plan.interval),
            stale_forecast=self._ages.staleness(plan, ticker.occurred_at if ticker else None),
            quantity=ledger.book.quantity,
            pending=tuple(ledger.pending.values()),
            free_cash=session.free_cash(instrument.quote_currency),
            orders_last_minute=ledger.orders_since(now - _MINUTE),
            checked_at=now,
            account=_standing(session, plan),
            trouble=lost or (session.trouble.reason if session.trouble else NOT_OURS),
            orders_today=ledger.pace.today(now),
            recent=() if limits.repeat_distance is None else ledger.pace.lately(now, limits.repeat_period),
            performance=self._performance.of(plan.id),
            grant=grant,
            halts=self._halts.covering(plan),
            neighbours=self._neighbourhood.around(session, plan),
        )

    def alone(self, plan: Plan) -> bool:
        """Whether the account's position in the instrument is the plan's: no other plan trades it there."""
        return self._neighbourhood.alone(plan)

    def budget(self, session: AccountSession, plan: Plan, turn_id: int, *, fresh: bool = False) -> TurnBudget:
        """What a turn that begins now may do; `fresh`: it was never run before."""
        drawn = draw_grant(plan.limits, self._sketch(session, plan), plan.agent.max_tool_calls)
        return TurnBudget(plan.id, turn_id, drawn, fresh=fresh)

    def _sketch(self, session: AccountSession, plan: Plan) -> Sketch:
        """No more than the plan's limits ask for: every turn begins with it."""
        ledger, limits = self._ledgers.of(plan.id), plan.limits
        ticker = self._market_data.fresh_ticker(session.account, plan.inst_id)
        looks_around = limits.of_account or limits.max_account_notional is not None
        return Sketch(
            instrument=ledger.book.instrument,
            quantity=ledger.book.quantity,
            pending=tuple(ledger.pending.values()),
            last_price=ticker.last if ticker else None,
            account=_standing(session, plan),
            halts=self._halts.covering(plan),
            performance=None if limits.capital is None else self._performance.of(plan.id),
            neighbours=self._neighbourhood.around(session, plan) if looks_around else Neighbours(),
        )


def _standing(session: AccountSession, plan: Plan) -> Standing:
    """What the plan may do on the account: nothing where another engine may own it, or its instrument cannot be reconciled."""
    return session.standing if session.owned and plan.inst_id not in session.lost else Standing.HALTED
