"""Signatures against vectors made with another tool (openssl dgst -sha256 -hmac)."""

from __future__ import annotations

from datetime import UTC, datetime

from kokex.adapters.okx.signing import login_argument, rest_headers, rest_timestamp, signature
from tests.unit.okx.okx_fakes import CREDENTIALS

MOMENT = datetime(2026, 11, 22, 8, 5, 9, 7_999, tzinfo=UTC)


def test_a_rest_request_is_signed_over_timestamp_method_path_and_body() -> None:
    """printf '2026-11-22T08:05:09.007ZGET/api/v5/account/balance?ccy=BTC' | openssl dgst ... | base64."""
    text = signature("the-secret", "2026-11-22T08:05:09.007Z", "GET", "/api/v5/account/balance?ccy=BTC")
    assert text == "OCgPzY5/mgKx/hW/v9VBIAtvUeSrxC7VAEQE3hDWU5U="
    body = '{"instId":"BTC-USDT"}'
    assert (
        signature("the-secret", "2026-11-22T08:05:09.007Z", "POST", "/api/v5/trade/order", body)
        == "qNpyQ+1TUgVn9/gKNbxkIZSdmnYByrpo69F8+iNpEdI="
    )


def test_the_timestamp_has_milliseconds_and_a_z() -> None:
    """Milliseconds are cut, not rounded: a timestamp is never in the future."""
    assert rest_timestamp(MOMENT) == "2026-11-22T08:05:09.007Z"
    assert rest_timestamp(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"


def test_rest_headers_carry_key_signature_time_and_passphrase() -> None:
    """The four headers of OKX v5, and nothing of the secret."""
    headers = rest_headers(CREDENTIALS, MOMENT, "GET", "/api/v5/account/balance?ccy=BTC")
    assert headers == {
        "OK-ACCESS-KEY": "the-api-key",
        "OK-ACCESS-SIGN": "OCgPzY5/mgKx/hW/v9VBIAtvUeSrxC7VAEQE3hDWU5U=",
        "OK-ACCESS-TIMESTAMP": "2026-11-22T08:05:09.007Z",
        "OK-ACCESS-PASSPHRASE": "the-passphrase",
    }


def test_a_login_is_signed_in_whole_unix_seconds() -> None:
    """Unlike REST: seconds since the epoch, and a fixed path."""
    assert login_argument(CREDENTIALS, MOMENT) == {
        "apiKey": "the-api-key",
        "passphrase": "the-passphrase",
        "timestamp": "1795334709",
        "sign": "w/wybWTQ2BioIoWOdkXt36D70r8KlL0VzHmWWsC5+8g=",
    }
