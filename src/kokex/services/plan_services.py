"""The services that plans run on, together."""

from __future__ import annotations

from dataclasses import dataclass

from kokex.ports.indicators import Indicators
from kokex.services.account_events import AccountEventService
from kokex.services.accounts import AccountSessions
from kokex.services.alerts import AlertService
from kokex.services.approving import ApprovingService
from kokex.services.deciding import DecidingService
from kokex.services.executing import ExecutingService
from kokex.services.forecast_records import ForecastRecords
from kokex.services.forecasting import ForecastingService
from kokex.services.halting import HaltService
from kokex.services.ledger import Ledgers
from kokex.services.market_data import MarketDataService
from kokex.services.neighbours import Neighbourhood
from kokex.services.order_events import OrderEventService
from kokex.services.ownership import OwnershipService
from kokex.services.performance import PerformanceService
from kokex.services.reconciling import ReconcilingService
from kokex.services.risk_events import RiskWatch
from kokex.services.risk_picture import RiskPictures
from kokex.services.trading import TradingService
from kokex.services.trailing import TrailingStops


@dataclass(frozen=True, slots=True)
class Services:
    """The services that plans run on."""

    sessions: AccountSessions
    ledgers: Ledgers
    market_data: MarketDataService
    order_events: OrderEventService
    account_events: AccountEventService
    trading: TradingService
    reconciling: ReconcilingService
    forecasting: ForecastingService
    deciding: DecidingService
    ownership: OwnershipService
    neighbourhood: Neighbourhood
    performance: PerformanceService
    halting: HaltService
    trailing: TrailingStops
    executing: ExecutingService
    alerts: AlertService
    risk_watch: RiskWatch
    approving: ApprovingService
    pictures: RiskPictures
    indicators: Indicators
    forecast_records: ForecastRecords
