"""How a plan uses its capital, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from kokex.cli import numbered_changes
from kokex.cli.numbered_changes import Differences, differences
from kokex.cli.output import plain
from kokex.domain.capital import CapitalSettings, SizingMethod
from kokex.ports.permissions import CapitalChange


def capital_document(settings: CapitalSettings) -> dict[str, Any]:
    """As JSON-ready values."""
    return asdict(settings)


def capital_rows(settings: CapitalSettings, quote: str) -> list[tuple[str, str]]:
    """As rows of a table; what its sizing does not look at is left out."""
    return [
        ("sizing", _sizing(settings, quote)),
        ("orders a batch", _batch(settings)),
        (
            "trailing stop",
            "none"
            if settings.trailing_stop is None
            else f"{_percent(settings.trailing_stop)} from the best price since entry",
        ),
    ]


def change_documents(changes: Sequence[CapitalChange]) -> list[dict[str, Any]]:
    """As JSON-ready values, oldest first."""
    return [numbered_changes.change_document(change, _differences(change)) for change in changes]


def change_rows(changes: Sequence[CapitalChange]) -> list[tuple[str, ...]]:
    """As rows of a table, oldest first."""
    return [row for change in changes for row in numbered_changes.change_rows(change, _differences(change))]


def _differences(change: CapitalChange) -> Differences:
    return differences(asdict(change.before), asdict(change.after))


def _sizing(settings: CapitalSettings, quote: str) -> str:
    match settings.sizing:
        case SizingMethod.FIXED:
            return f"fixed: {plain(settings.fixed_notional or Decimal(0))} {quote}"
        case SizingMethod.VOLATILITY_TARGET:
            return f"volatility_target: {_percent(settings.target_volatility)} a year"
        case SizingMethod.KELLY:
            allowed = (
                f"at most {_percent(settings.unproven_share)} of the capital"
                if settings.unproven_share
                else "nothing"
            )
            return (
                f"kelly: {_percent(settings.kelly_fraction)} of it, times proven skill; without any {allowed}"
            )
        case SizingMethod.EDGE:
            return "edge: 25 % to 100 % of the position limit"


def _batch(settings: CapitalSettings) -> str:
    if settings.avg_orders_per_batch == 1:
        return "1"
    return f"{settings.avg_orders_per_batch}, {_percent(settings.batch_step)} apart"


def _percent(share: Decimal) -> str:
    return f"{plain(share * 100)} %"
