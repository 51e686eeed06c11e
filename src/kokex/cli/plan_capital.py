"""How a plan uses its capital, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from kokex.cli.output import plain, when
from kokex.cli.risk_report import value_words
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


def differences(change: CapitalChange) -> dict[str, tuple[Any, Any]]:
    """Value before and after, by the setting's name."""
    old, new = asdict(change.before), asdict(change.after)
    return {name: (old[name], new[name]) for name in new if old[name] != new[name]}


def change_documents(changes: Sequence[CapitalChange]) -> list[dict[str, Any]]:
    """As JSON-ready values, oldest first."""
    return [
        {
            "version": change.version,
            "changed_at": change.at,
            "changed_by": change.by,
            "reason": change.reason,
            "changes": {
                name: {"before": old, "after": new} for name, (old, new) in differences(change).items()
            },
        }
        for change in changes
    ]


def change_rows(changes: Sequence[CapitalChange]) -> list[tuple[str, ...]]:
    """Version, when, by whom, what, before, after and why, oldest first."""
    return [
        (
            str(change.version),
            when(change.at),
            change.by,
            name,
            value_words(old),
            value_words(new),
            change.reason,
        )
        for change in changes
        for name, (old, new) in differences(change).items()
    ]


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
