"""Private account data and settings."""

from __future__ import annotations

from decimal import Decimal

from kokex.paper.decimals import ONE, text
from kokex.paper.exchange.rejection import RejectionError, malformed, missing
from kokex.paper.exchange.request import positive
from kokex.paper.gateway.limits import Limit
from kokex.paper.ledger.margin import margin_state
from kokex.paper.rest.call import Call, Data, Route
from kokex.paper.rest.public import instruments
from kokex.paper.wire.account import balance, config_row, leverage_row
from kokex.paper.wire.positions import position_row


def account_balance(call: Call) -> Data:
    """Non-zero currencies, or those asked for."""
    return [balance(call.account, call.view, call.chosen("ccy") or None)]


def positions(call: Call) -> Data:
    """Open positions; one that is asked for by `instId` is shown even when it is closed."""
    kind, inst_ids, ids = call.text("instType"), call.chosen("instId"), call.chosen("posId")
    shown = [
        position
        for position in call.account.positions.values()
        if kind in ("", position.instrument.inst_type)
        and (not inst_ids or position.instrument.inst_id in inst_ids)
        and (not ids or str(position.position_id) in ids)
        and (position.lots or inst_ids)
    ]
    return [position_row(call.account, position, call.view) for position in shown]


def config(call: Call) -> Data:
    """Account settings."""
    return [config_row(call.account, call.account.level)]


def set_leverage(call: Call) -> Data:
    """Leverage of a perpetual, by margin mode and (isolated, long/short) side."""
    item = call.instrument()
    leverage = positive("lever", call.text("lever"))
    mode = call.text("mgnMode")
    if mode not in ("cross", "isolated"):
        raise malformed("mgnMode")
    if leverage < 1:
        raise malformed("lever")
    if not item.is_swap:
        raise RejectionError("51000", "Parameter instId error: leverage applies to perpetuals only")
    if leverage > item.max_leverage:
        raise RejectionError("59102", "Leverage exceeds the maximum limit. Please lower the leverage.")
    account = call.account
    if account.long_short_mode and mode == "isolated" and not call.text("posSide"):
        raise malformed("posSide")
    sides = [call.text("posSide")] if call.text("posSide") else ["net", "long", "short"]
    for side in sides:
        _apply_leverage(call, (item.inst_id, mode, side), leverage)
    shown = call.text("posSide") or ("net" if not account.long_short_mode else "")
    return [{"instId": item.inst_id, "lever": text(leverage), "mgnMode": mode, "posSide": shown}]


def _apply_leverage(call: Call, key: tuple[str, str, str], leverage: Decimal) -> None:
    account = call.account
    item, position = call.exchange.instruments[key[0]], account.positions.get(key)
    if position is not None and position.lots:
        mark = call.exchange.marks[key[0]]
        before = position.leverage
        position.leverage = leverage
        if margin_state(account, call.exchange.marks).available < 0 and leverage < before:
            position.leverage = before
            needed = text(position.notional(mark))
            raise RejectionError(
                "59110", f"Insufficient margin for leverage {leverage} on a position of {needed} USDT."
            )
        outbox = call.exchange.outbox
        outbox.account_changed(account, (), event="set_leverage", positions=(key,))
        outbox.account_changed(account, (item.quote,))
        outbox.position_changed(account, key)
    account.leverage[key] = leverage


def margin_balance(call: Call) -> Data:
    """Add margin to an isolated position, or take back what was added."""
    item, account = call.instrument(), call.account
    amount, kind = positive("amt", call.text("amt")), call.text("type")
    if kind not in ("add", "reduce"):
        raise malformed("type")
    side = call.text("posSide")
    if side not in (("long", "short") if account.long_short_mode else ("net",)):
        raise malformed("posSide")
    position = account.positions.get((item.inst_id, "isolated", side))
    if position is None or not position.lots:
        raise RejectionError("59300", "Margin call failed. Position does not exist.")
    marks = call.exchange.marks
    most = margin_state(account, marks).available if kind == "add" else position.margin_added
    if amount > most:
        raise RejectionError("59301", "Margin adjustment failed for exceeding the max limit.")
    position.margin_added += amount if kind == "add" else -amount
    position.updated_ms = call.exchange.now_ms
    outbox = call.exchange.outbox
    outbox.account_changed(account, (), event="adjust_margin", positions=(position.key,))
    outbox.account_changed(account, (item.quote,))
    outbox.position_changed(account, position.key)
    leverage = position.notional(marks[item.inst_id]) / position.initial_margin(marks[item.inst_id])
    row = {"instId": item.inst_id, "posSide": side, "amt": text(amount), "type": kind, "ccy": item.quote}
    return [{**row, "leverage": text(round(leverage, 4))}]


def leverage_info(call: Call) -> Data:
    """Leverage that is set, by side."""
    mode = call.text("mgnMode")
    if not mode:
        raise missing("mgnMode")
    wanted = call.chosen("instId")
    if not wanted:
        raise missing("instId")
    account = call.account
    sides = ["long", "short"] if account.long_short_mode else ["net"]
    items = [call.exchange.desk.instrument(inst_id) for inst_id in sorted(wanted)]
    return [
        leverage_row(item, mode, side, account.leverage_of(item.inst_id, mode, side) if item.is_swap else ONE)
        for item in items
        for side in sides
    ]


def set_position_mode(call: Call) -> Data:
    """Net or long/short; not while positions or swap orders are open."""
    mode = call.text("posMode")
    if mode not in ("net_mode", "long_short_mode"):
        raise malformed("posMode")
    account = call.account
    wanted = mode == "long_short_mode"
    if wanted != account.long_short_mode:
        busy = any(order.instrument.is_swap for order in call.exchange.records.open_orders(account.uid))
        waiting = any(algo.instrument.is_swap for algo in call.exchange.algo_orders.live(account.uid))
        if busy or waiting or account.open_positions():
            raise RejectionError("59000", "Setting failed. Cancel any open orders and close positions first.")
        account.long_short_mode = wanted
    return [{"posMode": mode}]


_TEN, _TWENTY, _FIVE = Limit(10, scope="user"), Limit(20, scope="user"), Limit(5, scope="user")

ROUTES = {
    ("GET", "account/balance"): Route(account_balance, _TEN, private=True),
    ("GET", "account/positions"): Route(positions, _TEN, private=True),
    ("GET", "account/config"): Route(config, _FIVE, private=True),
    ("GET", "account/instruments"): Route(instruments, _TWENTY, private=True),
    ("POST", "account/set-leverage"): Route(set_leverage, _TWENTY, private=True),
    ("POST", "account/position/margin-balance"): Route(margin_balance, _TWENTY, private=True),
    ("GET", "account/leverage-info"): Route(leverage_info, _TWENTY, private=True),
    ("POST", "account/set-position-mode"): Route(set_position_mode, _FIVE, private=True),
}
