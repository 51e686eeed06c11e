"""How an account is set up."""

from __future__ import annotations

import msgspec

from kokex.adapters.okx import wire_reports
from kokex.adapters.okx.parse.scalars import Payload, guarded
from kokex.domain.account import AccountSettings, PositionMode

_decoder = msgspec.json.Decoder(wire_reports.SettingsRow)

_POSITION_MODES = {"net_mode": PositionMode.NET, "long_short_mode": PositionMode.LONG_SHORT}
_MARGIN_MODES = {"1": "spot", "2": "futures", "3": "multi_currency", "4": "portfolio"}
_FEES_IN_QUOTE = "1"


@guarded
def parse_settings(payload: Payload) -> AccountSettings:
    """The row of `account/config`."""
    row = _decoder.decode(payload)
    return AccountSettings(
        account_id=row.uid or "",
        position_mode=_POSITION_MODES[row.pos_mode or ""],
        margin_mode=_MARGIN_MODES.get(row.acct_lv or "", row.acct_lv or ""),
        permissions=frozenset(word for word in (row.perm or "").split(",") if word),
        fees_in_quote=row.fee_type == _FEES_IN_QUOTE,
    )
