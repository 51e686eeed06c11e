"""Given lock-step and the same commands, the same run to the byte."""

from __future__ import annotations

import random

from kokex.paper import PaperExchange
from tests.unit.paper.trading import SPOT, SWAP, Trader, paper_config


def run(seed: int, *, step_ms: int = 600_000) -> list[bytes]:
    """An hour-long session of a scripted trader; everything that was pushed."""
    one = Trader(PaperExchange(paper_config(seed=seed)))
    chooser = random.Random(99)
    for _ in range(60):
        inst_id = chooser.choice([SPOT, SWAP])
        side = chooser.choice(["buy", "sell"])
        price = one.price(one.best_bid(inst_id) + chooser.randint(-30, 30), inst_id)
        one.place(instId=inst_id, side=side, sz=str(chooser.choice(["0.5", "2", "7"])), px=price)
        one.exchange.advance(one.exchange.now_ms + step_ms)
    return [event.payload for event in one.exchange.records.events[one.account.uid]]


def test_the_same_seed_and_commands_are_the_same_run() -> None:
    """Ids, times, prices and all."""
    first = run(5)
    assert len(first) > 80
    assert run(5) == first
    assert run(6) != first


def test_ids_are_counters_of_nineteen_digits() -> None:
    """ordId is a decimal string of 19 digits that counts up."""
    one = Trader(PaperExchange(paper_config()))
    orders = [one.placed(sz="0.1", px=one.price(one.best_bid() - 100)) for _ in range(3)]
    ids = [one.pushes(order)[0]["ordId"] for order in orders]
    assert [int(number) - int(ids[0]) for number in ids] == [0, 1, 2]
    assert all(len(number) == 19 for number in ids)


def test_the_size_of_the_steps_does_not_matter() -> None:
    """Ten minutes at once or tick by tick: the market does the same."""
    one, two = PaperExchange(paper_config()), PaperExchange(paper_config())
    end = one.now_ms + 3 * 3_600_000
    one.advance(end)
    while not two.advance(end, most_ticks=1):
        pass
    assert one.now_ms == two.now_ms == end
    assert one.marks == two.marks
    assert [trade.trade_id for trade in one.trades[SPOT]] == [trade.trade_id for trade in two.trades[SPOT]]


def test_a_slow_machine_lags_and_never_skips() -> None:
    """Stopping after some ticks leaves market time at the last of them."""
    exchange = PaperExchange(paper_config())
    target = exchange.now_ms + 3_600_000
    assert not exchange.advance(target, most_ticks=5)
    assert exchange.now_ms < target
    assert exchange.feed.next_at_ms > exchange.now_ms
