"""Pushes of balances and positions: snapshots in pages, events in small batches, and the regular ones."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.exchange.notices import FundsNotice, PositionKey, PositionNotice
from kokex.paper.ledger.account import Account
from kokex.paper.websocket.channels import Subscription
from kokex.paper.websocket.connection import Connection
from kokex.paper.websocket.hub import Hub, Listener, frame_head
from kokex.paper.wire.account import balance, balance_and_position
from kokex.paper.wire.positions import View, position_row

_encode = msgspec.json.Encoder().encode
_BATCH_S = 0.05
"""OKX v5: account and position events are batched about every 50 ms."""
SNAPSHOT_CHANNELS = ("account", "positions", "balance_and_position")


class AccountPush:
    """Remembers which balances and positions changed until their batch is due."""

    def __init__(self, exchange: PaperExchange, hub: Hub) -> None:
        self._exchange = exchange
        self._hub = hub
        self._changed_funds: dict[str, set[str]] = defaultdict(set)
        self._changed_positions: dict[str, set[PositionKey]] = defaultdict(set)
        self._batch_due = 0.0
        self._regular_at: dict[tuple[Connection, str], float] = {}
        """When each subscription had its last snapshot, by connection and argument."""

    def note(self, notice: FundsNotice | PositionNotice) -> None:
        """Take in a change; balance_and_position hears of it at once, the others with their batch."""
        if isinstance(notice, PositionNotice):
            self._changed_positions[notice.uid].add(notice.key)
            return
        if notice.currencies:
            self._changed_funds[notice.uid].update(notice.currencies)
        if notice.payload:
            self._hub.push_private(notice.uid, "balance_and_position", notice.payload)

    def flush(self, *, force: bool) -> None:
        """Send the batches that are due."""
        now = time.monotonic()
        if not force and now < self._batch_due:
            return
        self._batch_due = now + _BATCH_S
        funds, self._changed_funds = self._changed_funds, defaultdict(set)
        positions, self._changed_positions = self._changed_positions, defaultdict(set)
        for uid, currencies in funds.items():
            self._push_funds(self._exchange.accounts[uid], currencies)
        for uid, keys in positions.items():
            self._push_positions(self._exchange.accounts[uid], keys)

    def greet(self, connection: Connection, subscription: Subscription, account: Account) -> None:
        """The snapshot that a subscription starts with."""
        head = frame_head({**subscription.arg, "uid": account.uid})
        self._regular_at[(connection, subscription.key)] = time.monotonic()
        self._send_snapshot((connection, subscription, head), account)

    def push_regular(self, default_s: float) -> None:
        """The periodic account and positions snapshots, for those who did not opt out of them."""
        now = time.monotonic()
        serving: dict[tuple[Connection, str], float] = {}
        for (uid, channel), listeners in list(self._hub.private.items()):
            if channel not in ("account", "positions"):
                continue
            for listener in listeners:
                connection, subscription, _ = listener
                key = (connection, subscription.key)
                interval_s = subscription.regular_interval_s(default_s)
                last = self._regular_at.get(key, now)
                if interval_s is not None and now - last >= interval_s:
                    last = now
                    self._send_snapshot(listener, self._exchange.accounts[uid])
                serving[key] = last
        self._regular_at = serving

    def _send_snapshot(self, listener: Listener, account: Account) -> None:
        """OKX v5: what is too long for one push comes in pages; balance_and_position has no page numbers."""
        connection, subscription, head = listener
        pages = list(self._pages(account, subscription))
        for number, payload in enumerate(pages, 1):
            marks = b""
            if subscription.channel != "balance_and_position":
                last = b"true" if number == len(pages) else b"false"
                marks = b',"eventType":"snapshot","curPage":%d,"lastPage":%b' % (number, last)
            connection.send(b"".join((head, marks, b',"data":[', payload, b"]}")))

    def _pages(self, account: Account, subscription: Subscription) -> Iterator[bytes]:
        view = self._view()
        size = self._exchange.config.snapshot_rows
        if subscription.channel == "account":
            wanted = subscription.says("ccy")
            whole = balance(account, view, {wanted} if wanted else None)
            for part in _parts(whole["details"], size):
                yield _encode({**whole, "details": part})
        elif subscription.channel == "positions":
            held = [item for item in account.open_positions() if subscription.covers(item.instrument)]
            for part in _parts(held, size):
                yield _encode([position_row(account, item, view) for item in part])[1:-1]
        else:
            whole = balance_and_position(
                account,
                view.now_ms,
                event="snapshot",
                currencies=None,
                positions=account.open_positions(),
                trade=None,
            )
            yield _encode({**whole, "posData": whole["posData"][:size]})
            for part in _parts(whole["posData"][size:], size, empty=False):
                yield _encode({**whole, "balData": [], "posData": part})

    def _push_funds(self, account: Account, currencies: set[str]) -> None:
        for connection, subscription, head in self._hub.private.get((account.uid, "account"), ()):
            wanted = subscription.says("ccy")
            shown = currencies & {wanted} if wanted else currencies
            if shown:
                payload = _encode(balance(account, self._view(), shown))
                connection.send(b"".join((head, b',"eventType":"event_update","data":[', payload, b"]}")))

    def _push_positions(self, account: Account, keys: set[PositionKey]) -> None:
        """A position that closes is pushed once with size 0 (OKX leaves this open)."""
        for connection, subscription, head in self._hub.private.get((account.uid, "positions"), ()):
            shown = [account.positions[key] for key in sorted(keys)]
            rows = [
                position_row(account, item, self._view())
                for item in shown
                if subscription.covers(item.instrument)
            ]
            if rows:
                payload = _encode(rows)[1:-1]
                connection.send(b"".join((head, b',"eventType":"event_update","data":[', payload, b"]}")))

    def _view(self) -> View:
        return View(self._exchange.marks, self._exchange.prices(), self._exchange.now_ms)


def _parts(rows: Sequence[Any], size: int, *, empty: bool = True) -> Iterator[Sequence[Any]]:
    """Rows in pages; one empty page where there are none, unless told otherwise."""
    if not rows and empty:
        yield rows
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
