"""Balances: of the `account` channel, of `balance_and_position`, and asked for."""

from __future__ import annotations

import msgspec

from kokex.adapters.okx import wire_reports
from kokex.adapters.okx.parse.scalars import Payload, guarded, known, moment
from kokex.domain.account_reports import BalanceReport

_decoder = msgspec.json.Decoder(wire_reports.BalanceReportRow)
_account_decoder = msgspec.json.Decoder(wire_reports.AccountRow)
_both_decoder = msgspec.json.Decoder(wire_reports.BalanceAndPositionRow)


@guarded
def read_account(payload: Payload) -> wire_reports.AccountRow:
    """The item of an `account` push or the row of `account/balance`; its currencies are read one by one."""
    return _account_decoder.decode(payload)


@guarded
def read_balance_and_position(payload: Payload) -> wire_reports.BalanceAndPositionRow:
    """The item of a `balance_and_position` push; its parts are read one by one."""
    return _both_decoder.decode(payload)


@guarded
def parse_balance_report(
    payload: Payload,
    *,
    at: str = "",
    snapshot: bool = False,
    cause: str | None = None,
    trade_ids: tuple[str, ...] = (),
) -> BalanceReport:
    """One currency. What the exchange leaves blank is unknown, not zero.

    {"ccy":"USDT","eq":"1000.5","cashBal":"1000","availBal":"900","availEq":"900","frozenBal":"100","uTime":"1795000006001"}

    Args:
        at: time of what it was part of (Unix milliseconds), where it has none of its own.
        snapshot: it is part of a full picture, not news.
        cause, trade_ids: why it changed, where that was told beside it.
    """
    row = _decoder.decode(payload)
    return BalanceReport(
        currency=row.ccy,
        total=known(row.cash_bal),
        occurred_at=moment(row.u_time or at),
        available=known(row.avail_bal or row.avail_eq),
        frozen=known(row.frozen_bal),
        equity=known(row.eq),
        cause=cause,
        trade_ids=trade_ids,
        snapshot=snapshot,
        raw=bytes(payload),
    )
