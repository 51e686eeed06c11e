"""Every fault with the day on which it strikes, and what becomes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kokex.paper.faults import Fault
from tests.integration.faults.day import SPOT, SWAP, Day
from tests.integration.faults.deeds import (
    amend_by_hand,
    answers_to_the_last,
    cancel_while_away,
    miss_candles,
    miss_candles_in_a_loss,
    offer_only,
    trade,
    trade_contracts,
    trade_contracts_over_a_new_connection,
    trade_over_a_new_connection,
    watch_candles,
)

Deed = Callable[[Day], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """One row of the table.

    Attributes:
        engine: what the engine does about it, for the table.
        faults: armed once the plan is at work, or `before` its engine starts.
        deed: what is done meanwhile.
        short: what falls short, where the records do not agree at the end; empty where they do.
    """

    name: str
    faults: tuple[Fault, ...]
    engine: str
    deed: Deed = trade
    before: bool = False
    short: str = ""

    @property
    def inst_id(self) -> str:
        """What is traded."""
        return SWAP if self.deed in (trade_contracts, trade_contracts_over_a_new_connection) else SPOT

    @property
    def kind(self) -> str:
        """The kind of fault that it is about."""
        return self.faults[0].kind

    @property
    def outcome(self) -> str:
        """As the table has it."""
        return f"falls short: {self.short}" if self.short else "records agree"


def _one(
    kind: str,
    engine: str,
    deed: Deed = trade,
    *,
    name: str = "",
    short: str = "",
    before: bool = False,
    **fields: object,
) -> Scenario:
    fault = Fault.from_mapping({"kind": kind, **fields})
    return Scenario(name or kind, (fault,), engine, deed, before, short)


SCENARIOS: Sequence[Scenario] = (
    _one(
        "drop_frame",
        "reads what was lost over REST at its next look (every five minutes)",
        channel="orders",
        nth=2,
    ),
    _one(
        "drop_frame",
        "journals the first news before the one that it heard",
        name="drop_frame, of an order's first news",
        channel="orders",
        nth=1,
    ),
    _one("delay_frame", "waits", channel="orders", count=3, seconds=0.2),
    _one("duplicate_frame", "keeps each event once, by its key", channel="orders", count=8),
    _one(
        "reorder_frame",
        "journals an order's first news first, and each event once; nothing that has ended comes back to life",
        channel="orders",
    ),
    _one(
        "truncate_frame",
        "keeps the broken frame for a person, reads what it said over REST",
        channel="orders",
        nth=2,
    ),
    _one("malformed_frame", "keeps it for a person and reads on", channel="orders", count=3),
    _one("stall", "notices the silence, connects anew, reconciles", channel="orders", nth=2),
    _one(
        "stall_with_pongs",
        "reads what was lost over REST at its next look, although the socket seems alive",
        channel="orders",
        nth=2,
    ),
    _one("cut_socket", "connects anew, reconciles", channel="orders", nth=2, count=2),
    _one(
        "cut_socket",
        "connects anew, reads the candles that it missed",
        miss_candles,
        name="cut_socket, of the market",
        channel="candle*",
    ),
    _one("close_socket", "connects anew, reconciles", channel="orders", nth=2, count=2),
    _one(
        "restart_notice",
        "connects anew before the old connection goes, reconciles",
        channel="orders",
        nth=2,
        seconds=0.3,
    ),
    _one("duplicate_push", "keeps each event once, whatever its time", count=8),
    _one(
        "fill_without_trade_id",
        "takes the size from the order's total; the execution from REST does not count again",
        count=2,
    ),
    _one(
        "candle_gap",
        "sees the hole in what is kept and reads it over REST",
        watch_candles,
        channel="candle1H",
        nth=2,
    ),
    _one("late_confirm", "waits for the confirmed candle", watch_candles, seconds=0.2, count=2),
    _one("refuse_login", "tries again", name="refuse_login, once", before=True, code="60009"),
    _one(
        "refuse_login",
        "tries again, after a while each time",
        trade_over_a_new_connection,
        name="refuse_login, for a while",
        count=4,
        code="63999",
    ),
    _one("channel_full", "asks for the channel again", before=True, channel="orders", count=2),
    _one("too_many_requests", "waits and sends again", path="*order", count=3),
    _one(
        "too_many_requests",
        "waits and reads again",
        trade_over_a_new_connection,
        name="too_many_requests, while reconciling",
        path="GET *",
        count=4,
    ),
    _one("server_error", "asks after the order by its name", path="POST trade/order", count=2),
    _one(
        "server_error",
        "reads again",
        trade_over_a_new_connection,
        name="server_error, while reconciling",
        path="GET *",
        count=4,
        code="50001",
    ),
    _one("bad_gateway", "asks after the order by its name", path="POST trade/order", count=2),
    _one(
        "bad_gateway_live", "asks after the order by its name and finds it", path="POST trade/order", count=2
    ),
    _one("slow_rest", "waits", path="trade/order", count=3, seconds=0.2),
    _one(
        "slow_rest",
        "asks after the order by its name and finds it",
        name="slow_rest, beyond patience",
        path="POST trade/order",
        seconds=1.5,
    ),
    _one(
        "stale_market",
        "does not take an old price for the present",
        miss_candles_in_a_loss,
        path="market/ticker",
        count=2,
    ),
    _one(
        "stale_market",
        "reads again until the newest closed candle is there",
        miss_candles_in_a_loss,
        name="stale_market, candles",
        path="market/*candles",
        count=2,
    ),
    _one(
        "stale_orders",
        "takes the newest of what stream and REST say",
        answers_to_the_last,
        count=3,
        path="trade/orders-*",
    ),
    _one(
        "stale_orders",
        "takes the newest of what stream and REST say",
        answers_to_the_last,
        name="stale_orders, single orders and fills",
        count=3,
        path="trade/[of][ri]*",
    ),
    _one("forgotten_cancel", "does not take absence for an answer", answers_to_the_last, count=4),
    _one(
        "forgotten_cancel",
        "keeps the order until the exchange tells its end, at a later look",
        cancel_while_away,
        name="forgotten_cancel, while away",
        count=1000,
    ),
    _one(
        "clock_skew",
        "learns the exchange's time anew",
        trade_over_a_new_connection,
        probability=1.0,
        count=100_000,
        seconds=45.0,
    ),
    _one(
        "clock_skew",
        "learns the exchange's time anew, there and back",
        name="clock_skew, for a moment",
        count=6,
        seconds=-45.0,
    ),
    _one(
        "cut_before_order",
        "asks after the order by its name; past its deadline it never was",
        path="*order",
        count=2,
    ),
    _one("cut_before_ack", "asks after the order by its name and finds it", path="*order", count=3),
    _one("timeout_live", "asks after the order by its name and finds it", path="POST trade/order", count=2),
    _one(
        "timeout_live",
        "asks after the order by its name and finds it",
        name="timeout_live, 51149",
        path="POST trade/order",
        count=2,
        code="51149",
    ),
    _one("push_first", "takes either order of answer and push", count=8),
    _one(
        "drop_frame",
        "reads what was lost over REST at its next look",
        trade_contracts,
        name="drop_frame, on a perpetual",
        channel="orders",
        nth=2,
    ),
    _one(
        "drop_frame",
        "reads positions and balances over REST at its next look",
        trade_contracts,
        name="drop_frame, of positions and balances",
        path="private",
        channel="[bp]*",
        count=9,
    ),
    _one(
        "cut_before_ack",
        "asks after the order by its name and finds it",
        trade_contracts,
        name="cut_before_ack, on a perpetual",
        path="*order",
        count=3,
    ),
    _one(
        "stale_orders",
        "takes the newest of what stream and REST say",
        trade_contracts_over_a_new_connection,
        name="stale_orders, on a perpetual",
        count=3,
    ),
    _one("amend_fails_later", "journals the failure; the order stays as it was", amend_by_hand),
    _one("post_only_canceled", "journals the cancel without a live before it", offer_only),
)
