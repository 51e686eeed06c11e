"""The agent of a simulated plan: does what the scenario wants of it, once each, whatever dies around it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.errors import ExchangeError
from kokex.domain.order import OrderType
from kokex.ports.toolbox import Toolbox
from tests.simulation.scenario import SPOT, Deed, Place

_CENT = Decimal("0.01")
_FOR_NOW = {
    "not_reconciled",
    "reduce_only",
    "account_halted",
    "no_price",
    "stale_candles",
    "stale_forecast",
    "account_elsewhere",
}
_TRIES, _PAUSE_S = 8, 0.4


@dataclass
class Script:
    """What a plan's agent is to do, and the turns that it was run for. Outlives engines.

    Attributes:
        waiting: deeds for turns to come.
        chosen: the deeds of each turn, so that a turn which is run again does the same.
        turns: as they were told, by number; the newest telling of each.
    """

    inst_id: str
    waiting: deque[tuple[Deed, ...]] = field(default_factory=deque)
    chosen: dict[int, tuple[Deed, ...]] = field(default_factory=dict)
    turns: dict[int, Turn] = field(default_factory=dict)

    def deeds(self, turn_id: int) -> tuple[Deed, ...]:
        """What to do in a turn."""
        if turn_id not in self.chosen:
            self.chosen[turn_id] = self.waiting.popleft() if self.waiting else ()
        return self.chosen[turn_id]


class ScriptedAgent:
    """Runs the scripts of all plans."""

    def __init__(self, scripts: dict[int, Script]) -> None:
        self._scripts = scripts

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        script = self._scripts[turn.plan.id]
        script.turns[turn.id] = turn
        for deed in script.deeds(turn.id):
            try:
                await self._do(deed, script.inst_id, toolbox)
            except ExchangeError:
                continue  # no price to be had, say: an agent lives with that
        return Decision(Action.ACT, "as written", model="script")

    async def _do(self, deed: Deed, inst_id: str, toolbox: Toolbox) -> None:
        if isinstance(deed, Place):
            price = None
            if deed.order_type is not OrderType.MARKET:
                last = Decimal(str((await toolbox.get_current_price())["last"]))
                price = (last * (1000 + deed.above) / 1000).quantize(_CENT)
            await self._place(deed, price, inst_id, toolbox)
            return
        orders = (await toolbox.get_pending_orders())["orders"]
        if orders:
            await toolbox.cancel_order(orders[deed.which % len(orders)]["client_order_id"])

    async def _place(self, deed: Place, price: Decimal | None, inst_id: str, toolbox: Toolbox) -> None:
        """Ask again for what is denied only for now."""
        for _ in range(_TRIES):
            answer = await toolbox.place_order(
                deed.side, deed.order_type, quantity(inst_id, deed.size), price
            )
            if answer.get("code") not in _FOR_NOW:
                return
            await asyncio.sleep(_PAUSE_S)


def quantity(inst_id: str, size: int) -> Decimal:
    """Tenths of an ether, in the instrument's unit (one contract of the swap is a tenth)."""
    return Decimal(size) / 10 if inst_id == SPOT else Decimal(size)
