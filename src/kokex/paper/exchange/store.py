"""Keeping the exchange over restarts: one SQLite file, one transaction a command or market step.

Written before an answer or push leaves, so whatever a client saw is there after `kill -9`. The market itself is
not kept: it is made again from the config, up to the saved time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from kokex.domain.errors import ConfigurationError, DataError
from kokex.paper.algo.order import AlgoOrder
from kokex.paper.config import PaperConfig
from kokex.paper.exchange.records import Counters, OrderEvent, Records
from kokex.paper.ledger.account import Account, Bill, FillRecord, Position
from kokex.paper.matching.order import Order
from kokex.paper.matching.outside import OutsideBook

_SCHEMA = """
create table if not exists state (key text primary key, value blob not null) without rowid;
create table if not exists orders (order_id integer primary key, value blob not null);
create table if not exists algos (algo_id integer primary key, value blob not null);
create table if not exists fills (bill_id integer primary key, uid text not null, value blob not null);
create table if not exists bills (bill_id integer primary key, uid text not null, value blob not null);
create table if not exists events (seq integer primary key, value blob not null);
"""
FORMAT = 2
"""Number of this layout, kept in the file's `user_version`. 2 added algo orders; files of 1 are read and raised."""
_UNNUMBERED = 0
"""`user_version` of files of format 1, which did not keep it, and of fresh files."""


@dataclass(slots=True)
class SavedBook:
    """What an outside book remembers between prints."""

    best_ask: int
    best_bid: int
    prints: int
    taken: list[tuple[bool, int, int]]


@dataclass(slots=True)
class SavedAccount:
    """An account with its paper key, so that one opened while running can log in after a restart."""

    api_key: str
    secret_key: str
    passphrase: str
    uid: str
    cash: dict[str, Decimal]
    initial: dict[str, Decimal]
    initial_prices: dict[str, Decimal]
    positions: list[Position]
    leverage: list[tuple[str, str, str, Decimal]]
    long_short_mode: bool
    fees: dict[str, Decimal]
    realised: Decimal
    changed_ms: dict[str, int]
    fee_tier: int = 0
    funding: Decimal = Decimal(0)


@dataclass(slots=True)
class SavedState:
    """Everything that is not a growing list."""

    fingerprint: str
    """The config that the market was made from."""
    now_ms: int
    counters: Counters
    accounts: list[SavedAccount] = field(default_factory=list)
    books: dict[str, SavedBook] = field(default_factory=dict)
    format: int = FORMAT


class StateFile:
    """The SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = normal")
            self._database.execute("pragma busy_timeout = 2000")
            self._check_format()
            self._database.executescript(_SCHEMA)
            self._database.execute(f"pragma user_version = {FORMAT}")
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"cannot use {path} as the paper exchange's state: {error}") from error
        except OSError as error:
            raise ConfigurationError(f"cannot create the state file {path}: {error.strerror}") from error

    def _check_format(self) -> None:
        [found] = self._database.execute("pragma user_version").fetchone()
        if found not in (_UNNUMBERED, FORMAT):
            self._database.close()
            raise DataError(
                f"state file {self.path} has format {found}, and this version of kokex knows 1 to {FORMAT}; start it "
                "with the version that made it, or choose another file"
            )

    def load(self, fingerprint: str) -> SavedState | None:
        """The saved state, None in a fresh file.

        Raises:
            DataError: the file is of another market.
        """
        row = self._database.execute("select value from state where key = 'exchange'").fetchone()
        if row is None:
            return None
        try:
            saved = msgspec.msgpack.decode(row[0], type=SavedState)
        except msgspec.DecodeError as error:
            raise DataError(f"state file {self.path} cannot be read: {error}") from error
        if saved.fingerprint != fingerprint:
            raise DataError(
                f"state file {self.path} was made by a paper exchange with another seed, interval, candle file or "
                "set of instruments; start it as before, or choose another file"
            )
        return saved

    def load_records(self, records: Records) -> None:
        """Bring back orders, fills, bills and events."""
        for (value,) in self._database.execute("select value from orders order by order_id"):
            records.restore_order(msgspec.msgpack.decode(value, type=Order))
        for uid, value in self._database.execute("select uid, value from fills order by bill_id"):
            records.fills[uid].append(msgspec.msgpack.decode(value, type=FillRecord))
        for uid, value in self._database.execute("select uid, value from bills order by bill_id"):
            records.bills[uid].append(msgspec.msgpack.decode(value, type=Bill))
        for (value,) in self._database.execute("select value from events order by seq"):
            event = msgspec.msgpack.decode(value, type=OrderEvent)
            records.events[event.uid].append(event)

    def load_algos(self) -> list[AlgoOrder]:
        """Bring back algo orders, oldest first."""
        rows = self._database.execute("select value from algos order by algo_id")
        return [msgspec.msgpack.decode(value, type=AlgoOrder) for (value,) in rows]

    def save(self, state: SavedState, records: Records) -> None:
        """Write what changed, in one transaction."""
        pack = msgspec.msgpack.encode
        unsaved = records.unsaved
        database = self._database
        database.execute("begin immediate")
        try:
            database.execute("insert or replace into state values ('exchange', ?)", (pack(state),))
            database.executemany(
                "insert or replace into orders values (?, ?)",
                [(order.order_id, pack(order)) for order in unsaved.orders.values()],
            )
            database.executemany(
                "insert or replace into algos values (?, ?)",
                [(algo.algo_id, pack(algo)) for algo in unsaved.algos.values()],
            )
            database.executemany("insert into fills values (?, ?, ?)", _numbered(unsaved.fills))
            database.executemany("insert into bills values (?, ?, ?)", _numbered(unsaved.bills))
            database.executemany(
                "insert into events values (?, ?)", [(event.seq, pack(event)) for event in unsaved.events]
            )
        except BaseException:
            database.execute("rollback")
            raise
        database.execute("commit")
        unsaved.orders.clear()
        unsaved.algos.clear()
        unsaved.fills.clear()
        unsaved.bills.clear()
        unsaved.events.clear()

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _numbered(rows: list[tuple[str, Any]]) -> list[tuple[int, str, bytes]]:
    return [(row.bill_id, uid, msgspec.msgpack.encode(row)) for uid, row in rows]


def market_fingerprint(config: PaperConfig, start_ms: int) -> str:
    """A digest of everything that shapes the market: a state fits the same market only."""
    digest = hashlib.sha256()
    parts = (config.seed, config.interval, config.instruments, config.candle_ticks, config.warmup_candles)
    digest.update(repr((parts, start_ms, config.environment, str(config.print_share))).encode())
    for inst_id in sorted(config.candles):
        digest.update(inst_id.encode() + config.candles[inst_id].read_bytes())
    return digest.hexdigest()


def save_book(outside: OutsideBook) -> SavedBook:
    """An outside book as it is written."""
    taken = [(ask, ticks, lots) for (ask, ticks), lots in outside.taken.items()]
    return SavedBook(outside.best_ask, outside.best_bid, outside.prints, taken)


def restore_book(outside: OutsideBook, saved: SavedBook) -> None:
    """Fill an outside book from its saved form."""
    outside.best_ask, outside.best_bid, outside.prints = saved.best_ask, saved.best_bid, saved.prints
    outside.taken = {(ask, ticks): lots for ask, ticks, lots in saved.taken}


def save_account(account: Account) -> SavedAccount:
    """An account as it is written; holds are made again from its open orders."""
    return SavedAccount(
        api_key=account.config.api_key,
        secret_key=account.config.secret_key,
        passphrase=account.config.passphrase,
        uid=account.uid,
        cash=account.cash,
        initial=account.initial,
        initial_prices=account.initial_prices,
        positions=list(account.positions.values()),
        leverage=[(*key, value) for key, value in account.leverage.items()],
        long_short_mode=account.long_short_mode,
        fees=account.fees,
        realised=account.realised,
        changed_ms=account.changed_ms,
        fee_tier=account.config.fee_tier,
        funding=account.funding,
    )


def restore_account(account: Account, saved: SavedAccount) -> None:
    """Fill an account from its saved form."""
    account.uid = saved.uid
    account.cash = saved.cash
    account.initial = saved.initial
    account.initial_prices = saved.initial_prices
    account.positions = {position.key: position for position in saved.positions}
    account.leverage = {(inst_id, mode, side): value for inst_id, mode, side, value in saved.leverage}
    account.long_short_mode = saved.long_short_mode
    account.fees = saved.fees
    account.realised = saved.realised
    account.funding = saved.funding
    account.changed_ms = saved.changed_ms
