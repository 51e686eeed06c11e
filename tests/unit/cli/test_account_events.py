"""Account events as a person and as a program read them."""

from __future__ import annotations

import json

import pytest

from kokex.cli.events import account_document, account_event_line
from kokex.cli.output import json_line
from kokex.domain.account_book import AccountBook
from kokex.domain.account_events import AccountEventRecord
from kokex.domain.account_reports import AccountReport, FillReport, StopState
from kokex.domain.events import EventSource
from tests.builders import START, balance_report, fill, margin_warning, position_report, stop_report


def record(report: AccountReport, source: EventSource = EventSource.STREAM) -> AccountEventRecord:
    event = AccountBook(complete=True).apply(report)
    assert event is not None
    return AccountEventRecord(7, 1, event, source, START)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (position_report(3, cause="filled"), "position_opened  ETH-USDT-SWAP, 0 to 3 (+3), filled"),
        (balance_report(40, trade_ids=("8", "9")), "balance_changed  USDT, 0 to 40 (+40), trades 8, 9"),
        (
            stop_report(StopState.TRIGGERED, order_ids=("9001",)),
            "stop_triggered  ETH-USDT-SWAP, sell 1 conditional, stop 700, became 9001",
        ),
        (margin_warning(), "margin_warning  ETH-USDT-SWAP, 1 held, margin ratio 1.1"),
        (FillReport(fill(), 1), "fill_reported  ETH-USDT, buy 0.04 at 2000"),
    ],
)
def test_one_line(report: AccountReport, words: str) -> None:
    """What happened, to what, how much and why."""
    assert account_event_line(record(report)) == f"      7  2026-01-01 00:00  {words}"


def test_what_was_found_by_reconciling_says_so() -> None:
    """Nobody was there when it happened."""
    assert account_event_line(record(position_report(1), EventSource.RECONCILE)).endswith(
        "(found by reconciling)"
    )


@pytest.mark.parametrize("report", [position_report(3), balance_report(), stop_report(), margin_warning()])
def test_one_json_object(report: AccountReport) -> None:
    """With everything that the report said, money as text."""
    document = json.loads(json_line(account_document(record(report), "main")))
    assert document["account"] == "main"
    assert document["report"]["occurred_at"] == "2026-01-01T00:00:00.000Z"
    assert "raw" not in document["report"]
