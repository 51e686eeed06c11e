"""From the exchange's notices to frames: orders at once, balances and positions in small batches."""

from __future__ import annotations

import time
from collections import defaultdict

import msgspec

from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.exchange.notices import FundsNotice, OrderNotice, PositionNotice, TradeNotice
from kokex.paper.gateway.faults import Faults
from kokex.paper.ledger.account import Account, Position
from kokex.paper.websocket.channels import Subscription
from kokex.paper.websocket.connection import Connection
from kokex.paper.websocket.hub import Hub, frame_head
from kokex.paper.websocket.market_push import MarketPush
from kokex.paper.wire.account import balance, balance_and_position
from kokex.paper.wire.market import trade_push
from kokex.paper.wire.positions import View, position_row

_encode = msgspec.json.Encoder().encode
_BATCH_S = 0.05
"""OKX v5: account and position events are batched about every 50 ms."""


class Publisher:
    """Sends everything that the exchange has to tell. Never waits for a client."""

    def __init__(self, exchange: PaperExchange, hub: Hub, faults: Faults) -> None:
        self.hub = hub
        self.market = MarketPush(exchange, hub)
        self._exchange = exchange
        self._faults = faults
        self._changed_funds: dict[str, set[str]] = defaultdict(set)
        self._changed_positions: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
        self._batch_due = 0.0
        self._regular_due = time.monotonic()

    def flush(self, *, force: bool = False) -> None:
        """Send what waits; `force` also sends what would wait for its batch or cadence."""
        with self._exchange.exact():
            for notice in self._exchange.outbox.drain():
                match notice:
                    case OrderNotice():
                        self._push_order(notice)
                    case FundsNotice():
                        self._note_funds(notice)
                    case PositionNotice():
                        self._changed_positions[notice.uid].add(notice.key)
                    case TradeNotice():
                        self._push_trade(notice)
            now = time.monotonic()
            if force or now >= self._batch_due:
                self._batch_due = now + _BATCH_S
                self._push_batches()
            self.market.flush(force=force)

    def greet(self, connection: Connection, subscription: Subscription) -> None:
        """First push of a subscription; OKX v5 sends none on `orders`."""
        with self._exchange.exact():
            account = connection.account
            if account is None or subscription.channel not in (
                "account",
                "positions",
                "balance_and_position",
            ):
                self.market.greet(connection, subscription)
                return
            payload, marks = self._snapshot(account, subscription)
            head = frame_head({**subscription.arg, "uid": account.uid})
            connection.send(b"".join((head, marks, b',"data":[', payload, b"]}")))

    def push_regular(self, interval_s: float) -> None:
        """The periodic account and positions pushes, for those who did not opt out of them."""
        now = time.monotonic()
        if now < self._regular_due:
            return
        self._regular_due = now + interval_s
        with self._exchange.exact():
            for channel in ("account", "positions"):
                for (uid, kind), listeners in list(self.hub.private.items()):
                    if kind != channel:
                        continue
                    for connection, subscription, head in listeners:
                        if '"updateInterval":"0"' in subscription.says("extraParams").replace(" ", ""):
                            continue
                        payload, marks = self._snapshot(self._exchange.accounts[uid], subscription)
                        connection.send(b"".join((head, marks, b',"data":[', payload, b"]}")))

    def _snapshot(self, account: Account, subscription: Subscription) -> tuple[bytes, bytes]:
        marks = b',"eventType":"snapshot","curPage":1,"lastPage":true'
        view = self._view()
        if subscription.channel == "account":
            wanted = subscription.says("ccy")
            return _encode(balance(account, view, {wanted} if wanted else None)), marks
        shown = [item for item in account.open_positions() if subscription.covers(item.instrument)]
        if subscription.channel == "positions":
            rows = [position_row(account, item, view) for item in shown]
            return _encode(rows)[1:-1], marks
        row = balance_and_position(
            account, view, event="snapshot", currencies=None, positions=account.open_positions(), trade=None
        )
        return _encode(row), b""

    def _push_order(self, notice: OrderNotice) -> None:
        if self._faults.strikes("malformed_frame"):
            for connection, _, _ in self.hub.private.get((notice.uid, "orders"), ()):
                connection.send(b'{"arg":{"channel":"orders"},"data":[{"instType":')
        self.hub.push_private(notice.uid, "orders", notice.payload, notice.instrument)
        if self._faults.strikes("duplicate_push"):
            again = msgspec.json.decode(notice.payload)
            again["uTime"] = str(int(again["uTime"]) + 1)
            self.hub.push_private(notice.uid, "orders", _encode(again), notice.instrument)

    def _push_trade(self, notice: TradeNotice) -> None:
        for channel in ("trades", "trades-all"):
            if self.hub.public.get((channel, notice.instrument.inst_id)):
                self.hub.push_public(channel, notice.instrument.inst_id, _encode(trade_push(notice)))

    def _note_funds(self, notice: FundsNotice) -> None:
        self._changed_funds[notice.uid].update(notice.currencies)
        if not notice.event or not self.hub.private.get((notice.uid, "balance_and_position")):
            return
        account = self._exchange.accounts[notice.uid]
        row = balance_and_position(
            account,
            self._view(),
            event=notice.event,
            currencies=notice.currencies,
            positions=_traded_positions(account, notice.trade),
            trade=notice.trade,
        )
        self.hub.push_private(notice.uid, "balance_and_position", _encode(row))

    def _push_batches(self) -> None:
        funds, self._changed_funds = self._changed_funds, defaultdict(set)
        positions, self._changed_positions = self._changed_positions, defaultdict(set)
        for uid, currencies in funds.items():
            self._push_funds(self._exchange.accounts[uid], currencies)
        for uid, keys in positions.items():
            self._push_positions(self._exchange.accounts[uid], keys)

    def _push_funds(self, account: Account, currencies: set[str]) -> None:
        for connection, subscription, head in self.hub.private.get((account.uid, "account"), ()):
            wanted = subscription.says("ccy")
            shown = currencies & {wanted} if wanted else currencies
            if shown:
                payload = _encode(balance(account, self._view(), shown))
                connection.send(b"".join((head, b',"eventType":"event_update","data":[', payload, b"]}")))

    def _push_positions(self, account: Account, keys: set[tuple[str, str, str]]) -> None:
        """A position that closes is pushed once with size 0 (OKX leaves this open)."""
        for connection, subscription, head in self.hub.private.get((account.uid, "positions"), ()):
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


def _traded_positions(account: Account, trade: tuple[str, str] | None) -> list[Position]:
    if trade is None:
        return []
    return [item for item in account.positions.values() if item.instrument.inst_id == trade[0]]
