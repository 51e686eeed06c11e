"""What `kokex streams` makes of a row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kokex.cli.streams import remarks, state
from kokex.ports.store import SubscriptionStatus
from tests.builders import START

ROW = SubscriptionStatus(
    plan_id=1,
    connection_key="okx:live:1",
    inst_id="ETH-USDT",
    active=True,
    connected_since=START,
    last_event_at=START,
    events=7,
    reconnects=0,
    reconciled_at=START,
    updated_at=START,
)
SOON = START + timedelta(seconds=11)
LATER = START + timedelta(minutes=2)


@pytest.mark.parametrize(
    ("row", "now", "word"),
    [
        (ROW, SOON, "connected"),
        (replace(ROW, connected_since=None), SOON, "connecting"),
        (replace(ROW, stopped="keys", connected_since=None), SOON, "stopped"),
        (replace(ROW, active=False), LATER, "ended"),
        (ROW, LATER, "unknown"),
        (replace(ROW, updated_at=None), SOON, "unknown"),
    ],
)
def test_one_word_for_it(row: SubscriptionStatus, now: object, word: str) -> None:
    """A row that nobody keeps up to date says nothing of now."""
    assert state(row, now) == word  # type: ignore[arg-type]


def test_an_engine_that_is_down_is_said_once() -> None:
    """With the time that the states are of."""
    (line,) = remarks([ROW, replace(ROW, plan_id=2)], LATER)
    assert line.startswith("No engine keeps 2 of these up to date: what they show is as of ")
    assert remarks([ROW], SOON) == []


def test_what_is_refused_and_stopped_is_told_with_its_reason() -> None:
    """Once a connection, however many plans share it; not of one that ended."""
    row = replace(
        ROW, refused={"fills": "64003: fee tier"}, stopped="the API key is unknown", connected_since=None
    )
    lost = replace(ROW, plan_id=4, inst_id="OLD-USDT", stopped="not listed any more")
    lines = remarks([row, replace(row, plan_id=2), replace(row, plan_id=3, active=False), lost], SOON)
    assert lines == [
        "okx:live:1 is stopped: the API key is unknown",
        "okx:live:1 is not given fills: 64003: fee tier",
        "okx:live:1 is stopped for OLD-USDT: not listed any more",
    ]
