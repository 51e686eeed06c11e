"""The paper exchange in process: everything but the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Context, Decimal, localcontext
from functools import cached_property
from typing import Any, TypeVar

from kokex.domain.errors import ConfigurationError
from kokex.paper.algo.desk import AlgoDesk
from kokex.paper.algo.engine import AlgoEngine
from kokex.paper.algo.register import AlgoRegister
from kokex.paper.config import AccountConfig, PaperConfig
from kokex.paper.exchange.desk import Desk
from kokex.paper.exchange.notices import Outbox, TradeNotice
from kokex.paper.exchange.records import FIRST_TRADE_ID, Records
from kokex.paper.exchange.store import (
    SavedState,
    StateFile,
    market_fingerprint,
    restore_account,
    restore_book,
    save_account,
    save_book,
)
from kokex.paper.exchange.valuation import books_report, currency_prices
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account
from kokex.paper.ledger.margin import free_cash
from kokex.paper.ledger.settlement import transfer
from kokex.paper.market.candle import Tick
from kokex.paper.market.feed import MarketFeed, Strand
from kokex.paper.matching.book import OrderBook
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.funding import INTERVAL_MS as FUNDING_INTERVAL_MS
from kokex.paper.matching.funding import charge_funding
from kokex.paper.matching.liquidation import liquidate_where_due
from kokex.paper.matching.order import Order
from kokex.paper.matching.outside import OutsideBook
from kokex.paper.matching.prints import on_tick
from kokex.paper.matching.reservation import reserve

_EXACT = Context(prec=60)
"""Wide enough that no sum or product of the exchange is ever rounded."""
_FIRST_UID = 446_905_890_000_001
_Answer = TypeVar("_Answer")


class PaperExchange:
    """Market, accounts and orders. Single-threaded and synchronous; `advance` moves market time."""

    def __init__(self, config: PaperConfig) -> None:
        self.config = config
        self.feed = MarketFeed(config)
        self.instruments: dict[str, Instrument] = {
            strand.instrument.inst_id: strand.instrument for strand in self.feed.strands
        }
        self.strands: dict[str, Strand] = {strand.instrument.inst_id: strand for strand in self.feed.strands}
        self.outbox = Outbox()
        self.marks: dict[str, Decimal] = {}
        self.records = Records(self.outbox, self.marks)
        self.accounts: dict[str, Account] = {}
        self.floor = Floor(
            self._new_books(),
            self.accounts,
            self.records,
            self.outbox,
            config.fees,
            self.marks,
            self.feed.start_ms,
        )
        self.outbox.now_ms = self.floor.now_ms
        self._books = list(self.floor.books.values())
        self.desk = Desk(self.floor, self.records, self.instruments)
        self.algo_orders = AlgoRegister(self.records, self.outbox)
        self._algos = AlgoEngine(self.floor, self.records, self.algo_orders, self.desk)
        self.algo_desk = AlgoDesk(self.floor, self.records, self.algo_orders, self._algos, self.desk)
        self.trades = self.outbox.trades
        self._store = StateFile(config.state_path) if config.state_path is not None else None
        saved = self._store.load(self._fingerprint) if self._store is not None else None
        if saved is not None:
            self._restore(saved)
        for account in config.accounts:
            if all(known.config.api_key != account.api_key for known in self.accounts.values()):
                self.open_account(account)
        self._backfill_trades()
        self.advance(self.now_ms)

    @property
    def now_ms(self) -> int:
        """Market time, epoch milliseconds."""
        return self.floor.now_ms

    def account_with_key(self, api_key: str) -> Account | None:
        """The account that an API key opens."""
        return next((item for item in self.accounts.values() if item.config.api_key == api_key), None)

    def find_account(self, name: str) -> Account | None:
        """An account by uid or API key; the only account where `name` is empty."""
        if not name and len(self.accounts) == 1:
            return next(iter(self.accounts.values()))
        return self.accounts.get(name) or self.account_with_key(name)

    def open_account(self, config: AccountConfig) -> Account:
        """Open an account and credit its initial balances.

        Raises:
            ConfigurationError: the key or uid is taken.
        """
        uid = config.uid or str(_FIRST_UID + len(self.accounts))
        if uid in self.accounts or self.account_with_key(config.api_key) is not None:
            raise ConfigurationError(f"account {uid} with key {config.api_key!r} exists already")
        account = Account(config=config, uid=uid)
        account.initial_prices = currency_prices(self.instruments, self.marks)
        self.accounts[uid] = account
        with localcontext(_EXACT):
            for currency, amount in config.balances.items():
                transfer(account, self.records, currency, amount, self.now_ms)
        return account

    def transfer(self, account: Account, currency: str, amount: Decimal) -> None:
        """Move funds into a trading account, or out of it where `amount` is negative.

        Raises:
            ConfigurationError: that much is not free.
        """
        if amount < 0 and -amount > free_cash(account, currency, self.marks):
            raise ConfigurationError(f"{-amount} {currency} are not free in account {account.uid}")
        prices = currency_prices(self.instruments, self.marks)
        account.initial_prices.setdefault(currency, prices.get(currency, Decimal(0)))
        transfer(account, self.records, currency, amount, self.now_ms)
        self.outbox.account_changed(account, (currency,), event="transferred")

    def run(self, command: Callable[[], _Answer], *, settings: bool = False) -> _Answer:
        """Run a command of the desk exactly and durably."""
        with localcontext(_EXACT):
            answer = command()
            self._algos.settle()
            self.commit(settings=settings)
        return answer

    def advance(self, until_ms: int, *, most_ticks: int | None = None) -> bool:
        """Let the market happen up to `until_ms`; False if `most_ticks` came first.

        Market time then stands at the last tick that happened, so a slow machine lags and never skips.
        """
        with localcontext(_EXACT):
            done = self._advance(until_ms, most_ticks)
            self.commit()
        return done

    def happen(self, book: OrderBook, tick: Tick, *, share: Decimal) -> None:
        """One print of the market and everything that follows from it; `share` is what clients may catch of it."""
        self.outbox.now_ms = tick.at_ms
        on_tick(self.floor, book, tick, share)
        self._algos.on_price(book.instrument.inst_id)
        self._algos.settle()
        if book.instrument.is_swap:
            liquidate_where_due(self.floor, book.instrument.inst_id)
            self._algos.settle()

    def books(self, account: Account) -> dict[str, Any]:
        """The account's own books, see `books_report`."""
        with localcontext(_EXACT):
            return books_report(account, self.instruments, self.marks, self.now_ms)

    @contextmanager
    def exact(self) -> Iterator[None]:
        """Arithmetic without rounding, for readers."""
        with localcontext(_EXACT):
            yield

    def prices(self) -> Mapping[str, Decimal]:
        """Value of each currency in USDT now."""
        return currency_prices(self.instruments, self.marks)

    def commit(self, *, settings: bool = False) -> None:
        """Save what changed, where a state file is kept; `settings` tells that only settings may have."""
        if self._store is not None and (settings or self.records.unsaved or self._moved()):
            self._store.save(self._state(), self.records)
            self._saved_ms = self.now_ms

    def close(self) -> None:
        """Save and close the state file."""
        if self._store is not None:
            self._store.save(self._state(), self.records)
            self._store.close()
            self._store = None

    _saved_ms = -1

    def _moved(self) -> bool:
        """Whether a base candle has closed since the last save; the path within it needs no saving."""
        return self.now_ms // self.feed.interval_ms != self._saved_ms // self.feed.interval_ms

    def _advance(self, until_ms: int, most_ticks: int | None) -> bool:
        share = self.config.print_share
        for count, (index, tick) in enumerate(self.feed.until(until_ms), 1):
            book = self._books[index]
            self._fund(tick.at_ms)
            self.happen(book, tick, share=share)
            if most_ticks is not None and count >= most_ticks and self.feed.next_at_ms > tick.at_ms:
                return self.feed.next_at_ms > until_ms
        self._fund(until_ms)
        self.floor.now_ms = self.outbox.now_ms = max(self.now_ms, until_ms)
        return True

    def _fund(self, until_ms: int) -> None:
        """Charge funding for every boundary that lies between now and `until_ms`, at the marks of now."""
        while self.now_ms // FUNDING_INTERVAL_MS < until_ms // FUNDING_INTERVAL_MS:
            boundary_ms = (self.now_ms // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS
            self.floor.now_ms = self.outbox.now_ms = boundary_ms
            if self.config.funding_rate:
                charge_funding(self.floor, self.config.funding_rate)
                self._algos.settle()

    def _new_books(self) -> dict[str, OrderBook]:
        books = {}
        for strand in self.feed.strands:
            item = strand.instrument
            self.marks[item.inst_id] = item.price(strand.last_price)
            outside = OutsideBook(item, self.config.seed, strand.last_price)
            books[item.inst_id] = OrderBook(item, outside)
        return books

    def _backfill_trades(self) -> None:
        """Show the last candle's prints as recent trades, so that nobody meets an exchange without any."""
        for inst_id, strand in self.strands.items():
            newest = strand.history.between(self.now_ms - 2 * strand.interval_ms, self.now_ms)
            ticks = [
                tick for candle in newest for tick in strand.ticks_of(candle) if tick.at_ms <= self.now_ms
            ]
            shown = [tick for tick in ticks if tick.lots][-100:]
            first = self.records.counters.trades.get(inst_id, FIRST_TRADE_ID) - len(shown) + 1
            for number, tick in enumerate(shown, first):
                notice = TradeNotice(strand.instrument, number, tick.price, tick.lots, tick.buy, tick.at_ms)
                self.trades[inst_id].append(notice)

    def _state(self) -> SavedState:
        books = {inst_id: save_book(book.outside) for inst_id, book in self.floor.books.items()}
        accounts = [save_account(account) for account in self.accounts.values()]
        return SavedState(self._fingerprint, self.now_ms, self.records.counters, accounts, books)

    @cached_property
    def _fingerprint(self) -> str:
        return market_fingerprint(self.config, self.feed.start_ms)

    def _restore(self, saved: SavedState) -> None:
        assert self._store is not None
        self.feed.skip_to(saved.now_ms)
        self.floor.now_ms = self.outbox.now_ms = saved.now_ms
        for inst_id, strand in self.strands.items():
            self.marks[inst_id] = strand.instrument.price(strand.last_price)
        for inst_id, book in saved.books.items():
            restore_book(self.floor.books[inst_id].outside, book)
        self.records.counters = saved.counters
        keys = {account.api_key: account for account in self.config.accounts}
        for known in saved.accounts:
            config = keys.get(known.api_key) or AccountConfig(
                api_key=known.api_key,
                secret_key=known.secret_key,
                passphrase=known.passphrase,
                uid=known.uid,
                fee_tier=known.fee_tier,
            )
            account = Account(config=config, uid=known.uid)
            restore_account(account, known)
            self.accounts[known.uid] = account
        self._store.load_records(self.records)
        for algo in self._store.load_algos():
            self.algo_orders.restore(algo)
            self._algos.resume(algo)
        with localcontext(_EXACT):
            for order in list(self.records.orders.values()):
                self._restore_order(order)

    def _restore_order(self, order: Order) -> None:
        if not order.is_open:
            return
        order.reserved = Decimal(0)
        reserve(self.accounts[order.account_uid], order)
        if order.ticks is not None:
            self.floor.books[order.instrument.inst_id].rest(order, queue_ahead=order.queue_ahead)
