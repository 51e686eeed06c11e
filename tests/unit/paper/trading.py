"""A paper exchange without a wire, in lock-step, for tests that trade on it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from kokex.paper import AccountConfig, PaperConfig, PaperExchange
from kokex.paper.ledger.account import Account
from kokex.paper.market.candle import Tick
from kokex.paper.matching.order import Order

SPOT, SWAP = "ETH-USDT", "ETH-USDT-SWAP"


def account_config(name: str = "one", **balances: str) -> AccountConfig:
    """An account with the given balances, 100,000 USDT and 100 ETH unless told otherwise."""
    amounts = balances or {"USDT": "100000", "ETH": "100"}
    return AccountConfig(
        api_key=name,
        secret_key=f"{name}-secret",
        passphrase=f"{name}-passphrase",
        balances={currency: Decimal(amount) for currency, amount in amounts.items()},
    )


def paper_config(**changes: Any) -> PaperConfig:
    """A small market that moves only when told."""
    settings: dict[str, Any] = {
        "paused": True,
        "instruments": (SPOT, SWAP),
        "warmup_candles": 5,
        "ticks_per_candle": 20,
        "accounts": (account_config(),),
    }
    return PaperConfig(**{**settings, **changes})


class Trader:
    """One account at a desk. Prices are given as offsets in ticks from the best outside ask or bid."""

    def __init__(self, exchange: PaperExchange, name: str = "one") -> None:
        self.exchange = exchange
        account = exchange.account_with_key(name)
        assert account is not None
        self.account: Account = account

    def place(self, **fields: Any) -> dict[str, Any]:
        """Submit an order on spot, limit and buy unless told otherwise."""
        swap = fields.get("instId") == SWAP
        request = {
            "instId": SPOT,
            "tdMode": "cross" if swap else "cash",
            "side": "buy",
            "ordType": "limit",
            **fields,
        }
        return self.exchange.run(lambda: self.exchange.desk.place(self.account, request))

    def placed(self, **fields: Any) -> Order:
        """Submit an order that must be accepted."""
        answer = self.place(**fields)
        assert answer["sCode"] == "0", answer
        return self.exchange.records.orders[int(answer["ordId"])]

    def cancel(self, order: Order) -> dict[str, Any]:
        """Cancel an order."""
        request = {"instId": order.instrument.inst_id, "ordId": str(order.order_id)}
        return self.exchange.run(lambda: self.exchange.desk.cancel(self.account, request))

    def amend(self, order: Order, **fields: Any) -> dict[str, Any]:
        """Amend an order."""
        request = {"instId": order.instrument.inst_id, "ordId": str(order.order_id), **fields}
        return self.exchange.run(lambda: self.exchange.desk.amend(self.account, request))

    def pushes(self, order: Order) -> list[dict[str, Any]]:
        """Every update of an order, as the orders channel tells it."""
        return [
            msgspec.json.decode(event.payload)
            for event in self.exchange.records.events[self.account.uid]
            if event.order_id == str(order.order_id)
        ]

    def states(self, order: Order) -> list[str]:
        """The states that an order went through."""
        return [push["state"] for push in self.pushes(order)]

    def price(self, ticks: int, inst_id: str = SPOT) -> str:
        """Whole ticks as a price."""
        return str(self.exchange.instruments[inst_id].price(ticks))

    def best_ask(self, inst_id: str = SPOT) -> int:
        """Best outside ask in ticks."""
        return self.exchange.floor.books[inst_id].outside.best_ask

    def best_bid(self, inst_id: str = SPOT) -> int:
        """Best outside bid in ticks."""
        return self.exchange.floor.books[inst_id].outside.best_bid

    def outside(self, *, ask: bool, ticks: int, inst_id: str = SPOT) -> int:
        """Outside lots at a level."""
        return self.exchange.floor.books[inst_id].outside.size(ask=ask, ticks=ticks)

    def print(self, ticks: int, lots: int, *, buy: bool, inst_id: str = SPOT) -> None:
        """Let one market print of this size happen; clients may catch all of it."""
        exchange = self.exchange
        tick = Tick(exchange.now_ms + 1, ticks, lots, buy)
        with exchange.exact():
            exchange.happen(exchange.floor.books[inst_id], tick, share=Decimal(1))


def trader(**changes: Any) -> Trader:
    """A fresh exchange and its only trader."""
    return Trader(PaperExchange(paper_config(**changes)))
