"""Where the tools of a turn stand: whose turn it is, and the services that they ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kokex.domain.account import Ticker
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.indicators import Indicators
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.alerts import AlertService
from kokex.services.executing import ExecutingService
from kokex.services.forecast_records import ForecastRecords
from kokex.services.forecasting import ForecastingService
from kokex.services.ledger import PlanLedger
from kokex.services.market_data import MarketDataService
from kokex.services.risk_picture import RiskPictures
from kokex.services.trading import TradingService
from kokex.services.turn_budget import TurnBudget


@dataclass(frozen=True, slots=True)
class Desk:
    """One turn of one plan.

    Attributes:
        current_plan: the plan as its user wants it now, so that a pause takes hold in the middle of a turn.
        budget: what the turn may still ask for.
    """

    current_plan: Callable[[], Plan]
    budget: TurnBudget
    session: AccountSession
    ledger: PlanLedger
    store: Store
    clock: Clock
    market_data: MarketDataService
    trading: TradingService
    alerts: AlertService
    forecasting: ForecastingService
    records: ForecastRecords
    indicators: Indicators
    pictures: RiskPictures
    executing: ExecutingService

    @property
    def plan(self) -> Plan:
        """The plan as its user wants it now."""
        return self.current_plan()

    @property
    def turn_id(self) -> int:
        """The turn's number, which is its decision's."""
        return self.budget.turn_id

    @property
    def quantity_unit(self) -> str:
        """What quantities of the plan's instrument count."""
        instrument = self.ledger.book.instrument
        return instrument.base_currency if instrument.contract_value == 1 else "contracts"

    def fresh_ticker(self) -> Ticker | None:
        """The last price of the plan's instrument, where the stream told it lately."""
        return self.market_data.fresh_ticker(self.session.account, self.plan.inst_id)

    async def ticker(self) -> Ticker:
        """The last price, asked for where the stream is silent.

        Raises:
            ExchangeError: nobody knows it.
        """
        return self.fresh_ticker() or await self.session.exchange.ticker(self.plan.inst_id)


class Room:
    """Some of a turn's tools, at its desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
