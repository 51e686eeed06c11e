"""From the exchange's notices to frames: orders and fills at once, balances and positions in small batches."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.exchange.notices import (
    AlgoNotice,
    FillNotice,
    FundsNotice,
    Notice,
    OrderNotice,
    PositionNotice,
    TradeNotice,
    WarningNotice,
)
from kokex.paper.faults.orders import OrderFaults
from kokex.paper.ledger.account import Account
from kokex.paper.websocket.account_push import SNAPSHOT_CHANNELS, AccountPush
from kokex.paper.websocket.channels import ADVANCED_ALGO_ORDERS, ALGO_ORDERS, PRIVATE_CHANNELS, Subscription
from kokex.paper.websocket.connection import Connection
from kokex.paper.websocket.hub import Hub, frame_head
from kokex.paper.websocket.market_push import MarketPush
from kokex.paper.wire.algo import algo_push
from kokex.paper.wire.fills import fill_items
from kokex.paper.wire.market import trade_push

_encode = msgspec.json.Encoder().encode


class Publisher:
    """Sends everything that the exchange has to tell. Never waits for a client."""

    def __init__(self, exchange: PaperExchange, hub: Hub, faults: OrderFaults) -> None:
        self.hub = hub
        self.market = MarketPush(exchange, hub)
        self._accounts = AccountPush(exchange, hub)
        self._exchange = exchange
        self._faults = faults

    def flush(self, *, force: bool = False) -> None:
        """Send what waits; `force` also sends what would wait for its batch or cadence."""
        with self._exchange.exact():
            notices = self._exchange.outbox.drain()
            self._push_fills(notices)
            for notice in notices:
                match notice:
                    case OrderNotice():
                        self._push_order(notice)
                    case AlgoNotice():
                        self._push_algo(notice)
                    case FundsNotice() | PositionNotice():
                        self._accounts.note(notice)
                    case WarningNotice():
                        self.hub.push_private(
                            notice.uid, "liquidation-warning", notice.payload, notice.instrument
                        )
                    case TradeNotice():
                        self._push_trade(notice)
            self._accounts.flush(force=force)
            self.market.flush(force=force)

    def greet(self, connection: Connection, subscription: Subscription) -> None:
        """First push of a subscription; OKX v5 sends none on `orders`, `fills` and `orders-algo`."""
        with self._exchange.exact():
            if subscription.channel not in PRIVATE_CHANNELS:
                self.market.greet(connection, subscription)
            elif subscription.channel in SNAPSHOT_CHANNELS and connection.account is not None:
                self._accounts.greet(connection, subscription, connection.account)
            elif subscription.channel == ADVANCED_ALGO_ORDERS and connection.account is not None:
                self._greet_advanced(connection, subscription, connection.account)

    def push_regular(self, interval_s: float) -> None:
        """The periodic account and positions pushes; events that wait go first (OKX v5)."""
        with self._exchange.exact():
            self._accounts.flush(force=False)
            self._accounts.push_regular(interval_s)

    def _push_order(self, notice: OrderNotice) -> None:
        for payload in self._faults.payloads(notice):
            self.hub.push_private(notice.uid, "orders", payload, notice.instrument)

    def _push_algo(self, notice: AlgoNotice) -> None:
        channel = ADVANCED_ALGO_ORDERS if notice.advanced else ALGO_ORDERS
        for connection, subscription, head in self.hub.private.get((notice.uid, channel), ()):
            wanted = subscription.says("algoId") in ("", str(notice.algo_id))
            if wanted and subscription.covers(notice.instrument):
                connection.send(b"".join((head, b',"data":[', notice.payload, b"]}")))

    def _greet_advanced(self, connection: Connection, subscription: Subscription, account: Account) -> None:
        """OKX v5: algo-advance starts with what is live; an empty list where nothing is (OKX does not say)."""
        rows = [
            algo_push(algo, self._exchange.now_ms)
            for algo in self._exchange.algo_orders.live(account.uid)
            if algo.is_advanced
            and subscription.covers(algo.instrument)
            and subscription.says("algoId") in ("", str(algo.algo_id))
        ]
        head = frame_head({**subscription.arg, "uid": account.uid})
        connection.send(b"".join((head, b',"data":', _encode(rows), b"}")))

    def _push_fills(self, notices: list[Notice]) -> None:
        """Fills leave before the order updates that they belong to."""
        made: dict[str, list[FillNotice]] = defaultdict(list)
        for notice in notices:
            if isinstance(notice, FillNotice) and self.hub.private.get((notice.uid, "fills")):
                made[notice.uid].append(notice)
        for uid, fills in made.items():
            products = {notice.instrument.inst_id: notice.instrument for notice in fills}
            for item in fill_items(notice.fill for notice in fills):
                self.hub.push_private(uid, "fills", _encode(item), products[item["instId"]])

    def _push_trade(self, notice: TradeNotice) -> None:
        for channel in ("trades", "trades-all"):
            if self.hub.public.get((channel, notice.instrument.inst_id)):
                self.hub.push_public(channel, notice.instrument.inst_id, _encode(trade_push(notice)))
