"""The channels of an account besides `orders`: how each is asked for, and how its pushes are read, part by part.

A push is taken apart into the smallest parts that stand for themselves, so that one that cannot be read harms no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import msgspec

from kokex.adapters.okx.parse.balances import parse_balance_report, read_account, read_balance_and_position
from kokex.adapters.okx.parse.orders import parse_fill_push
from kokex.adapters.okx.parse.positions import parse_margin_warning, parse_position_report
from kokex.adapters.okx.parse.scalars import Payload
from kokex.adapters.okx.parse.stops import parse_stop
from kokex.adapters.okx.wire import Frame
from kokex.adapters.okx.wishes import Channel
from kokex.domain.account_reports import AccountReport
from kokex.domain.errors import DataError

ReadPart: TypeAlias = Callable[[Payload], AccountReport | None]
"""Reads one part; None where it tells nothing that concerns KOKEX. Raises `DataError`."""

Part: TypeAlias = tuple[msgspec.Raw, ReadPart]

TakeApart: TypeAlias = Callable[[msgspec.Raw, bool], Iterable[Part]]
"""Takes an item of a push apart; told whether the push is a snapshot. Raises `DataError`."""

_EVENTS_ONLY = '{"updateInterval": "0"}'
_SNAPSHOT = "snapshot"

ORDERS = "orders"
FILLS = "fills"
REPORTS = (
    Channel("positions", inst_type="SWAP", extra=_EVENTS_ONLY),
    Channel("account", extra=_EVENTS_ONLY),
    Channel("balance_and_position"),
    Channel("liquidation-warning", inst_type="SWAP"),
)
"""Positions, balances and margin warnings (private path). Each begins with a snapshot, the warnings excepted."""
STOPS = (Channel("orders-algo", inst_type="ANY"), Channel("algo-advance", inst_type="ANY"))
"""Stops (business path); trailing, iceberg and TWAP orders have a channel of their own."""


def _position_parts(item: msgspec.Raw, snapshot: bool) -> Iterable[Part]:
    return [(item, partial(parse_position_report, snapshot=snapshot))]


def _account_parts(item: msgspec.Raw, snapshot: bool) -> Iterable[Part]:
    account = read_account(item)
    read = partial(parse_balance_report, at=account.u_time or "", snapshot=snapshot)
    return [(detail, read) for detail in account.details]


def _balance_and_position_parts(item: msgspec.Raw, snapshot: bool) -> Iterable[Part]:
    row = read_balance_and_position(item)
    full = row.event_type == _SNAPSHOT
    cause = None if full else row.event_type or None
    trade_ids = tuple(trade.trade_id for trade in row.trades if trade.trade_id)
    balance = partial(
        parse_balance_report, at=row.p_time or "", snapshot=full, cause=cause, trade_ids=trade_ids
    )
    position = partial(parse_position_report, snapshot=full, cause=cause)
    return [(one, balance) for one in row.bal_data] + [(one, position) for one in row.pos_data]


def _one_part(read: ReadPart) -> TakeApart:
    return lambda item, snapshot: [(item, read)]


REPORT_CHANNELS: dict[str, TakeApart] = {
    "positions": _position_parts,
    "account": _account_parts,
    "balance_and_position": _balance_and_position_parts,
    "liquidation-warning": _one_part(parse_margin_warning),
    "orders-algo": _one_part(parse_stop),
    "algo-advance": _one_part(parse_stop),
    FILLS: _one_part(parse_fill_push),
}
"""How the pushes of each channel are read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a push of `channel` said, and the parts of it that could not be read, each with the reason."""

    channel: str
    reports: list[AccountReport]
    flaws: list[tuple[msgspec.Raw, str]]


def read_push(frame: Frame) -> Reading:
    """Read a push of one of `REPORT_CHANNELS`."""
    assert frame.arg is not None
    name = frame.arg.channel or ""
    reading = Reading(name, [], [])
    take_apart = REPORT_CHANNELS[name]
    for item in frame.data or ():
        try:
            parts = take_apart(item, frame.event_type == _SNAPSHOT)
        except DataError as error:
            reading.flaws.append((item, str(error)))
            continue
        for part, read in parts:
            try:
                report = read(part)
            except DataError as error:
                reading.flaws.append((part, str(error)))
            else:
                if report is not None:
                    reading.reports.append(report)
    return reading
