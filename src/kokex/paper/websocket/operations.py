"""Order operations over /private. OKX v5: products are named by `instIdCode`; answers have `op`, not `event`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kokex.paper.exchange.desk import Desk, Item
from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.faults.answers import timed_out
from kokex.paper.faults.injector import ANYWHERE, Faults
from kokex.paper.faults.kinds import KINDS
from kokex.paper.faults.record import Occasion
from kokex.paper.gateway.budgets import spend_command
from kokex.paper.gateway.limits import RateLimiter
from kokex.paper.gateway.refusal import RefusalError
from kokex.paper.ledger.account import Account
from kokex.paper.rest.trade import MAX_BATCH, answer_items
from kokex.paper.websocket.channels import PRIVATE
from kokex.paper.websocket.connection import Connection
from kokex.paper.websocket.publisher import Publisher


@dataclass(frozen=True, slots=True)
class _Operation:
    command: str
    """Name of the desk's command."""
    budget: str
    """Name of the REST twin, whose rate limit it shares."""
    batch: bool


OPERATIONS: dict[str, _Operation] = {
    "order": _Operation("place", "order", False),
    "batch-orders": _Operation("place", "batch-orders", True),
    "cancel-order": _Operation("cancel", "cancel-order", False),
    "batch-cancel-orders": _Operation("cancel", "cancel-batch-orders", True),
    "amend-order": _Operation("amend", "amend-order", False),
    "batch-amend-orders": _Operation("amend", "amend-batch-orders", True),
}


class Operations:
    """Runs operations and answers them before or after their pushes."""

    def __init__(
        self, exchange: PaperExchange, publisher: Publisher, limiter: RateLimiter, faults: Faults
    ) -> None:
        self._exchange = exchange
        self._publisher = publisher
        self._limiter = limiter
        self._faults = faults

    def handle(self, connection: Connection, message: Mapping[str, Any]) -> None:
        """Run one operation."""
        received_us = time.time_ns() // 1000
        name = str(message["op"])
        echo = {"id": message.get("id"), "op": name}
        try:
            account, items = _checked(connection, message, OPERATIONS[name])
            occasion = self._occasion(name, account, items)
            if self._faults.strike("cut_before_order", occasion):
                connection.abort()
                return
            self._refuse(occasion)
            self._spend(account, OPERATIONS[name], items)
        except RefusalError as refusal:
            connection.send_json({**echo, "code": refusal.code, "msg": refusal.message, "data": []})
            return
        done = self._exchange.run(lambda: self._run(account, OPERATIONS[name], items))
        answer = answer_items(done)
        payload = {
            **echo,
            "code": answer.code,
            "msg": answer.message if answer.code == "2" else "",
            "data": done,
        }
        payload["inTime"], payload["outTime"] = str(received_us), str(time.time_ns() // 1000)
        self._deliver(connection, payload, echo, occasion)

    def _deliver(
        self, connection: Connection, payload: dict[str, Any], echo: dict[str, Any], occasion: Occasion
    ) -> None:
        if self._faults.strike("cut_before_ack", occasion):
            connection.abort()
            self._publisher.flush()
            return
        late = self._faults.strike("timeout_live", occasion)
        if late is not None:
            payload = {**echo, "data": [], **timed_out(late, payload["data"])[0]}
        if self._exchange.config.ack_order == "push_first" or self._faults.strike("push_first", occasion):
            self._publisher.flush()
            connection.send_json(payload)
        else:
            connection.send_json(payload)
            self._publisher.flush()

    def _occasion(self, name: str, account: Account, items: list[Mapping[str, Any]]) -> Occasion:
        if self._faults.idle:
            return ANYWHERE
        codes = {str(item.code): item.inst_id for item in self._exchange.instruments.values()}
        return Occasion(
            path=f"ws {name}",
            inst_id=codes.get(str(items[0].get("instIdCode")), ""),
            account=account.uid,
            detail=str(items[0].get("clOrdId") or items[0].get("ordId") or ""),
        )

    def _refuse(self, occasion: Occasion) -> None:
        for kind in ("too_many_requests", "server_error"):
            fault = self._faults.strike(kind, occasion)
            if fault is not None:
                raise RefusalError(fault.tells, KINDS[kind].codes[fault.tells].message)

    def _run(self, account: Account, operation: _Operation, items: list[Mapping[str, Any]]) -> list[Item]:
        command = getattr(Desk, operation.command)
        return [command(self._exchange.desk, account, item, by_code=True) for item in items]

    def _spend(self, account: Account, operation: _Operation, items: list[Mapping[str, Any]]) -> None:
        names = {str(item.code): item.inst_id for item in self._exchange.instruments.values()}
        products = [names.get(str(item.get("instIdCode")), "") for item in items]
        spend_command(self._limiter, operation.budget, account, products)


def _checked(
    connection: Connection, message: Mapping[str, Any], operation: _Operation
) -> tuple[Account, list[Mapping[str, Any]]]:
    if connection.path != PRIVATE:
        raise RefusalError(
            "60028", "The current operation is not supported by this URL. Please use the correct one."
        )
    if connection.account is None:
        raise RefusalError("60011", "Please log in")
    name, args = message.get("id"), message.get("args")
    if not isinstance(name, str) or not (1 <= len(name) <= 32 and name.isascii() and name.isalnum()):
        raise RefusalError("60013", "Invalid args: id must be 1 to 32 letters or digits")
    if not isinstance(args, list) or not args or not all(isinstance(item, dict) for item in args):
        raise RefusalError("60013", "Invalid args")
    if len(args) > (MAX_BATCH if operation.batch else 1):
        raise RefusalError("60013", "Invalid args: too many orders")
    deadline = str(message.get("expTime") or "")
    if deadline and (not deadline.isdigit() or int(deadline) < time.time() * 1000):
        raise RefusalError("50036", "The expTime can't be earlier than the current system time.")
    return connection.account, args
