"""What the plan holds, what its account has, and what it may do."""

from __future__ import annotations

from decimal import Decimal

from kokex.domain.errors import ExchangeError
from kokex.ports.toolbox import ToolResult
from kokex.services.toolbox.desk import Room
from kokex.services.toolbox.facts import decimal_text, refusal, time_text
from kokex.services.toolbox.limit_facts import left_facts, limit_facts

_BALANCE_SECONDS = 1.0
"""Balances younger than this are not asked for again."""


class AccountTools(Room):
    """Holding, balances and limits."""

    async def get_positions(self) -> ToolResult:
        """The plan's holding, cash flow and profit or loss so far."""
        book = self._desk.ledger.book
        ticker = self._desk.fresh_ticker()
        return {
            "inst_id": self._desk.plan.inst_id,
            "quantity": f"{book.quantity:f}",
            "quantity_unit": self._desk.quantity_unit,
            "value": f"{book.instrument.notional(book.quantity, ticker.last):f}" if ticker else None,
            "pnl_after_fees": f"{book.pnl(ticker.last):f}" if ticker else None,
            "cash_flow": f"{book.cash:f}",
            "fees": {currency: f"{amount:f}" for currency, amount in book.fees},
            "fills": book.fills,
            "unit": book.instrument.quote_currency,
            "trailing_stop": await self._trailing_stop(),
        }

    async def _trailing_stop(self) -> ToolResult | None:
        """The plan's stop and the latest holding that it followed; None where it has none. The engine carries it out."""
        plan = self._desk.plan
        share = plan.capital.trailing_stop
        if share is None:
            return None
        trail = await self._desk.store.trails.latest(plan.id)
        entry = self._desk.ledger.results.entry
        held = trail is not None and entry is not None and entry.at == trail.since
        return {
            "share": f"{share:f}",
            "best_price": f"{trail.best:f}" if trail and held else None,
            "level": f"{trail.level(share):f}" if trail and held else None,
            "hit_at": None if trail is None or trail.hit_at is None else time_text(trail.hit_at),
        }

    async def get_account_balance(self) -> ToolResult:
        """The account's balances, as the exchange last reported them."""
        try:
            snapshot = await self._desk.session.refresh(older_than=_BALANCE_SECONDS)
        except ExchangeError as error:
            return refusal("exchange_unavailable", str(error))
        quote = self._desk.ledger.book.instrument.quote_currency
        return {
            "balances": {
                currency: {"total": f"{balance.total:f}", "available": f"{balance.available:f}"}
                for currency, balance in sorted(snapshot.balances.items())
            },
            "free_cash": decimal_text(self._desk.session.free_cash(quote)),
            "free_cash_unit": quote,
            "taken_at": time_text(snapshot.taken_at),
        }

    def _own_capital(self) -> Decimal | None:
        """What the plan has to trade with; None where what it holds cannot be valued now."""
        ticker, book = self._desk.fresh_ticker(), self._desk.ledger.book
        return self._desk.plan.limits.own_capital(None if ticker is None else book.pnl(ticker.last))

    async def get_trading_limits(self) -> ToolResult:
        """All limits of the plan, what of them is left, and the instrument's steps. People set them; asking cannot change them."""
        desk = self._desk
        limits, instrument = desk.plan.limits, desk.ledger.book.instrument
        await desk.budget.read(desk.store)
        state = desk.pictures.state(desk.session, desk.plan, desk.ledger, desk.budget.left)
        return {
            **limit_facts(limits),
            "left": left_facts(limits, state),
            "own_capital": decimal_text(self._own_capital()),
            "unit": instrument.quote_currency,
            "tick_size": f"{instrument.tick_size:f}",
            "lot_size": f"{instrument.lot_size:f}",
            "min_quantity": f"{instrument.min_quantity:f}",
            "quantity_unit": self._desk.quantity_unit,
            "contract_value": f"{instrument.contract_value:f}",
            "account_may": self._desk.session.standing.value,
            "trouble": self._desk.session.trouble.reason if self._desk.session.trouble else None,
        }
