"""An account's own books: what it started with, what it has, and the profit between, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kokex.paper.decimals import ONE, ZERO, text
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account, Position

QUOTE = "USDT"


def currency_prices(
    instruments: Mapping[str, Instrument], marks: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Value of each currency in USDT: its spot pair's last price, else its perpetual's."""
    prices = {QUOTE: ONE}
    for item in instruments.values():
        if item.base not in prices or not item.is_swap:
            prices[item.base] = marks[item.inst_id]
    return prices


def watched_price(marks: Mapping[str, Decimal], instrument: Instrument, source: str) -> Decimal:
    """The last, mark or index price of an instrument.

    The paper market has one price an instrument: it is last and mark. The index is the price of the spot pair
    behind it where that is listed.
    """
    if source == "index" and instrument.underlying in marks:
        return marks[instrument.underlying]
    return marks[instrument.inst_id]


def worth(amounts: Mapping[str, Decimal], prices: Mapping[str, Decimal]) -> Decimal:
    """Value of some balances; a currency without a price counts nothing."""
    return sum((amount * prices.get(currency, ZERO) for currency, amount in amounts.items()), ZERO)


def books_report(
    account: Account, instruments: Mapping[str, Instrument], marks: Mapping[str, Decimal], now_ms: int
) -> dict[str, Any]:
    """Everything that a journal elsewhere can be compared with; all amounts are exact strings.

    `pnl` is equity minus what the initial balances are worth at the same prices, so it is what trading made;
    `equity_change` is equity minus what the initial balances were worth at the start.
    """
    prices = currency_prices(instruments, marks)
    unrealised = sum(
        (position.unrealised(marks[position.instrument.inst_id]) for position in account.open_positions()),
        ZERO,
    )
    equity = worth(account.cash, prices) + unrealised
    started = worth(account.initial, account.initial_prices)
    return {
        "account": account.uid,
        "api_key": account.config.api_key,
        "market_ms": now_ms,
        "prices": _texts(prices),
        "marks": _texts(marks),
        "initial_balances": _texts(account.initial),
        "balances": _texts(account.cash),
        "frozen": _texts({currency: amount for currency, amount in account.frozen.items() if amount}),
        "positions": [_position(item, marks) for item in account.open_positions()],
        "fees": _texts(account.fees),
        "fees_usdt": text(worth(account.fees, prices)),
        "realised_pnl": text(account.realised),
        "funding": text(account.funding),
        "unrealised_pnl": text(unrealised),
        "equity": text(equity),
        "pnl": text(equity - worth(account.initial, prices)),
        "equity_start": text(started),
        "equity_change": text(equity - started),
    }


def _position(position: Position, marks: Mapping[str, Decimal]) -> dict[str, str]:
    mark = marks[position.instrument.inst_id]
    return {
        "inst_id": position.instrument.inst_id,
        "margin_mode": position.margin_mode,
        "side": position.side,
        "contracts": text(position.instrument.size(position.lots)),
        "average_price": text(position.average_price),
        "mark": text(mark),
        "unrealised_pnl": text(position.unrealised(mark)),
    }


def _texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: text(amount) for name, amount in amounts.items()}
