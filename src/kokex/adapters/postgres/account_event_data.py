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


def encode_event(entry: AccountEntry) -> dict[str, Any]:
    """`event_data` of `entry`, as plain values."""
    return {
        "before": None if entry.event.before is None else str(entry.event.before),
        "received_at": entry.received_at.isoformat(),
        "report": _report(entry.event.report),
        "raw": _raw(entry.event.report.raw),
    }


def decode_event(event_type: str, event_key: str, data: dict[str, Any]) -> tuple[AccountEvent, datetime]:
    """The event, and when it was received."""
    kind = AccountEventKind(event_type)
    before = None if data["before"] is None else Decimal(data["before"])
    report = _read(kind.value.partition("_")[0], data["report"], data["raw"])
    return AccountEvent(kind, event_key, report, before), datetime.fromisoformat(data["received_at"])


def encode_known(known: Known) -> dict[str, Any]:
    """`state` of `known`, as plain values."""
    return {
        "kind": known.subject.partition(":")[0],
        "report": _report(known.report),
        "raw": _raw(known.report.raw),
        "amounts": [str(amount) for amount in known.amounts],
        "inferred": known.inferred,
    }


def decode_known(state: dict[str, Any]) -> Known:
    """What is known."""
    report = _read(state["kind"], state["report"], state["raw"])
    assert isinstance(report, PositionReport | BalanceReport | StopReport)
    return Known(report, tuple(Decimal(amount) for amount in state["amounts"]), state["inferred"])


def _report(report: AccountReport) -> dict[str, Any]:
    fields: dict[str, Any] = storable_json(report)
    del fields["raw"]
    return fields


def _read(kind: str, fields: dict[str, Any], raw: Any) -> AccountReport:
    told = raw.encode() if isinstance(raw, str) else msgspec.json.encode(raw)
    report: AccountReport = msgspec.convert(fields, _REPORTS[kind])
    return replace(report, raw=told)


def _raw(raw: bytes) -> Any:
    """The exchange's JSON; a text where it is not any."""
    try:
        return storable_json(msgspec.json.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return storable_text(raw.decode("utf-8", "replace"))
