"""Plans of faults: plain values and back, errors that name what is wrong, and strikes that repeat."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.errors import ConfigurationError
from kokex.paper.faults import (
    KINDS,
    Fault,
    FaultPlan,
    FaultPlanError,
    FaultRecord,
    Faults,
    Occasion,
    read_plan,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = Occasion(path="private", channel="orders", inst_id="ETH-USDT", account="7")


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """Any fault that makes sense."""
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    where = {name: draw(st.sampled_from(["", "x*", "ETH-USDT"])) for name in kind.site.where}
    after = draw(st.none() | st.datetimes(timezones=st.just(UTC)))
    return Fault(
        kind=kind.name,
        **where,
        probability=draw(st.floats(0.001, 1.0)),
        nth=draw(st.integers(1, 9)),
        count=draw(st.none() | st.integers(1, 9)),
        after=after,
        seconds=draw(st.none() | st.floats(0.01, 99.0)) if kind.takes_seconds else None,
        code=draw(st.sampled_from(["", *kind.codes])),
    )


@given(st.builds(FaultPlan, st.lists(faults(), max_size=4).map(tuple), st.integers()))
def test_a_plan_survives_json(plan: FaultPlan) -> None:
    """to_mapping and from_mapping are each other's inverse, through JSON too."""
    assert FaultPlan.from_mapping(json.loads(json.dumps(plan.to_mapping()))) == plan


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "earthquake"}, ["kind 'earthquake'", "drop_frame", "slow_rest"]),
        ({}, ["kind is missing", "drop_frame"]),
        ({"kind": "drop_frame", "chanel": "orders"}, ["'chanel'", "channel", "probability"]),
        ({"kind": "drop_frame", "probability": 1.5}, ["probability 1.5", "at most 1"]),
        ({"kind": "drop_frame", "probability": "often"}, ["probability 'often'", "number"]),
        ({"kind": "drop_frame", "nth": 0}, ["nth 0", "1 or more"]),
        ({"kind": "drop_frame", "nth": 1.5}, ["nth 1.5", "whole number"]),
        ({"kind": "drop_frame", "count": -1}, ["count -1", "1 or more"]),
        ({"kind": "drop_frame", "seconds": 2}, ["seconds 2", "drop_frame", "delay_frame"]),
        ({"kind": "delay_frame", "seconds": 0}, ["seconds 0", "above 0"]),
        ({"kind": "slow_rest", "channel": "orders"}, ["channel 'orders'", "slow_rest", "path"]),
        ({"kind": "drop_frame", "after": "noon"}, ["after 'noon'", "2026-01-01T00:00:00Z"]),
        ({"kind": "drop_frame", "after": "2026-01-01T00:00:00"}, ["time zone"]),
        (
            {"kind": "drop_frame", "after": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
            ["2026-01-01T00:00:00Z", "later than"],
        ),
        ({"kind": "timeout_live", "code": "50011"}, ["code '50011'", "50004", "51149"]),
        ({"kind": "drop_frame", "code": "50011"}, ["code '50011'", "drop_frame tells none"]),
        ({"kind": 3}, ["kind 3", "text"]),
    ],
)
def test_a_bad_fault_is_named(fields: dict[str, Any], words: list[str]) -> None:
    """The field, its value, and what is possible."""
    with pytest.raises(FaultPlanError) as caught:
        Fault.from_mapping(fields)
    for word in words:
        assert word in str(caught.value)


TOML = """# a bad day
seed = 11

[[faults]]
kind = "drop_frame"
channel = "orders"

[[faults]]
kind = "delay_frame"
after = 2026-01-01T06:00:00Z
probability = {probability}
"""


def test_a_toml_file_is_read(tmp_path: Path) -> None:
    """Times as TOML has them."""
    (tmp_path / "day.toml").write_text(TOML.format(probability=0.5))
    assert read_plan(tmp_path / "day.toml") == FaultPlan(
        (
            Fault(kind="drop_frame", channel="orders"),
            Fault(kind="delay_frame", after=START + timedelta(hours=6), probability=0.5),
        ),
        seed=11,
    )


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("day.toml", TOML.format(probability=7), ["day.toml line 11: fault 2", "probability 7"]),
        ("day.toml", "[[faults]]\nseconds = 1\n", ["line 1: fault 1", "kind is missing"]),
        ("day.toml", 'seeds = 3\n[[faults]]\nkind = "stall"\n', ["line 1", "'seeds'"]),
        ("day.toml", "[[faults]\n", ["day.toml is not TOML", "line 1"]),
        (
            "day.json",
            '{"faults": [\n {"kind": "stall"},\n {"kind": "stal"}\n]}',
            ["line 3: fault 2", "'stal'"],
        ),
        (
            "day.json",
            '{"faults": [\n {"kind": "stall"},\n {"path": "private",\n  "kind": "stall",\n  "nth": 0}\n]}',
            ["line 5: fault 2", "nth 0"],
        ),
        ("day.json", '{"faults": 3}', ["faults 3", "list"]),
        ("day.json", "[]", ["object"]),
        ("day.json", "{", ["not JSON", "line 1"]),
    ],
)
def test_a_bad_file_names_the_line(tmp_path: Path, name: str, text: str, words: list[str]) -> None:
    """And the fault, the field, the value."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_plan(tmp_path / name)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(ConfigurationError, match=r"none\.toml"):
        read_plan(tmp_path / "none.toml")


def struck(plan: FaultPlan, kind: str, occasions: int = 200) -> list[int]:
    """Numbers of the occasions that a kind struck."""
    injector = Faults(plan)
    return [number for number in range(1, occasions + 1) if injector.strike(kind, ORDERS)]


def test_the_same_seed_strikes_the_same_occasions() -> None:
    """And another seed others, about as many as it should."""
    fault = Fault(kind="drop_frame", probability=0.3)
    first = struck(FaultPlan((fault,), seed=1), "drop_frame")
    assert first == struck(FaultPlan((fault,), seed=1), "drop_frame")
    assert first != struck(FaultPlan((fault,), seed=2), "drop_frame")
    assert 40 <= len(first) <= 80


def test_leaving_one_fault_out_does_not_shift_the_others() -> None:
    """Nor does lowering a probability: what still strikes struck before."""
    drop, slow = Fault(kind="drop_frame", probability=0.3), Fault(kind="slow_rest", probability=0.5)
    both = FaultPlan((slow, drop), seed=3)
    assert struck(both, "drop_frame") == struck(FaultPlan((drop,), seed=3), "drop_frame")
    rarer = struck(FaultPlan((Fault(kind="drop_frame", probability=0.1),), seed=3), "drop_frame")
    assert set(rarer) < set(struck(both, "drop_frame"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [1]),
        ({"count": 3}, [1, 2, 3]),
        ({"nth": 4}, [4]),
        ({"nth": 4, "count": 2}, [4, 5]),
        ({"probability": 1.0, "until": START + timedelta(hours=1)}, list(range(1, 11))),
        ({"channel": "ord*"}, [1]),
        ({"channel": "account"}, []),
        ({"path": "private", "inst_id": "ETH-USDT", "account": "7"}, [1]),
        ({"account": "key-7"}, [1]),
        ({"account": "8"}, []),
        ({"inst_id": "BTC-USDT"}, []),
    ],
)
def test_when_and_where(fields: dict[str, Any], expected: list[int]) -> None:
    """How often, from which occasion on, until when, and for whom."""
    injector = Faults(
        FaultPlan((Fault(kind="drop_frame", **fields),)),
        market_ms=lambda: int(START.timestamp() * 1000),
        api_key_of=lambda uid: f"key-{uid}",
    )
    assert [number for number in range(1, 11) if injector.strike("drop_frame", ORDERS)] == expected


@pytest.mark.parametrize(
    ("path", "hits"),
    [
        ("trade/order", True),
        ("POST trade/order", True),
        ("GET trade/order", False),
        ("trade/*", True),
        ("*", True),
        ("ws order", False),
    ],
)
def test_paths(path: str, hits: bool) -> None:
    """With or without the method, and with `*`."""
    injector = Faults(FaultPlan((Fault(kind="slow_rest", path=path),)))
    assert bool(injector.strike("slow_rest", Occasion(path="POST trade/order"))) is hits


def test_a_window_of_market_time() -> None:
    """From `after` inclusive to `until` exclusive; occasions outside are not counted."""
    now = START
    window = Fault(kind="drop_frame", after=START + timedelta(minutes=2), until=START + timedelta(minutes=4))
    injector = Faults(FaultPlan((window,)), market_ms=lambda: int(now.timestamp() * 1000))
    hits = []
    for minute in range(6):
        now = START + timedelta(minutes=minute)
        if injector.strike("drop_frame", ORDERS):
            hits.append(minute)
    assert hits == [2, 3]
    assert [strike.occasion for strike in injector.strikes()] == [1, 2]


def test_without_numbers_a_fault_strikes_once_and_with_chances_for_ever() -> None:
    """The default of `count`."""
    assert Fault(kind="stall").most_strikes == 1
    assert Fault(kind="stall", probability=0.5).most_strikes == math.inf
    assert Fault(kind="stall", probability=0.5, count=2).most_strikes == 2
    assert Fault(kind="stall").lasts == math.inf


def test_what_struck_is_recorded_in_memory_and_in_the_file(tmp_path: Path) -> None:
    """Armed with its seed and fields, struck with time, kind, place; a plan can be made from the file again."""
    path = tmp_path / "record.jsonl"
    record = FaultRecord(path)
    plan = FaultPlan((Fault(kind="drop_frame", channel="orders", nth=2),), seed=5)
    injector = Faults(plan, market_ms=lambda: 1234, record=record)
    injector.strike("drop_frame", ORDERS)
    injector.strike("drop_frame", ORDERS)
    injector.clear()
    record.close()
    [strike] = injector.strikes("drop_frame")
    assert (strike.number, strike.fault, strike.occasion, strike.market_ms) == (1, 1, 2, 1234)
    assert (strike.path, strike.channel, strike.inst_id, strike.account) == (
        "private",
        "orders",
        "ETH-USDT",
        "7",
    )
    armed, hit, cleared = [json.loads(line) for line in path.read_text().splitlines()]
    assert hit == {"struck": 1, **strike.to_mapping()}
    assert cleared["cleared"] is True
    fields = {name: value for name, value in armed.items() if name not in ("armed", "seed", "at")}
    assert FaultPlan((Fault.from_mapping(fields),), armed["seed"]) == plan


def test_a_record_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(ConfigurationError, match="record"):
        FaultRecord(tmp_path)


def test_nothing_strikes_that_is_not_armed() -> None:
    """Whatever the kind."""
    injector = Faults()
    assert injector.idle
    assert not any(injector.strike(kind, ORDERS) for kind in KINDS)
    injector.arm("stall")
    assert not injector.strike("drop_frame", ORDERS)
    assert injector.strike("stall", ORDERS)
    assert injector.idle
