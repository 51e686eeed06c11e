"""The one place where everything is wired: settings in, a working application out."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kokex.adapters.bootstrap_forecaster import BlockBootstrapForecaster
from kokex.adapters.code_revision import code_revision
from kokex.adapters.langchain import ChainSettings, LangChainAgentService, ModelSettings, read_chain
from kokex.adapters.langchain.forgetting import KeptConversations
from kokex.adapters.langchain.replaying import TurnReplayer
from kokex.adapters.model_candles import read_model_candles
from kokex.adapters.model_files import ModelFolder
from kokex.adapters.model_libraries import require_libraries
from kokex.adapters.okx import OKXAdapter
from kokex.adapters.postgres import EmbeddedPostgres, PostgresStore, upgrade
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.system_clock import SystemClock
from kokex.adapters.talib_indicators import TalibIndicators
from kokex.adapters.vault import Vault
from kokex.domain.errors import ConfigurationError, StateError
from kokex.domain.plan import KRONOS, Plan
from kokex.domain.spending import Budget, Price
from kokex.ports.agent import Agent
from kokex.ports.clock import Clock
from kokex.ports.exchange import ExchangeAdapter
from kokex.ports.models import ModelFiles, Trainer, TrainingCandles
from kokex.ports.replay import Replayer
from kokex.ports.store import Store
from kokex.services.account_events import AccountEventService
from kokex.services.accounts import AccountSessions
from kokex.services.activity import PlanActivity
from kokex.services.alerts import AlertService
from kokex.services.approving import ApprovingService
from kokex.services.deciding import DecidingService
from kokex.services.executing import ExecutingService
from kokex.services.flattening import Flattening
from kokex.services.forecast_age import ForecastAges
from kokex.services.forecast_records import ForecastRecords
from kokex.services.forecasting import ForecastingService
from kokex.services.halting import HaltService
from kokex.services.halts import Halts
from kokex.services.ledger import Ledgers
from kokex.services.market_data import MarketDataService
from kokex.services.models import ModelService
from kokex.services.neighbours import Neighbourhood
from kokex.services.order_events import OrderEventService
from kokex.services.ownership import OwnershipService
from kokex.services.performance import PerformanceService
from kokex.services.plan_services import Services
from kokex.services.plans import PlanService
from kokex.services.reconciling import ReconcilingService
from kokex.services.risk_events import RiskWatch
from kokex.services.risk_picture import RiskPictures
from kokex.services.sending import OrderSending
from kokex.services.trading import TradingService
from kokex.services.trailing import Hands, TrailingStops
from kokex.services.training import TrainingService
from kokex.services.worker_forecasts import WorkerForecasts
from kokex.services.working import Lease, Worker
from kokex.settings import Settings

READY_SECONDS = 10.0
"""How long a start waits for accounts that cannot be reached before it goes on without them."""


@dataclass(frozen=True, slots=True)
class Application:
    """What a command works with: the store, the clock, the exchange, plans as wishes, and the models."""

    settings: Settings
    store: Store
    clock: Clock
    adapter: ExchangeAdapter
    plans: PlanService
    model_files: ModelFiles
    models: ModelService
    training: TrainingService
    database: DatabaseAddress


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[str]:
    """URL of a database that answers and has this program's tables.

    Raises:
        StoreUnavailableError: it cannot be reached or started.
        StoreVersionError: its tables are newer than this program.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        await asyncio.to_thread(upgrade, url)
        yield url
        return
    server = EmbeddedPostgres(settings.folder / "database")
    url = await asyncio.to_thread(server.start)
    try:
        await asyncio.to_thread(upgrade, url)
        yield url
    finally:
        await asyncio.to_thread(server.release)


@asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[Application]:
    """For commands that look and wish; trades nothing by itself."""
    _make_folder(settings.folder)
    clock = SystemClock()
    adapter = OKXAdapter(clock)
    async with database(settings) as url:
        address = DatabaseAddress.parse(url)
        store = await PostgresStore.open(url, Vault.open(settings.folder))
        try:
            files = ModelFolder(settings.folder / "models")
            yield Application(
                settings,
                store,
                clock,
                adapter,
                PlanService(store, clock, adapter, KeptConversations(address.connect_arguments)),
                files,
                ModelService(store, clock, files),
                TrainingService(store, clock, files, _training_file, code_revision),
                address,
            )
        finally:
            await store.close()


@dataclass(frozen=True, slots=True)
class Engine:
    """The process that trades: streams, order events, agents."""

    application: Application
    activity: PlanActivity
    services: Services
    agent: LangChainAgentService | None

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Resume every plan and serve until cancelled.

        Args:
            ready: set once every plan's account is reconciled, or after `READY_SECONDS`: see `activity.waiting`.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.activity.run())
                await self.activity.started.wait()
                tasks.create_task(self.application.plans.run(self.activity))
                if ready is not None:
                    tasks.create_task(self._tell_ready(ready))
        finally:
            await self.services.sessions.close()
            if self.agent is not None:
                await self.agent.close()

    async def _tell_ready(self, ready: asyncio.Event) -> None:
        clock = self.application.clock
        await self.activity.resumed.wait()
        deadline = clock.monotonic() + READY_SECONDS
        while self.activity.waiting and clock.monotonic() < deadline:
            await clock.sleep(0.02)
        ready.set()


async def engine(application: Application, agent: Agent | None = None) -> Engine:
    """Wire an engine. `agent`: another than the settings ask for (tests, benchmarks)."""
    store, clock, adapter = application.store, application.clock, application.adapter
    own: LangChainAgentService | None = None
    if agent is None:
        agent = own = _agent(application)
    installation = await store.installation()
    ledgers = Ledgers()
    sessions = AccountSessions(store, clock, adapter)
    market_data = MarketDataService(store, clock, adapter)
    alerts = AlertService(store, clock)
    market_data.price_sink = alerts
    account_events = AccountEventService(store, clock)
    order_events = OrderEventService(store, clock, adapter, ledgers, account_events, installation)
    ownership = OwnershipService(store.account_locks(), clock)
    neighbourhood = Neighbourhood(ledgers, market_data)
    performance = PerformanceService(store, clock, ledgers, market_data)
    halts = Halts(clock)
    ages = ForecastAges(clock)
    pictures = RiskPictures(clock, market_data, neighbourhood, performance, halts, ledgers, ages)
    sending = OrderSending(store, clock, ledgers, market_data, order_events)
    trading = TradingService(store, clock, ledgers, sending, installation, ownership, pictures)
    flattening = Flattening(clock, ledgers, trading, neighbourhood)
    executing = ExecutingService(store, clock, ledgers, market_data, trading, pictures)
    forecaster = BlockBootstrapForecaster()
    services = Services(
        sessions=sessions,
        ledgers=ledgers,
        market_data=market_data,
        order_events=order_events,
        account_events=account_events,
        trading=trading,
        reconciling=ReconcilingService(
            store, clock, sessions, order_events, trading, ledgers, account_events
        ),
        forecasting=ForecastingService(
            store,
            market_data,
            {forecaster.name: forecaster, KRONOS: forecaster},
            WorkerForecasts(store, clock),
            ages,
        ),
        deciding=DecidingService(store, clock, agent),
        ownership=ownership,
        neighbourhood=neighbourhood,
        performance=performance,
        pictures=pictures,
        indicators=TalibIndicators(),
        forecast_records=ForecastRecords(store),
        halting=HaltService(store, clock, halts, flattening),
        executing=executing,
        trailing=TrailingStops(
            store, clock, ledgers, market_data, performance, Hands(trading, flattening, pictures, executing)
        ),
        alerts=alerts,
        risk_watch=RiskWatch(store, clock, pictures, ledgers),
        approving=ApprovingService(store, clock, halts, trading),
    )
    return Engine(application, PlanActivity(store, clock, services), services, own)


def trainer() -> Trainer:
    """What trains and loads models. Imports torch.

    Raises:
        ConfigurationError: a library that models need is not installed.
    """
    require_libraries()
    from kokex.adapters.kronos_training import KronosTrainer  # noqa: PLC0415 - torch, which the engine never imports

    return KronosTrainer()


def worker(
    application: Application, lease: Lease | None = None, with_trainer: Trainer | None = None
) -> Worker:
    """Wire a worker. `with_trainer`: another than the library's (tests).

    Raises:
        ConfigurationError: a library that models need is not installed.
    """
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    return Worker(
        application.store,
        application.clock,
        application.model_files,
        with_trainer or trainer(),
        application.training,
        name,
        lease,
    )


@contextmanager
def sole_engine(folder: Path) -> Iterator[None]:
    """Hold the data folder for one engine, for as long as this process lives.

    Raises:
        StateError: another engine works on it.
    """
    _make_folder(folder)
    path = folder / "engine.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise StateError(
                f"another engine (process {owner}) works on {folder}; stop it first, or set KOKEX_HOME to another folder"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def model_chain(settings: Settings) -> ChainSettings | None:
    """The language models that the settings ask for, in their order; None where the built-in policy decides.

    Raises:
        ConfigurationError: they cannot be meant; or a provider's package is not installed.
    """
    if settings.llm_models is not None:
        if settings.llm_base_url is not None:
            raise ConfigurationError("set KOKEX_LLM_MODELS or KOKEX_LLM_BASE_URL, not both")
        return read_chain(settings.llm_models.get_secret_value(), os.environ)
    if settings.llm_base_url is None:
        return None
    reading, writing = settings.llm_input_usd, settings.llm_output_usd
    if (reading is None) != (writing is None):
        raise ConfigurationError("set both KOKEX_LLM_INPUT_USD and KOKEX_LLM_OUTPUT_USD, or neither")
    model = ModelSettings(
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key.get_secret_value(),
        model=settings.llm_model,
        temperature=settings.llm_temperature,
        timeout_seconds=settings.llm_timeout,
        price=None if reading is None or writing is None else Price(reading, writing),
    )
    return ChainSettings((model,), Budget(settings.llm_daily_budget_usd, settings.llm_plan_daily_budget_usd))


def _agent(application: Application) -> LangChainAgentService:
    return LangChainAgentService(
        model_chain(application.settings),
        application.clock,
        spending=application.store.spending,
        connect=application.database.connect_arguments,
    )


def replayer(application: Application) -> Replayer:
    """What runs kept decisions again, away from the exchange."""
    return TurnReplayer(model_chain(application.settings), application.clock)


def _training_file(path: Path, plan: Plan) -> TrainingCandles:
    """A candle file to train a plan's model on. Raises `DataError`, `ConfigurationError`."""
    file = read_model_candles(path, inst_id=plan.inst_id)
    if file.interval != plan.interval:
        raise ConfigurationError(
            f"{path} has candles of {file.interval}, plan {plan.name} trades on candles of {plan.interval}"
        )
    return TrainingCandles(path.name, plan.inst_id, file.interval, file.open_times, file.values)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {folder} cannot be made: {error.strerror}; set KOKEX_HOME"
        ) from error


def quiet_collector() -> None:
    """Spare the garbage collector what stays for good, once an engine is ready.

    Order events make many short-lived values and no cycles; looking through everything that was imported whenever 700
    of them exist took a seventh of the engine's time at full blast.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
