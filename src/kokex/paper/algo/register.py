"""The exchange's register of algo orders."""

from __future__ import annotations

from collections import defaultdict

from kokex.paper.algo.order import AlgoOrder
from kokex.paper.exchange.notices import AlgoNotice, Outbox
from kokex.paper.exchange.records import Records
from kokex.paper.wire.algo import render_algo_push


class AlgoRegister:
    """Algo orders by number, account, name, and by the instruments whose prices they watch."""

    def __init__(self, records: Records, outbox: Outbox) -> None:
        self._records = records
        self._outbox = outbox
        self.orders: dict[int, AlgoOrder] = {}
        self._by_account: dict[str, list[AlgoOrder]] = defaultdict(list)
        self._names: dict[tuple[str, str], AlgoOrder] = {}
        self._watching: dict[str, dict[int, AlgoOrder]] = defaultdict(dict)

    def add(self, order: AlgoOrder) -> None:
        """Keep a new algo order and tell its owner."""
        self.restore(order)
        self.updated(order)

    def restore(self, order: AlgoOrder) -> None:
        """Keep an algo order that a saved state brought back."""
        self.orders[order.algo_id] = order
        self._by_account[order.account_uid].append(order)
        if order.client_id:
            self._names[(order.account_uid, order.client_id)] = order
        self.watch(order)

    def watch(self, order: AlgoOrder) -> None:
        """Let it hear of the prices that its triggers name; a finished one hears of none."""
        item = order.instrument
        for inst_id in (item.inst_id, item.underlying):
            self._watching[inst_id].pop(order.algo_id, None)
        if order.is_live:
            self._watching[item.inst_id][order.algo_id] = order
            if any(leg.source == "index" for leg in order.legs):
                self._watching[item.underlying][order.algo_id] = order

    def watching(self, inst_id: str) -> list[AlgoOrder]:
        """Live algo orders that an instrument's price may move, oldest first."""
        watching = self._watching.get(inst_id)
        return list(watching.values()) if watching else []

    def updated(self, order: AlgoOrder) -> None:
        """Publish an update; what belongs to this update alone is cleared after it."""
        order.touch(self._outbox.now_ms)
        self.changed(order)
        if not order.is_live:
            self.watch(order)
        payload = render_algo_push(order, self._outbox.now_ms)
        self._outbox.add(
            AlgoNotice(order.account_uid, order.instrument, order.algo_id, order.is_advanced, payload)
        )
        order.request_id = order.amend_result = ""

    def changed(self, order: AlgoOrder) -> None:
        """Note a silent change (a trailing stop that followed the price)."""
        self._records.unsaved.algos[order.algo_id] = order

    def live(self, uid: str) -> list[AlgoOrder]:
        """An account's live algo orders, oldest first."""
        return [order for order in self._by_account[uid] if order.is_live]

    def of(self, uid: str) -> list[AlgoOrder]:
        """Every algo order of an account, oldest first."""
        return self._by_account[uid]

    def find(self, uid: str, *, algo_id: str, client_id: str) -> AlgoOrder | None:
        """An algo order by either id; the exchange's id wins, a reused name gives the latest."""
        if algo_id:
            found = self.orders.get(int(algo_id)) if algo_id.isdigit() else None
            return found if found is not None and found.account_uid == uid else None
        return self._names.get((uid, client_id))
