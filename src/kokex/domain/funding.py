"""Funding of swaps: what the account paid or got for its net position, shared out among those whose holdings made it.

Every eight hours or so one side of a swap pays the other (OKX v5: position value at the mark x rate). The exchange charges the
account for its net position, in one entry. Funding is proportional to the position, so each plan's share is its own signed holding
over the net position, at that moment:

    plans hold +10 and -4, net +6, the account pays 6  ->  the first plan -10, the second +4

What belongs to no plan (contracts opened by hand, or there before the record began) stays the account's. The shares and the rest add
up to the entry, to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

_PLACES = -12
"""Places that shares have, or as many as the entry has, if more; whoever is not a plan, else the last plan, has the rest."""
_DIGITS = 60


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """One entry of the account's ledger.

    Attributes:
        bill_id: the exchange's number of the entry; grows with time.
        amount: in `currency`, negative when paid.
        position: the size of the net position that it is for, in contracts, without its sign; None if not told.
    """

    bill_id: str
    inst_id: str
    amount: Decimal
    currency: str
    position: Decimal | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Holders:
    """Who held a contract at a moment, signed, in contracts.

    Attributes:
        plans: by plan number.
        others: what is nobody's here.
    """

    plans: Mapping[int, Decimal]
    others: Decimal

    @property
    def net(self) -> Decimal:
        """The account's position."""
        return sum(self.plans.values(), self.others)


def share_out(payment: FundingPayment, holders: Holders) -> dict[int, Decimal]:
    """What each plan paid (negative) or got; empty where the record knows no position to which the entry could belong."""
    net = holders.net
    held = {plan_id: quantity for plan_id, quantity in sorted(holders.plans.items()) if quantity}
    if not net or not held:
        return {}
    with localcontext() as context:
        context.prec = _DIGITS
        exponent = payment.amount.as_tuple().exponent
        last_place = Decimal(1).scaleb(min(_PLACES, exponent if isinstance(exponent, int) else _PLACES))
        shares = {
            plan_id: (payment.amount * quantity / net).quantize(last_place).normalize()
            for plan_id, quantity in held.items()
        }
        if not holders.others:
            last = max(shares)
            shares[last] = payment.amount - sum(
                (share for plan_id, share in shares.items() if plan_id != last), Decimal(0)
            )
    return shares
