"""The admin face under /paper/v1/: what no real exchange would tell or let you do. JSON, no keys, loopback only.

GET  state                       market time, speed, seed, prices, armed faults
GET  books?account=              an account's own books, exact
GET  events?account=&after=      every orders-channel event that the exchange made, connected or not
POST accounts                    {"api_key", "secret_key", "passphrase", "balances": {"USDT": "1000"}, "uid", "fee_tier"}
POST transfer                    {"account", "currency": "USDT", "amount": "-100"}: funds in, or out where negative
POST clock                       {"speed": 60} | {"pause": true} | {"resume": true} |
                                 {"step_ms": 1000} | {"step_candles": 2} | {"step_ticks": 5}
GET  faults                      every kind, what is armed, how often faults struck
GET  faults/record?after=        what struck, in order
POST faults                      {"kind": "cut_before_ack", "count": 1} or {"seed": 7, "faults": [{...}, ...]}
POST faults/clear                disarm everything
POST disconnect                  drop every WebSocket
POST notice                      announce a restart (64008)
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from aiohttp import web

from kokex.domain.errors import ConfigurationError, KokexError
from kokex.paper.clock import MarketClock
from kokex.paper.config import AccountConfig
from kokex.paper.decimals import text
from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.exchange.records import OrderEvent
from kokex.paper.faults import Fault, FaultPlan, Faults
from kokex.paper.faults.injector import describe_kinds
from kokex.paper.ledger.account import Account
from kokex.paper.websocket.face import WebSocketFace
from kokex.paper.websocket.publisher import Publisher

PREFIX = "/paper/v1/"
_encode = msgspec.json.Encoder().encode
_MOST_EVENTS = 10_000


class AdminFace:
    """Serves the admin paths."""

    def __init__(
        self,
        exchange: PaperExchange,
        clock: MarketClock,
        publisher: Publisher,
        sockets: WebSocketFace,
        faults: Faults,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._publisher = publisher
        self._sockets = sockets
        self._faults = faults
        self._handlers: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "state"): self._state,
            ("GET", "books"): self._books,
            ("GET", "events"): self._events,
            ("POST", "accounts"): self._open_account,
            ("POST", "transfer"): self._transfer,
            ("POST", "clock"): self._set_clock,
            ("GET", "faults"): self._show_faults,
            ("GET", "faults/record"): self._struck,
            ("POST", "faults"): self._arm,
            ("POST", "faults/clear"): self._disarm,
            ("POST", "disconnect"): self._disconnect,
            ("POST", "notice"): self._notice,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one admin request; a bad one gets 400 and a sentence."""
        handler = self._handlers.get((request.method, request.path.removeprefix(PREFIX)))
        if handler is None:
            return _json({"error": f"{request.method} {request.path} is not an admin path"}, 404)
        body = await request.read()
        try:
            fields = dict(request.query) if request.method == "GET" else msgspec.json.decode(body or b"{}")
            if not isinstance(fields, dict):
                raise ConfigurationError("the body must be a JSON object")
            return _json(handler(fields), 200)
        except msgspec.DecodeError as error:
            return _json({"error": f"the body is not JSON: {error}"}, 400)
        except KokexError as error:
            return _json({"error": str(error)}, 400)

    def _state(self, fields: dict[str, Any]) -> dict[str, Any]:
        exchange, config = self._exchange, self._exchange.config
        return {
            "market_ms": exchange.now_ms,
            "start_ms": exchange.feed.start_ms,
            "speed": self._clock.speed,
            "paused": self._clock.paused,
            "seed": config.seed,
            "interval": config.interval,
            "environment": config.environment,
            "last_prices": {inst_id: text(price) for inst_id, price in exchange.marks.items()},
            "accounts": {account.uid: account.config.api_key for account in exchange.accounts.values()},
            "connections": len(self._publisher.hub.connections),
            "events": exchange.records.counters.event,
            "faults": self._faults.armed(),
        }

    def _books(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._exchange.books(self._account(fields))

    def _events(self, fields: dict[str, Any]) -> dict[str, Any]:
        account = self._account(fields)
        after = _whole(fields, "after", 0)
        found = [event for event in self._exchange.records.events[account.uid] if event.seq > after]
        return {
            "account": account.uid,
            "total": len(self._exchange.records.events[account.uid]),
            "events": [_event(event) for event in found[:_MOST_EVENTS]],
        }

    def _open_account(self, fields: dict[str, Any]) -> dict[str, str]:
        needed = {name: str(fields.get(name) or "") for name in ("api_key", "secret_key", "passphrase")}
        for name, value in needed.items():
            if not value:
                raise ConfigurationError(f"{name} is missing from the new account")
        balances = fields.get("balances") or {}
        if not isinstance(balances, dict):
            raise ConfigurationError("balances must be an object of amounts by currency")
        config = AccountConfig(
            api_key=needed["api_key"],
            secret_key=needed["secret_key"],
            passphrase=needed["passphrase"],
            uid=str(fields.get("uid") or ""),
            fee_tier=_whole(fields, "fee_tier", 0),
            balances={str(ccy): _amount(str(ccy), amount) for ccy, amount in balances.items()},
        )
        account = self._exchange.run(lambda: self._exchange.open_account(config), settings=True)
        self._publisher.flush(force=True)
        return {"account": account.uid, "api_key": account.config.api_key}

    def _transfer(self, fields: dict[str, Any]) -> dict[str, str]:
        account, currency = self._account(fields), str(fields.get("currency") or "")
        value = str(fields.get("amount") or "")
        amount = _amount(currency, value.removeprefix("-"))
        if not currency or not amount:
            raise ConfigurationError("a transfer needs a currency and an amount other than 0")
        signed = -amount if value.startswith("-") else amount
        self._exchange.run(lambda: self._exchange.transfer(account, currency, signed))
        self._publisher.flush(force=True)
        return {"account": account.uid, "currency": currency, "balance": text(account.cash[currency])}

    def _set_clock(self, fields: dict[str, Any]) -> dict[str, Any]:
        exchange, clock = self._exchange, self._clock
        if "speed" in fields:
            speed = fields["speed"]
            if isinstance(speed, bool) or not isinstance(speed, int | float) or speed <= 0:
                raise ConfigurationError(f"speed {speed!r} must be a number above 0")
            clock.hold_at(exchange.now_ms)
            clock.speed = float(speed)
        if fields.get("pause"):
            clock.hold_at(exchange.now_ms)
            clock.paused = True
        target = exchange.now_ms + _whole(fields, "step_ms", 0)
        target += _whole(fields, "step_candles", 0) * exchange.feed.interval_ms
        if target > exchange.now_ms:
            exchange.advance(target)
        for _ in range(_whole(fields, "step_ticks", 0)):
            exchange.advance(exchange.feed.next_at_ms)
        clock.hold_at(exchange.now_ms)
        if fields.get("resume"):
            clock.paused = False
        self._publisher.flush(force=True)
        return self._state({})

    def _arm(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "faults" in fields or "seed" in fields:
            numbers = self._faults.arm_plan(FaultPlan.from_mapping(fields))
        else:
            numbers = [self._faults.arm(Fault.from_mapping(fields))]
        return {"armed": numbers, "faults": self._faults.armed()}

    def _show_faults(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {
            "kinds": describe_kinds(),
            "armed": self._faults.armed(),
            "struck": self._faults.record.total,
        }

    def _struck(self, fields: dict[str, Any]) -> dict[str, Any]:
        after = _whole(fields, "after", 0)
        found = [strike.to_mapping() for strike in self._faults.strikes() if strike.number > after]
        return {"total": self._faults.record.total, "strikes": found[:_MOST_EVENTS]}

    def _disarm(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._faults.clear()
        return {"faults": self._faults.armed()}

    def _disconnect(self, fields: dict[str, Any]) -> dict[str, int]:
        return {"disconnected": self._sockets.disconnect_all()}

    def _notice(self, fields: dict[str, Any]) -> dict[str, str]:
        self._sockets.announce_restart()
        return {"notice": "64008"}

    def _account(self, fields: dict[str, Any]) -> Account:
        name = str(fields.get("account") or "")
        account = self._exchange.find_account(name)
        if account is None:
            known = ", ".join(self._exchange.accounts) or "none"
            raise ConfigurationError(f"account {name!r} does not exist; known accounts: {known}")
        return account


def _event(event: OrderEvent) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "instId": event.inst_id,
        "ordId": event.order_id,
        "clOrdId": event.client_order_id,
        "state": event.state,
        "tradeId": event.trade_id,
        "accFillSz": event.filled,
        "uTime": str(event.updated_ms),
        "payload": msgspec.Raw(event.payload),
    }


def _whole(fields: dict[str, Any], name: str, default: int) -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not str(value).isdigit():
        raise ConfigurationError(f"{name} {value!r} must be a whole number, 0 or more")
    return int(value)


def _amount(currency: str, value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise ConfigurationError(f"balance {value!r} of {currency} is not a number") from error
    if not amount.is_finite() or amount < 0:
        raise ConfigurationError(f"balance {value!r} of {currency} must be 0 or more")
    return amount


def _json(payload: Any, status: int) -> web.Response:
    return web.Response(body=_encode(payload), status=status, content_type="application/json")
