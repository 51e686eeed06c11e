"""Large orders, worked by the engine with smaller ones: each of them passes the risk gate."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from kokex.domain.instrument import Side
from kokex.domain.parent_order import MOST_CHILDREN, Style
from kokex.ports.toolbox import ToolResult
from kokex.services.executing import LONGEST, ParentWish
from kokex.services.toolbox.desk import Room
from kokex.services.toolbox.facts import parent_facts, refusal

_SHORTEST: Final = 1
"""Second of a parent order's time."""


class WorkingTools(Room):
    """Parent orders. They share the numbers of the turn's commands."""

    step: int

    async def work_order(
        self,
        side: Side,
        quantity: Decimal,
        style: Style,
        minutes: Decimal,
        limit_price: Decimal | None = None,
        slices: int | None = None,
        visible: Decimal | None = None,
    ) -> ToolResult:
        """Ask for a parent order. Begun is not done: order events tell of its child orders."""
        desk = self._desk
        if not _SHORTEST <= minutes * 60 <= LONGEST.total_seconds():
            longest = LONGEST.total_seconds() / 60
            return refusal(
                "invalid_parent_order",
                f"{minutes:f} minutes are not between one second and {longest:g} minutes",
            )
        wish = ParentWish(
            side,
            quantity,
            style,
            timedelta(seconds=float(minutes * 60)),
            limit_price,
            slices if style is Style.TWAP else None,
            visible if style is Style.ICEBERG else None,
        )
        fault = self._fault(wish)
        if fault is not None:
            return refusal("invalid_parent_order", fault)
        step, self.step = self.step, self.step + 1
        answer = await desk.executing.begin(desk.session, desk.plan, step, wish, desk.budget)
        if answer.record is None:
            return refusal(answer.code or "", answer.reason or "")
        return parent_facts(answer.record, desk.executing.held_up(answer.record.number))

    async def stop_working(self, number: int) -> ToolResult:
        """End a parent order; what its child orders filled stands."""
        desk = self._desk
        if await desk.executing.stop(desk.plan, desk.session, number):
            return {"number": number, "status": "stopped"}
        return refusal("not_found", f"this plan works no parent order {number}")

    def _fault(self, wish: ParentWish) -> str | None:
        """What cannot be worked about a wish, as a sentence; None where nothing."""
        instrument = self._desk.ledger.book.instrument
        fault = instrument.quantity_fault(wish.quantity)
        if fault is None and wish.limit_price is not None:
            fault = instrument.price_fault(wish.limit_price)
        if fault is not None:
            return fault
        if wish.style is Style.TWAP:
            return self._fault_of_slices(wish.slices, wish.quantity)
        if wish.style is Style.ICEBERG:
            return self._fault_of_iceberg(wish)
        return None

    def _fault_of_slices(self, slices: int | None, quantity: Decimal) -> str | None:
        least = self._desk.ledger.book.instrument.min_quantity
        if slices is None:
            return "a twap needs slices: into how many orders it is cut"
        if quantity / slices < least:
            return f"{quantity} in {slices} slices is less than the smallest order, {least}, each"
        return None

    def _fault_of_iceberg(self, wish: ParentWish) -> str | None:
        instrument = self._desk.ledger.book.instrument
        if wish.limit_price is None or wish.visible is None:
            return "an iceberg needs limit_price, and visible: how much of it rests at a time"
        if wish.quantity / wish.visible > MOST_CHILDREN:
            return f"{wish.visible} at a time makes more than {MOST_CHILDREN} orders"
        return instrument.quantity_fault(wish.visible)
