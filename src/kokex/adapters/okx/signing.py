"""How OKX v5 requests are signed: base64 of HMAC-SHA256 over a timestamp, the method, the path and the body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from kokex.domain.account import Credentials


def signature(secret: str, timestamp: str, method: str, path: str, body: str = "") -> str:
    """Sign one request. `path` carries the query string exactly as it is sent; `body` is empty for GET."""
    text = f"{timestamp}{method}{path}{body}"
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def rest_timestamp(moment: datetime) -> str:
    """`moment` (UTC) as REST wants it: ISO 8601 with milliseconds and a Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def rest_headers(
    credentials: Credentials, moment: datetime, method: str, path: str, body: str = ""
) -> dict[str, str]:
    """Authentication headers of one REST request made at `moment`, the exchange's time."""
    timestamp = rest_timestamp(moment)
    return {
        "OK-ACCESS-KEY": credentials.api_key,
        "OK-ACCESS-SIGN": signature(credentials.secret, timestamp, method, path, body),
        "OK-ACCESS-TIMESTAMP": timestamp,
        "OK-ACCESS-PASSPHRASE": credentials.passphrase,
    }


def login_argument(credentials: Credentials, moment: datetime) -> dict[str, str]:
    """The argument of a WebSocket login at `moment`. Its timestamp is in Unix seconds, unlike REST's."""
    timestamp = str(int(moment.timestamp()))
    return {
        "apiKey": credentials.api_key,
        "passphrase": credentials.passphrase,
        "timestamp": timestamp,
        "sign": signature(credentials.secret, timestamp, "GET", "/users/self/verify"),
    }
