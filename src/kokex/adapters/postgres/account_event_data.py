"""Account events and what is known of accounts, as JSON, and back.

`event_data`: {"before": "1", "received_at": "2026-01-01T00:00:00Z", "report": {the report's fields, decimals as text}, "raw": {the
exchange's own JSON}}. `state`: {"kind": "position", "report": {...}, "raw": {...},
"amounts": ["3"], "inferred": false}.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from kokex.adapters.postgres.text import storable_json, storable_text
from kokex.domain.account_book import Known
from kokex.domain.account_events import AccountEvent, AccountEventKind
from kokex.domain.account_reports import (
    AccountReport,
    BalanceReport,
    FillReport,
    MarginWarning,
    PositionReport,
    StopReport,
)
from kokex.ports.account_journal import AccountEntry

_REPORTS: dict[str, type[AccountReport]] = {
    "position": PositionReport,
    "balance": BalanceReport,
    "stop": StopReport,
    "margin": MarginWarning,
    "fill": FillReport,
}
"""By the first word of the event's kind."""
_NUL = b"\\u0000"
_encode = msgspec.json.Encoder().encode


class _EventData(msgspec.Struct, frozen=True):
    before: str | None
    received_at: datetime
    report: msgspec.Raw
    raw: msgspec.Raw


class _State(msgspec.Struct, frozen=True):
    kind: str
    report: msgspec.Raw
    raw: msgspec.Raw
    amounts: list[str]
    inferred: bool


def encode_event(entry: AccountEntry, *, raw_as_text: bool = False) -> bytes:
    """`event_data` of `entry`."""
    before = None if entry.event.before is None else str(entry.event.before)
    report = entry.event.report
    return _encode(
        _EventData(before, entry.received_at, _report(report), _raw(report.raw, as_text=raw_as_text))
    )


def decode_event(event_type: str, event_key: str, data: dict[str, Any]) -> tuple[AccountEvent, datetime]:
    """The event, and when it was received."""
    kind = AccountEventKind(event_type)
    before = None if data["before"] is None else Decimal(data["before"])
    report = _read(kind.value.partition("_")[0], data["report"], data["raw"])
    return AccountEvent(kind, event_key, report, before), datetime.fromisoformat(data["received_at"])


def encode_known(known: Known, *, raw_as_text: bool = False) -> bytes:
    """`state` of `known`."""
    kind, amounts = known.subject.partition(":")[0], [str(amount) for amount in known.amounts]
    raw = _raw(known.report.raw, as_text=raw_as_text)
    return _encode(_State(kind, _report(known.report), raw, amounts, known.inferred))


def decode_known(state: dict[str, Any]) -> Known:
    """What is known."""
    report = _read(state["kind"], state["report"], state["raw"])
    assert isinstance(report, PositionReport | BalanceReport | StopReport)
    return Known(report, tuple(Decimal(amount) for amount in state["amounts"]), state["inferred"])


def _report(report: AccountReport) -> msgspec.Raw:
    """Its fields, but for the raw bytes, which stand beside it."""
    bare = replace(report, raw=b"")
    try:
        encoded = _encode(bare)
    except UnicodeEncodeError:
        encoded = _encode(storable_json(bare))
    return msgspec.Raw(_encode(storable_json(bare)) if _NUL in encoded else encoded)


def _read(kind: str, fields: dict[str, Any], raw: Any) -> AccountReport:
    told = raw.encode() if isinstance(raw, str) else msgspec.json.encode(raw)
    report: AccountReport = msgspec.convert(fields, _REPORTS[kind])
    return replace(report, raw=told)


def _raw(raw: bytes, *, as_text: bool) -> msgspec.Raw:
    """The exchange's JSON; a text where it is not any that can be kept."""
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        as_text = True
    if as_text or _NUL in raw:
        return msgspec.Raw(_encode(storable_text(raw.decode("utf-8", "replace"))))
    return msgspec.Raw(raw)
