"""The accounts that this process works on: their connection, what they hold, whether our record agrees with theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from shlex import quote

import structlog

from kokex.domain.account import (
    AccountSettings,
    AccountSnapshot,
    Credentials,
    Environment,
    ExchangeAccount,
    PositionMode,
)
from kokex.domain.errors import ConfigurationError, ExchangeError, ExchangeStoppedError
from kokex.domain.instrument import Instrument, InstrumentKind
from kokex.domain.standing import Standing, Trouble
from kokex.ports.clock import Clock
from kokex.ports.exchange import Exchange, ExchangeAdapter
from kokex.ports.store import Store

log = structlog.get_logger(__name__)


def market_of(account: ExchangeAccount) -> str:
    """Whose market data an account sees: `okx:live`, `okx:demo`, or a paper exchange of its own, `paper:3`."""
    if account.environment is Environment.PAPER:
        return f"paper:{account.id}"
    return f"{account.exchange}:{account.environment.value}"


def position_mode_fault(account: ExchangeAccount, settings: AccountSettings) -> str | None:
    """Why plans cannot trade contracts on the account, and what to change; None where they can."""
    if settings.position_mode is PositionMode.NET:
        return None
    return (
        f"account {account.name} holds long and short positions apart (long/short mode), and plans trade contracts in net mode; "
        "close its positions and orders, then set the position mode to net (one-way) in the exchange's trading settings"
    )


def what_to_do(account: ExchangeAccount, error: ExchangeStoppedError) -> str:
    """Why nothing works on the account, and how its owner mends that."""
    return (
        f"{error}; mend that at the exchange, or give other keys: kokex account keys {quote(account.name)}. "
        f"Tried again every five minutes, and at once when kokex account check {quote(account.name)} finds all well"
    )


@dataclass(slots=True)
class AccountSession:
    """One account at work.

    Attributes:
        owned: this engine owns the account; no other works on it.
        reconciled: orders may be sent. False from a lost connection to the end of the next reconciliation.
        looked: the first look after (re)connecting is over.
        stops_due: a look is under way that has yet to read stops.
        standing, trouble: what the account may do, and why not everything; `kokex.domain.standing`.
        reconciled_at: when it was last in line with the exchange, by our clock.
        stopped: why a person must act before anything works; None while all is well.
        instruments: as the exchange described them when the account was last reconciled.
        read: instruments whose record was read then.
        lost: why, by instrument, of those whose record the exchange refuses to show: their plans may do nothing.
        doubted: our orders that we think open and the exchange would not cancel, with when it said so.
    """

    account: ExchangeAccount
    credentials: Credentials
    exchange: Exchange
    clock: Clock
    owned: bool = False
    reconciled: bool = False
    looked: bool = False
    stops_due: bool = False
    standing: Standing = Standing.TRADING
    trouble: Trouble | None = None
    reconciled_at: datetime | None = None
    stopped: str | None = None
    submitting: asyncio.Lock = field(default_factory=asyncio.Lock)
    snapshot: AccountSnapshot | None = None
    instruments: dict[str, Instrument] = field(default_factory=dict)
    read: frozenset[str] = frozenset()
    lost: dict[str, str] = field(default_factory=dict)
    doubted: dict[str, datetime] = field(default_factory=dict)
    _asked_at: float = 0.0
    _spent: dict[str, _Spent] = field(default_factory=dict)
    _refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def may_act(self) -> bool:
        """Whether any order at all may go out: everything, or at least what reduces a holding."""
        if not self.owned or self.standing is Standing.HALTED:
            return False
        return self.reconciled or self.standing is Standing.REDUCE_ONLY

    def may_act_on(self, inst_id: str) -> bool:
        """The same of orders of one instrument."""
        return self.may_act and inst_id not in self.lost

    @property
    def snapshot_age(self) -> float:
        """Seconds since the exchange was asked for what `snapshot` says."""
        return self.clock.monotonic() - self._asked_at

    async def refresh(self, *, older_than: float = 0.0) -> AccountSnapshot:
        """Ask the exchange for balances and positions, unless the last answer is younger than `older_than` seconds."""
        async with self._refreshing:
            if self.snapshot is not None and self.clock.monotonic() - self._asked_at < older_than:
                return self.snapshot
            asked_at = self.clock.monotonic()
            self.snapshot = await self.exchange.account()
            self._asked_at = asked_at
            counted = [name for name, spent in self._spent.items() if spent.known_before(asked_at)]
            for name in counted:
                del self._spent[name]
            return self.snapshot

    def spend(self, client_order_id: str, amount: Decimal) -> None:
        """Count quote currency that an order on its way out may take; a change of one is named `<order>/<request id>`."""
        self._spent[client_order_id] = _Spent(amount)

    def spent_on(self, client_order_id: str) -> Decimal:
        """What `free_cash` leaves out for an order."""
        spent = self._spent.get(client_order_id)
        return Decimal(0) if spent is None else spent.amount

    def outcome_known(self, client_order_id: str) -> None:
        """The exchange has told what became of the order: balances asked for from now on count it."""
        spent = self._spent.get(client_order_id)
        if spent is not None and spent.known_at is None:
            spent.known_at = self.clock.monotonic()

    def changes_known(self, pending: Collection[str]) -> None:
        """What changes of orders that are not `pending` any more may have taken is counted from now on: the orders are over."""
        for name in list(self._spent):
            order, _, change = name.partition("/")
            if change and order not in pending:
                self.outcome_known(name)

    def free_cash(self, currency: str) -> Decimal | None:
        """Free by the exchange's last word, less what it may not have counted then; None before its first word."""
        if self.snapshot is None:
            return None
        uncounted = sum((spent.amount for spent in self._spent.values()), Decimal(0))
        return self.snapshot.available(currency) - uncounted


@dataclass(slots=True)
class _Spent:
    """Cash of one order; `known_at`: when its outcome was known, None while it is not."""

    amount: Decimal
    known_at: float | None = None

    def known_before(self, moment: float) -> bool:
        return self.known_at is not None and self.known_at < moment


class AccountSessions:
    """Sessions by account number, made when first asked for."""

    def __init__(self, store: Store, clock: Clock, adapter: ExchangeAdapter) -> None:
        self._store = store
        self._clock = clock
        self._adapter = adapter
        self._sessions: dict[int, AccountSession] = {}
        self._opening = asyncio.Lock()

    async def open(self, account_id: int) -> AccountSession:
        """The account's session. Raises `NotFoundError`, `ConfigurationError` (keys)."""
        async with self._opening:
            return await self._open(account_id)

    async def _open(self, account_id: int) -> AccountSession:
        session = self._sessions.get(account_id)
        if session is None:
            account = await self._store.accounts.get(account_id)
            credentials = await self._store.accounts.credentials(account_id)
            exchange = self._adapter.exchange(account, credentials)
            session = AccountSession(account, credentials, exchange, self._clock)
            self._sessions[account_id] = session
        return session

    async def renew(self, session: AccountSession, credentials: Credentials) -> None:
        """Go on with other keys. What is under way with the old ones breaks off; its outcome counts as unknown."""
        old, session.exchange = session.exchange, self._adapter.exchange(session.account, credentials)
        session.credentials = credentials
        await old.close()

    async def forget(self, session: AccountSession) -> None:
        """The account was removed."""
        self._sessions.pop(session.account.id, None)
        await session.exchange.close()

    def by_key(self, connection_key: str) -> AccountSession | None:
        """The session behind a connection."""
        for session in self._sessions.values():
            if session.account.connection_key == connection_key:
                return session
        return None

    def all(self) -> list[AccountSession]:
        """Every session that is open."""
        return list(self._sessions.values())

    def by_id(self, account_id: int) -> AccountSession | None:
        """The session of an account, where it is open."""
        return self._sessions.get(account_id)

    async def instrument(self, session: AccountSession, inst_id: str) -> Instrument:
        """The instrument as last read, or read now where it never was. `refresh_instrument` follows its changes."""
        known = session.instruments.get(inst_id)
        known = known or await self._store.instruments.get(market_of(session.account), inst_id)
        return known or await self.refresh_instrument(session, inst_id)

    async def check_position_mode(self, session: AccountSession, instrument: Instrument) -> None:
        """Refuse contracts on an account that cannot hold them as plans need it.

        Raises:
            ConfigurationError: it holds long and short positions apart. An exchange that cannot be asked now says so later:
                every reconciliation asks again.
        """
        if instrument.kind is not InstrumentKind.SWAP:
            return
        try:
            settings = await session.exchange.settings()
        except ExchangeError as error:
            log.warning("position mode not known yet", account=session.account.name, reason=str(error))
            return
        fault = position_mode_fault(session.account, settings)
        if fault is not None:
            raise ConfigurationError(fault)

    async def refresh_instrument(self, session: AccountSession, inst_id: str) -> Instrument:
        """The instrument as the exchange describes it now; kept."""
        instrument = await session.exchange.instrument(inst_id)
        session.instruments[inst_id] = instrument
        await self._store.instruments.upsert(market_of(session.account), [instrument])
        return instrument

    async def close(self) -> None:
        """Release every connection."""
        for session in self._sessions.values():
            await session.exchange.close()
        self._sessions.clear()
