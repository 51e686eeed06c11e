"""Funding payments: entries of an account's ledger."""

from __future__ import annotations

import msgspec

from kokex.adapters.okx import wire
from kokex.adapters.okx.parse.scalars import Payload, guarded, known, moment, size
from kokex.domain.funding import FundingPayment

_decoder = msgspec.json.Decoder(wire.BillRow)


@guarded
def parse_funding_payment(payload: Payload) -> FundingPayment:
    """A row of `account/bills` of type 8; its `sz` is the position's size.

    {"billId":"700001","ts":"1795000000000","ccy":"USDT","type":"8","subType":"173","balChg":"-0.61","posBalChg":"0","sz":"3","instId":"BTC-USDT-SWAP"}
    """
    row = _decoder.decode(payload)
    return FundingPayment(
        bill_id=row.bill_id,
        inst_id=row.inst_id or "",
        amount=size(row.bal_chg) + size(row.pos_bal_chg),
        currency=row.ccy,
        position=known(row.sz),
        occurred_at=moment(row.ts),
    )
