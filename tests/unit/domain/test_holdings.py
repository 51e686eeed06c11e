"""What plans hold must be there; what others do beside them must not hide that something is missing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kokex.domain.holdings import Baseline, SwapRecord, baseline, spot_difference, swap_difference


def test_spot_needs_at_least_what_plans_hold() -> None:
    """More is the owner's own."""
    assert spot_difference("ETH", Decimal("1.5"), Decimal("1.5")) is None
    assert spot_difference("ETH", Decimal("1.5"), Decimal(7)) is None
    said = spot_difference("ETH", Decimal("1.5"), Decimal("1.4999"))
    assert said is not None
    assert "plans hold 1.5 ETH by their fills, but the account has 1.4999" in said


@pytest.mark.parametrize(
    ("plans", "outsiders", "position", "fault"),
    [
        (0, 0, -10, None),
        (3, 0, -7, None),
        (3, 2, -5, None),
        (-3, -1, -14, None),
        (0, -4, -14, None),
        (3, 0, -6, "should be -7"),
        (3, -3, -10, "3 of them were closed outside KOKEX"),
        (-3, 1, -12, "1 of them were closed outside KOKEX"),
    ],
)
def test_swaps_add_up_from_the_first_comparison_on(
    plans: int, outsiders: int, position: int, fault: str | None
) -> None:
    """The account was 10 short by hand before the first plan traded."""
    known = baseline(SwapRecord(Decimal(0), Decimal(0)), Decimal(-10))
    record = SwapRecord(Decimal(plans), Decimal(outsiders))
    said = swap_difference("ETH-USDT-SWAP", record, known, Decimal(position))
    assert (said is None) == (fault is None)
    if fault:
        assert fault in str(said)


def test_what_a_person_accepted_is_no_difference_any_more() -> None:
    """A new baseline takes position and outsiders as they are."""
    record = SwapRecord(Decimal(3), Decimal(-3))
    assert swap_difference("X", record, Baseline(Decimal(0), Decimal(0)), Decimal(0)) is not None
    assert swap_difference("X", record, baseline(record, Decimal(0)), Decimal(0)) is None
