"""The tools of one turn: all that an agent can see and do. Whatever trades passes the risk gate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kokex.domain.account import Ticker
from kokex.domain.errors import ExchangeError, NotFoundError
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderType
from kokex.domain.plan import Plan
from kokex.ports.agent import ToolResult
from kokex.ports.clock import Clock
from kokex.ports.exchange import Accepted, Rejected, Unknown
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.answers import Wish
from kokex.services.ledger import PlanLedger
from kokex.services.market_data import MarketDataService
from kokex.services.past_decisions import latest_decisions, told
from kokex.services.trading import TradingService
from kokex.services.turn_budget import TurnBudget

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BALANCE_SECONDS = 1.0
_TRADES_SHOWN = 20
"""Balances younger than this are not asked for again."""


class PlanToolbox:
    """Tools of one turn of one plan. Orders are numbered by step, so a turn that is run again repeats no order."""

    def __init__(
        self,
        current_plan: Callable[[], Plan],
        budget: TurnBudget,
        *,
        session: AccountSession,
        ledger: PlanLedger,
        store: Store,
        clock: Clock,
        market_data: MarketDataService,
        trading: TradingService,
    ) -> None:
        self._current_plan = current_plan
        self._turn_id = budget.turn_id
        self._session = session
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._market_data = market_data
        self._trading = trading
        self._budget = budget
        self._step = 0

    @property
    def _plan(self) -> Plan:
        return self._current_plan()

    async def get_current_price(self) -> ToolResult:
        """Last price, bid and ask, with their time."""
        ticker = await self._ticker()
        return {
            **self._streamed(),
            "inst_id": ticker.inst_id,
            "last": str(ticker.last),
            "bid": _text(ticker.bid),
            "ask": _text(ticker.ask),
            "unit": self._ledger.book.instrument.quote_currency,
            "occurred_at": _time(ticker.occurred_at),
        }

    def _streamed(self) -> ToolResult:
        """Top of the book and newest trades, where the plan has them streamed."""
        place = (self._session.account, self._plan.inst_id)
        top, trades = self._market_data.book_top(*place), self._market_data.trades(*place)
        seen: dict[str, Any] = {}
        if top is not None:
            seen["bid_quantity"], seen["ask_quantity"] = _text(top.bid_quantity), _text(top.ask_quantity)
        if trades:
            seen["trades"] = [
                {"price": str(one.price), "quantity": str(one.quantity), "side": one.side.value}
                for one in trades[-_TRADES_SHOWN:]
            ]
        return seen

    async def get_current_utc_time(self) -> ToolResult:
        """The present, by our clock and by the market's."""
        ticker = self._market_data.fresh_ticker(self._session.account, self._plan.inst_id)
        return {
            "now": _time(self._clock.now()),
            "market_time": _time(ticker.occurred_at) if ticker else None,
        }

    async def get_positions(self) -> ToolResult:
        """The plan's holding, cash flow and profit or loss so far."""
        book = self._ledger.book
        ticker = self._market_data.fresh_ticker(self._session.account, self._plan.inst_id)
        return {
            "inst_id": self._plan.inst_id,
            "quantity": str(book.quantity),
            "quantity_unit": self._quantity_unit(),
            "value": str(book.instrument.notional(book.quantity, ticker.last)) if ticker else None,
            "pnl_after_fees": str(book.pnl(ticker.last)) if ticker else None,
            "cash_flow": str(book.cash),
            "fees": {currency: str(amount) for currency, amount in book.fees},
            "fills": book.fills,
            "unit": book.instrument.quote_currency,
        }

    async def get_account_balance(self) -> ToolResult:
        """The account's balances, as the exchange last reported them."""
        try:
            snapshot = await self._session.refresh(older_than=BALANCE_SECONDS)
        except ExchangeError as error:
            return _refusal("exchange_unavailable", str(error))
        quote = self._ledger.book.instrument.quote_currency
        return {
            "balances": {
                currency: {"total": str(balance.total), "available": str(balance.available)}
                for currency, balance in sorted(snapshot.balances.items())
            },
            "free_cash": _text(self._session.free_cash(quote)),
            "free_cash_unit": quote,
            "taken_at": _time(snapshot.taken_at),
        }

    async def get_trading_limits(self) -> ToolResult:
        """The plan's limits and the instrument's steps. People set them; asking cannot change them."""
        limits, instrument = self._plan.limits, self._ledger.book.instrument
        return {
            "max_order_notional": str(limits.max_order_notional),
            "max_position_notional": str(limits.max_position_notional),
            "max_open_orders": limits.max_open_orders,
            "max_orders_per_minute": limits.max_orders_per_minute,
            "price_collar": str(limits.price_collar),
            "cash_reserve": str(limits.cash_reserve),
            "allow_short": limits.allow_short,
            "unit": instrument.quote_currency,
            "tick_size": str(instrument.tick_size),
            "lot_size": str(instrument.lot_size),
            "min_quantity": str(instrument.min_quantity),
            "quantity_unit": self._quantity_unit(),
            "contract_value": str(instrument.contract_value),
            "account_may": self._session.standing.value,
            "trouble": self._session.trouble.reason if self._session.trouble else None,
        }

    async def get_pending_orders(self) -> ToolResult:
        """The plan's orders that are open, in flight or unknown."""
        return {"orders": [_order(order) for order in self._ledger.pending.values()]}

    async def get_order_info(self, client_order_id: str) -> ToolResult:
        """One order of the plan."""
        order = await self._store.orders.get(self._plan.account_id, client_order_id)
        if order is None or order.plan_id != self._plan.id:
            return _refusal("not_found", f"this plan has no order {client_order_id!r}")
        return _order(order)

    async def query_historical_kline_data(self, limit: int = 50) -> ToolResult:
        """The latest closed candles, oldest first."""
        if not 1 <= limit <= 500:
            return _refusal("invalid_limit", f"limit {limit} must be between 1 and 500")
        series = await self._market_data.series(
            self._session.account, self._plan.inst_id, self._plan.interval, limit
        )
        return {
            "inst_id": self._plan.inst_id,
            "interval": str(self._plan.interval),
            "columns": ["open_time", "open", "high", "low", "close", "volume"],
            "candles": [
                [_time(datetime.fromtimestamp(int(at), UTC)), *(float(value) for value in row[:5])]
                for at, row in zip(series.open_times, series.values, strict=True)
            ],
        }

    async def query_prediction_data(self) -> ToolResult:
        """The latest forecast's distribution. A hypothesis: its skill is not measured yet."""
        latest = await self._store.forecasts.latest(self._plan.id)
        if latest is None:
            return _refusal("no_forecast", "no forecast has been made yet")
        number, forecast = latest
        levels = forecast.quantiles(QUANTILES)
        return {
            "forecast_id": number,
            "forecaster": forecast.forecaster,
            "origin_time": _time(forecast.origin_time),
            "origin_price": forecast.origin_price,
            "interval": str(forecast.interval),
            "horizon": forecast.horizon,
            "paths": int(forecast.paths.shape[0]),
            "probability_up": forecast.probability_up(),
            "expected_return": forecast.expected_return(),
            "spread": forecast.spread(),
            "close_quantiles": {
                f"{level:g}": [round(float(value), 8) for value in row]
                for level, row in zip(QUANTILES, levels, strict=True)
            },
            "measured_skill": None,
        }

    async def get_past_decisions(self, limit: int = 5, *, only_with_orders: bool = False) -> ToolResult:
        """The plan's latest decisions before this one, newest first, with their orders and outcomes."""
        ticker = self._market_data.fresh_ticker(self._session.account, self._plan.inst_id)
        past = await latest_decisions(
            self._store, self._plan.id, self._turn_id, limit=limit, only_with_orders=only_with_orders
        )
        return told(past, self._ledger.book.instrument, ticker)

    async def place_order(
        self, side: Side, order_type: OrderType, quantity: Decimal, price: Decimal | None = None
    ) -> ToolResult:
        """Ask for an order. The gate decides; the result says denied, rejected, unknown or accepted."""
        step, self._step = self._step, self._step + 1
        wish = Wish(side, order_type, quantity, price)
        answer = await self._trading.submit(
            self._session, self._plan, self._turn_id, step, wish, self._budget
        )
        result = _order(answer.order)
        if answer.code is not None and answer.code != "already_submitted":
            result |= {"error": answer.order.reason or answer.code, "code": answer.code}
        return result

    async def cancel_order(self, client_order_id: str) -> ToolResult:
        """Ask for an open order's cancellation. Accepted is not done: an order event will tell."""
        try:
            outcome = await self._trading.cancel(self._session, self._plan, client_order_id)
        except NotFoundError as error:
            return _refusal("not_found", str(error))
        match outcome:
            case Accepted(order_id):
                return {"client_order_id": client_order_id, "order_id": order_id, "cancel": "accepted"}
            case Rejected(code, reason):
                return {"client_order_id": client_order_id, "cancel": "rejected"} | _refusal(code, reason)
            case Unknown(reason, _):
                return {"client_order_id": client_order_id, "cancel": "unknown"} | _refusal("unknown", reason)

    async def _ticker(self) -> Ticker:
        known = self._market_data.fresh_ticker(self._session.account, self._plan.inst_id)
        return known or await self._session.exchange.ticker(self._plan.inst_id)

    def _quantity_unit(self) -> str:
        instrument = self._ledger.book.instrument
        return instrument.base_currency if instrument.contract_value == 1 else "contracts"


def _order(order: Order) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "side": order.side.value,
        "order_type": order.order_type,
        "quantity": str(order.quantity),
        "price": _text(order.price),
        "status": order.status.value,
        "filled_quantity": str(order.filled_quantity),
        "average_price": _text(order.average_price),
        "reason": order.reason,
        "created_at": _time(order.created_at),
    }


def _refusal(code: str, reason: str) -> dict[str, Any]:
    return {"error": reason, "code": code}


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
