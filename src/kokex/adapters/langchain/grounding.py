"""Checks the numbers that a model gives as reason for an order, before the order goes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kokex.domain.decision import ToolCall
from kokex.domain.figures import FIGURES_NOT_IN_RECORD, evidence, not_found, of_order


class Grounding:
    """What a turn's reasons may quote. An order is refused once, so that the model can correct itself; then its reason is flagged."""

    def __init__(self) -> None:
        self.context: Mapping[str, Any] = {}
        """What the model was given at the start."""
        self._refused: set[str] = set()

    def refusal(self, order: Mapping[str, Any], calls: Sequence[ToolCall]) -> dict[str, Any] | None:
        """The refusal of an order whose reason quotes what was not read; None where it may go out."""
        reason = order.get("reason")
        name = str({word: str(value) for word, value in order.items() if word != "reason"})
        if reason is None or name in self._refused:
            return None
        missing = not_found(reason, [*evidence(self.context, calls), *of_order(order)])
        if not missing:
            return None
        self._refused.add(name)
        error = (
            f"nothing was sent: your reason quotes {', '.join(missing[:10])}, which no tool has told in this turn; "
            "read the figures, or correct the reason, and ask again"
        )
        return {"error": error, "code": FIGURES_NOT_IN_RECORD}
