"""What OKX v5 sends of an account besides its orders, as it sends it: only the fields that KOKEX reads.

Positions, balances, stops ("algo orders"), the list of fills, margin warnings; pushed or asked for. As in `wire`, a missing
field, `""` and null mean the same.
"""

from __future__ import annotations

import msgspec

from kokex.adapters.okx.wire import Text


class PositionReportRow(msgspec.Struct, rename="camel"):
    """A position: a push of `positions`, `posData` of `balance_and_position`, a warning, or a row of `account/positions`.

    `pos` is signed in net mode and positive in long/short mode, where `posSide` tells. `uTime` is when the position last
    changed, `pTime` when the push was made. A closed position may be told with `pos` "0" and a blank `avgPx`.
    """

    inst_id: str
    mgn_mode: Text = ""
    inst_type: Text = ""
    pos_side: Text = ""
    pos: Text = ""
    avg_px: Text = ""
    mark_px: Text = ""
    liq_px: Text = ""
    mgn_ratio: Text = ""
    lever: Text = ""
    upl: Text = ""
    realized_pnl: Text = ""
    trade_id: Text = ""
    u_time: Text = ""
    p_time: Text = ""


class BalanceReportRow(msgspec.Struct, rename="camel"):
    """One currency: of `account` (push and REST), or `balData` of `balance_and_position`, which has the cash alone."""

    ccy: str
    eq: Text = ""
    cash_bal: Text = ""
    avail_bal: Text = ""
    avail_eq: Text = ""
    frozen_bal: Text = ""
    u_time: Text = ""


class AccountRow(msgspec.Struct, rename="camel"):
    """The item of an `account` push, or the row of `account/balance`: its currencies, JSON still."""

    u_time: Text = ""
    details: list[msgspec.Raw] = []


class TradeReference(msgspec.Struct, rename="camel"):
    """A fill that changed a balance or a position."""

    inst_id: Text = ""
    trade_id: Text = ""


class BalanceAndPositionRow(msgspec.Struct, rename="camel"):
    """The item of a `balance_and_position` push: what changed, and why (`eventType`, which is in here, not in the frame)."""

    p_time: Text = ""
    event_type: Text = ""
    bal_data: list[msgspec.Raw] = []
    pos_data: list[msgspec.Raw] = []
    trades: list[TradeReference] = []


class StopRow(msgspec.Struct, rename="camel"):
    """A stop: a push of `orders-algo` or `algo-advance`, or a row of `trade/orders-algo-pending` or `trade/order-algo`.

    `ordIdList` names the orders that it became; `ordId`, the latest of them, is to go. `sz` is in quote currency where
    `tgtCcy` says so, and blank where a fraction of the position is to be closed.
    """

    algo_id: str
    inst_id: str
    side: str
    state: str
    ord_type: Text = ""
    algo_cl_ord_id: Text = ""
    sz: Text = ""
    tgt_ccy: Text = ""
    trigger_px: Text = ""
    move_trigger_px: Text = ""
    sl_trigger_px: Text = ""
    tp_trigger_px: Text = ""
    ord_id: Text = ""
    ord_id_list: list[str] | None = None
    fail_code: Text = ""
    c_time: Text = ""
    u_time: Text = ""
    trigger_time: Text = ""
    p_time: Text = ""


class FillPush(msgspec.Struct, rename="camel"):
    """An item of `fills`: executions at one price; no fee. `clOrdId` is "0" unless it is a number."""

    inst_id: str
    ord_id: str
    side: str
    fill_px: str
    fill_sz: str
    ts: str
    trade_id: Text = ""
    cl_ord_id: Text = ""
    exec_type: Text = ""
    count: Text = ""


class SettingsRow(msgspec.Struct, rename="camel"):
    """`account/config`. `acctLv` 1 spot, 2 futures, 3 multi-currency, 4 portfolio margin; `perm` is comma-separated."""

    uid: Text = ""
    acct_lv: Text = ""
    pos_mode: Text = ""
    perm: Text = ""
    fee_type: Text = ""
