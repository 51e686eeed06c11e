"""Balances, positions, bills and settings on the wire."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from kokex.paper.decimals import ZERO, optional_text, text
from kokex.paper.exchange.valuation import QUOTE
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account, Bill, Position
from kokex.paper.ledger.margin import MarginState, margin_state
from kokex.paper.wire.positions import View, brief_position, ratio

_BLANK_DETAIL = dict.fromkeys(
    (
        "accAvgPx",
        "borrowFroz",
        "clSpotInUseAmt",
        "crossLiab",
        "interest",
        "isoLiab",
        "liab",
        "maxLoan",
        "maxSpotInUseAmt",
        "openAvgPx",
        "spotBal",
        "spotInUseAmt",
        "spotUpl",
        "spotUplRatio",
        "totalPnl",
        "totalPnlRatio",
        "uplLiab",
    ),
    "",
)
_ZERO_DETAIL = dict.fromkeys(
    ("fixedBal", "rewardBal", "smtSyncEq", "spotCopyTradingEq", "spotIsoBal", "stgyEq", "twap"), "0"
)
_BLANK_BALANCE = dict.fromkeys(
    (
        "adjEq",
        "availEq",
        "borrowFroz",
        "imr",
        "mgnRatio",
        "mmr",
        "notionalUsd",
        "notionalUsdForBorrow",
        "notionalUsdForFutures",
        "notionalUsdForOption",
        "notionalUsdForSwap",
        "ordFroz",
        "upl",
    ),
    "",
)


def balance(account: Account, view: View, currencies: Collection[str] | None = None) -> dict[str, Any]:
    """`account/balance` and one item of the account channel: non-zero currencies, or those asked for."""
    state = margin_state(account, view.marks)
    wanted = [ccy for ccy in account.cash if currencies is None or ccy in currencies]
    details = [_detail(account, ccy, state, view) for ccy in wanted if account.cash[ccy] or ccy == QUOTE]
    if currencies is None:
        details = [detail for detail in details if detail["eq"] != "0" or detail["availEq"] != "0"]
    total = state.equity + sum(
        (amount * view.prices.get(ccy, ZERO) for ccy, amount in account.cash.items() if ccy != QUOTE), ZERO
    )
    fields: dict[str, Any] = {**_BLANK_BALANCE, "details": details}
    fields["isoEq"] = text(state.isolated_equity)
    fields["totalEq"] = text(total)
    fields["uTime"] = str(view.now_ms)
    if account.open_positions():
        fields["imr"] = text(state.cross_initial)
        fields["mmr"] = text(state.maintenance)
        fields["upl"] = text(state.unrealised)
        fields["mgnRatio"] = ratio(state.cross_equity, state.maintenance)
    return fields


def _detail(account: Account, currency: str, state: MarginState, view: View) -> dict[str, Any]:
    cash = account.cash.get(currency, ZERO)
    frozen = account.frozen.get(currency, ZERO)
    settles = currency == QUOTE
    equity = state.equity if settles else cash
    held = frozen + (state.cross_initial + account.order_margin if settles else ZERO)
    available = max(ZERO, min(cash - frozen, state.available) if settles else cash - frozen)
    price = view.prices.get(currency, ZERO)
    return {
        **_BLANK_DETAIL,
        **_ZERO_DETAIL,
        "ccy": currency,
        "eq": text(equity),
        "cashBal": text(cash),
        "availBal": text(available),
        "availEq": text(max(ZERO, state.available) if settles else available),
        "frozenBal": text(held + (state.isolated_equity if settles else ZERO)),
        "ordFrozen": text(frozen + (account.order_margin if settles else ZERO)),
        "upl": text(state.unrealised) if settles else "0",
        "isoEq": text(state.isolated_equity) if settles else "0",
        "isoUpl": text(state.isolated_unrealised) if settles else "0",
        "imr": text(state.cross_initial) if settles else "0",
        "mmr": text(state.maintenance) if settles else "0",
        "mgnRatio": ratio(state.cross_equity, state.maintenance) if settles else "",
        "notionalLever": "0",
        "disEq": text(equity * price),
        "eqUsd": text(equity * price),
        "coinUsdPrice": text(price),
        "collateralEnabled": False,
        "collateralRestrict": False,
        "colBorrAutoConversion": "0",
        "uTime": str(account.changed_ms.get(currency, view.now_ms)),
    }


def balance_and_position(
    account: Account,
    now_ms: int,
    *,
    event: str,
    currencies: Collection[str] | None,
    positions: Collection[Position],
    trade: tuple[str, str] | None,
) -> dict[str, Any]:
    """One item of the balance_and_position channel; only the changed side is sent after the snapshot."""
    shown = [ccy for ccy in account.cash if (account.cash[ccy] if currencies is None else ccy in currencies)]
    return {
        "pTime": str(now_ms),
        "eventType": event,
        "balData": [
            {
                "ccy": ccy,
                "cashBal": text(account.cash[ccy]),
                "uTime": str(account.changed_ms.get(ccy, now_ms)),
            }
            for ccy in shown
        ],
        "posData": [brief_position(position) for position in positions],
        "trades": [] if trade is None else [{"instId": trade[0], "tradeId": trade[1]}],
    }


def fee_level(account: Account) -> str:
    """The fee tier as OKX writes it: Lv1 for regular users, VIP1 and up."""
    return f"VIP{account.config.fee_tier}" if account.config.fee_tier else "Lv1"


def config_row(account: Account, level: str) -> dict[str, Any]:
    """`account/config`."""
    return {
        "uid": account.uid,
        "mainUid": account.uid,
        "acctLv": level,
        "acctStpMode": "cancel_maker",
        "posMode": "long_short_mode" if account.long_short_mode else "net_mode",
        "autoLoan": False,
        "greeksType": "PA",
        "level": fee_level(account),
        "levelTmp": "",
        "ctIsoMode": "automatic",
        "mgnIsoMode": "automatic",
        "spotOffsetType": "",
        "stgyType": "0",
        "roleType": "0",
        "traderInsts": [],
        "spotRoleType": "0",
        "spotTraderInsts": [],
        "opAuth": "0",
        "kycLv": "3",
        "label": "paper",
        "ip": "",
        "perm": "read_only,trade",
        "feeType": "0",
        "settleCcy": "USDT",
        "settleCcyList": ["USDT"],
        "discountType": "0",
        "liquidationGear": "-1",
        "enableSpotBorrow": False,
        "spotBorrowAutoRepay": False,
        "type": "0",
    }


def bill_row(bill: Bill) -> dict[str, Any]:
    """`account/bills`."""
    return {
        "billId": str(bill.bill_id),
        "ts": str(bill.at_ms),
        "ccy": bill.currency,
        "type": bill.kind,
        "subType": bill.sub_kind,
        "balChg": text(bill.change),
        "bal": text(bill.balance),
        "posBalChg": "0",
        "posBal": "0",
        "sz": text(bill.quantity) if bill.quantity is not None else text(abs(bill.change)),
        "px": optional_text(bill.price),
        "fee": text(bill.fee),
        "pnl": text(bill.pnl),
        "interest": "0",
        "instId": bill.inst_id,
        "instType": bill.inst_type,
        "mgnMode": bill.margin_mode,
        "ordId": bill.order_id,
        "clOrdId": bill.client_order_id,
        "tradeId": bill.trade_id,
        "execType": bill.exec_type,
        "from": "",
        "to": "",
        "notes": "",
        "tag": "",
        "fillTime": str(bill.at_ms) if bill.trade_id else "",
    }


def leverage_row(instrument: Instrument, mode: str, side: str, leverage: Decimal) -> dict[str, str]:
    """`account/leverage-info` and the answer of `set-leverage`."""
    return {
        "instId": instrument.inst_id,
        "mgnMode": mode,
        "posSide": side,
        "lever": text(leverage),
        "ccy": "",
    }
