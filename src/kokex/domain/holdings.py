"""What plans hold by their fills against what the account holds by the exchange's word.

Spot: plans share a currency's balance with whatever else its owner keeps there, so the account must hold at least what the plans
hold. Swaps: the account's net position is what all fills on record add up to, plus what was there before the first of them; that
difference never changes by itself. And whoever trades beside the plans must not take away what they hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SwapRecord:
    """A contract's fills on record, in contracts, signed.

    Attributes:
        plans: what the fills of plans add up to.
        outsiders: what the fills of orders made elsewhere add up to.
    """

    plans: Decimal
    outsiders: Decimal

    @property
    def total(self) -> Decimal:
        """All fills."""
        return self.plans + self.outsiders


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was found when an account's position was compared for the first time, or accepted by a person.

    Attributes:
        unrecorded: the position beyond all fills on record.
        outsiders: `SwapRecord.outsiders` then: what others did before is no concern.
    """

    unrecorded: Decimal
    outsiders: Decimal


def baseline(record: SwapRecord, position: Decimal) -> Baseline:
    """Take things as they are."""
    return Baseline(position - record.total, record.outsiders)


def spot_difference(currency: str, held: Decimal, total: Decimal) -> str | None:
    """Why the account cannot hold what its plans hold; None where it can.

    Args:
        held: by the plans' fills.
        total: by the exchange, free and frozen.
    """
    if total >= held:
        return None
    return (
        f"plans hold {held} {currency} by their fills, but the account has {total}: something outside KOKEX took the rest; "
        "put it back, or stop these plans and create new ones"
    )


def swap_difference(inst_id: str, record: SwapRecord, known: Baseline, position: Decimal) -> str | None:
    """Why the account's position is not what the fills on record say; None where it is."""
    expected = record.total + known.unrecorded
    if position != expected:
        return (
            f"the account's position in {inst_id} is {position} contracts, by the fills on record it should be {expected}; "
            "if the exchange is right, accept it: kokex account accept"
        )
    taken = (record.outsiders - known.outsiders) * (1 if record.plans > 0 else -1)
    if record.plans and taken < 0:
        return (
            f"plans hold {record.plans} contracts of {inst_id} by their fills, and {-taken} of them were closed outside KOKEX; "
            "open them again, or accept it: kokex account accept"
        )
    return None
