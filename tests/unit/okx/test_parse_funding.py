"""Funding payments in an account's ledger."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kokex.adapters.okx.parse.funding import parse_funding_payment
from kokex.adapters.okx.parse.scalars import moment
from kokex.domain.errors import DataError
from kokex.domain.funding import FundingPayment
from tests.unit.okx.okx_fakes import item


def test_an_entry_says_what_was_paid_for_which_position() -> None:
    """Paid is negative; the position has no sign."""
    assert parse_funding_payment(item("rest_bills_funding.json")) == FundingPayment(
        "700001", "BTC-USDT-SWAP", Decimal("-0.61"), "USDT", Decimal(3), moment("1795000000000")
    )


def test_an_isolated_position_pays_from_its_own_margin() -> None:
    """The balance does not move then."""
    row = b'{"billId":"7","ts":"1795000000000","ccy":"USDT","type":"8","instId":"A-USDT-SWAP","balChg":"0","posBalChg":"0.2"}'
    found = parse_funding_payment(row)
    assert (found.amount, found.position) == (Decimal("0.2"), None)


def test_an_entry_without_a_number_is_an_error() -> None:
    """It could not be kept once."""
    with pytest.raises(DataError):
        parse_funding_payment(b'{"ts":"1795000000000","ccy":"USDT","type":"8"}')
