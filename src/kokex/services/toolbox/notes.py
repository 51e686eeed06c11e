"""What an agent keeps for later turns of its plan: prices that it wants to be woken at, and notes. Neither trades nor moves a limit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kokex.domain.errors import StateError
from kokex.domain.notice import MOST_NOTES, AlertDirection, PlanNote, PriceAlert
from kokex.domain.plan import TriggerKind
from kokex.ports.toolbox import ToolResult
from kokex.services.toolbox.desk import Room
from kokex.services.toolbox.facts import decimal_text, refusal, time_text


class NoteTools(Room):
    """Price alerts and notes."""

    async def set_price_alert(self, price: Decimal, direction: AlertDirection, note: str = "") -> ToolResult:
        """Have the agent woken once when the last price is at `price` or beyond."""
        desk, plan = self._desk, self._desk.plan
        if TriggerKind.PRICE_ALERT not in plan.agent.triggers:
            return refusal(
                "not_woken_by_alerts", "price alerts do not wake this plan's agent; nothing was set"
            )
        ticker = desk.fresh_ticker()
        if ticker is not None and direction.reached(ticker.last, price):
            return refusal(
                "already_reached",
                f"the last price {ticker.last} is {direction.value} {price} already; nothing was set",
            )
        try:
            alert = await desk.alerts.set(plan.id, desk.turn_id, price, direction, note.strip())
        except StateError as error:
            return refusal("too_many_alerts", f"{error}; nothing was set")
        waiting = await desk.store.alerts.active([plan.id])
        return _alert(alert) | {
            "last_price": decimal_text(None if ticker is None else ticker.last),
            "unit": desk.ledger.book.instrument.quote_currency,
            "waiting": [_alert(one) for one in waiting],
        }

    async def remember(self, text: str) -> ToolResult:
        """Keep a note for later turns of the plan."""
        desk = self._desk
        if not text.strip():
            return refusal("empty", "the note is empty; nothing was kept")
        note = await desk.store.notes.add(desk.plan.id, desk.turn_id, text.strip(), desk.clock.now())
        kept = await desk.store.notes.count(desk.plan.id)
        return _note(note) | {"notes_kept": kept, "most_notes": MOST_NOTES}

    async def recall(self, query: str | None = None, limit: int = 10) -> ToolResult:
        """The plan's notes, newest first; with `query` those that have all of its words."""
        desk = self._desk
        found = await desk.store.notes.find(desk.plan.id, (query or "").split(), limit=limit)
        kept = await desk.store.notes.count(desk.plan.id)
        return {"notes": [_note(one) for one in found], "notes_kept": kept}


def _alert(alert: PriceAlert) -> dict[str, Any]:
    return {
        "alert": alert.id,
        "price": f"{alert.price:f}",
        "direction": alert.direction.value,
        "note": alert.note,
        "set_at": time_text(alert.made_at),
    }


def _note(note: PlanNote) -> dict[str, Any]:
    return {"made_at": time_text(note.made_at), "decision": note.turn_id, "text": note.text}
