"""What OKX v5 sends, as it sends it: only the fields that KOKEX reads.

Every value is a string unless noted; `""`, `"0"` and a missing field can mean the same thing, so each has a default. Fields
that OKX adds are ignored.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

Text: TypeAlias = str | None
"""A string that may be absent or null."""

Code: TypeAlias = str | int
"""An error code; some gateways send it as a number."""


class Envelope(msgspec.Struct):
    """The frame of every REST answer. `data`, JSON still, is missing from the gateway's own errors."""

    code: Code
    msg: Text = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class CommandItem(msgspec.Struct):
    """What became of one submit or cancel: `sCode` decides, not the envelope."""

    sCode: Code = ""  # noqa: N815
    sMsg: Text = ""  # noqa: N815
    subCode: Text = ""  # noqa: N815
    ordId: Text = ""  # noqa: N815
    clOrdId: Text = ""  # noqa: N815


class ServerTime(msgspec.Struct):
    """`public/time`: Unix milliseconds."""

    ts: str


class InstrumentRow(msgspec.Struct, rename="camel"):
    """One row of `public/instruments`. Contract fields are blank for spot; a new listing may have blank steps."""

    inst_id: str
    inst_type: str
    base_ccy: Text = ""
    quote_ccy: Text = ""
    settle_ccy: Text = ""
    inst_family: Text = ""
    uly: Text = ""
    ct_val: Text = ""
    ct_mult: Text = ""
    ct_val_ccy: Text = ""
    ct_type: Text = ""
    tick_sz: Text = ""
    lot_sz: Text = ""
    min_sz: Text = ""
    max_lmt_sz: Text = ""
    max_mkt_sz: Text = ""
    inst_id_code: int | str | None = None
    state: Text = ""


class TickerRow(msgspec.Struct, rename="camel"):
    """One row of `market/ticker` or a push of `tickers`."""

    inst_id: str
    ts: str
    last: Text = ""
    bid_px: Text = ""
    ask_px: Text = ""


CandleRow: TypeAlias = list[str]
"""ts, open, high, low, close, vol, volCcy, volCcyQuote, confirm."""


class TradeRow(msgspec.Struct, rename="camel"):
    """A push of `trades`: one taker's matches at one price, `trade_id` being the last of `count`."""

    inst_id: str
    trade_id: str
    px: str
    sz: str
    side: str
    ts: str
    count: Text = ""


class BillRow(msgspec.Struct, rename="camel"):
    """One entry of `account/bills`: `bal_chg` moved the balance, `pos_bal_chg` the margin of an isolated position."""

    bill_id: str
    ts: str
    ccy: str
    type: str
    inst_id: Text = ""
    bal_chg: Text = ""
    pos_bal_chg: Text = ""
    sz: Text = ""


class FundingRow(msgspec.Struct, rename="camel"):
    """One row of `public/funding-rate`: `funding_time` is when `funding_rate` will be paid."""

    inst_id: str
    funding_rate: str
    funding_time: str
    next_funding_time: Text = ""
    sett_funding_rate: Text = ""
    ts: Text = ""


class MarkPriceRow(msgspec.Struct, rename="camel"):
    """A push of `mark-price`."""

    inst_id: str
    mark_px: str
    ts: str


class BookTopRow(msgspec.Struct):
    """A push of `bbo-tbt`, with at most one level a side, or a row of `market/books`: levels are [price, size, "0", orders].

    What was asked for names the instrument.
    """

    ts: str
    asks: list[list[str]] = []
    bids: list[list[str]] = []


class BalanceDetail(msgspec.Struct, rename="camel"):
    """One currency of `account/balance`."""

    ccy: str
    eq: Text = ""
    cash_bal: Text = ""
    avail_bal: Text = ""
    avail_eq: Text = ""
    frozen_bal: Text = ""


class BalanceRow(msgspec.Struct):
    """`account/balance`; an empty account has no details."""

    details: list[BalanceDetail] = []


class PositionRow(msgspec.Struct, rename="camel"):
    """One row of `account/positions`. `pos` is signed in net mode, `posSide` tells the side otherwise."""

    inst_id: str
    inst_type: Text = ""
    pos_side: Text = ""
    pos: Text = ""
    avg_px: Text = ""
    upl: Text = ""
    lever: Text = ""


class OrderRow(msgspec.Struct, rename="camel"):
    """An order: a push of `orders`, or a REST row.

    The `fill*` fields and `tradeId` tell of this update in a push, of the last fill in a REST row.
    """

    inst_id: str
    ord_id: str
    side: str
    state: str
    sz: Text = ""
    c_time: Text = ""
    u_time: Text = ""
    inst_type: Text = ""
    cl_ord_id: Text = ""
    ord_type: Text = ""
    tgt_ccy: Text = ""
    px: Text = ""
    acc_fill_sz: Text = ""
    avg_px: Text = ""
    fee: Text = ""
    fee_ccy: Text = ""
    trade_id: Text = ""
    fill_px: Text = ""
    fill_sz: Text = ""
    fill_time: Text = ""
    fill_fee: Text = ""
    fill_fee_ccy: Text = ""
    exec_type: Text = ""
    req_id: Text = ""
    amend_result: Text = ""
    cancel_source: Text = ""
    cancel_source_reason: Text = ""
    pos_side: Text = ""
    algo_cl_ord_id: Text = ""


class FillRow(msgspec.Struct, rename="camel"):
    """One row of `trade/fills` or `trade/fills-history`. `ts` is when the record was made, `fillTime` when it happened."""

    inst_id: str
    ord_id: str
    side: str
    fill_px: str
    fill_sz: str
    trade_id: Text = ""
    cl_ord_id: Text = ""
    bill_id: Text = ""
    exec_type: Text = ""
    fee: Text = ""
    fee_ccy: Text = ""
    fill_time: Text = ""
    ts: Text = ""


class Argument(msgspec.Struct, rename="camel"):
    """A channel as a push or an acknowledgement names it. Private pushes add fields, so it is never compared whole."""

    channel: Text = ""
    inst_id: Text = ""
    inst_type: Text = ""


class Frame(msgspec.Struct, rename="camel"):
    """Any WebSocket frame: a push has `arg` and `data`, everything else an `event`.

    Pushes of `account` and `positions` say by `eventType` whether they are a snapshot, which may come in pages.
    """

    event: Text = None
    arg: Argument | None = None
    data: list[msgspec.Raw] | None = None
    id: str | int | None = None
    code: Code | None = None
    msg: Text = None
    channel: Text = None
    conn_count: Text = None
    event_type: Text = None
    cur_page: int | str | None = None
    last_page: bool | str | None = None
