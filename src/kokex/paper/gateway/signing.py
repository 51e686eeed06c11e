"""Who is calling: OKX v5 signatures and clock checks over REST and at WebSocket login."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.gateway.refusal import RefusalError
from kokex.paper.ledger.account import Account

TOLERANCE_S = 30.0
_VERIFY_PATH = "GET/users/self/verify"


def signature(secret: str, prehash: str) -> str:
    """base64(HMAC-SHA256(secret, prehash))."""
    digest = hmac.new(secret.encode(), prehash.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def authenticate(
    exchange: PaperExchange, headers: Mapping[str, str], method: str, path: str, body: str, wall_s: float
) -> Account:
    """Check a signed REST request; `path` is the request path with its query, byte for byte as sent.

    Raises:
        RefusalError: with OKX's code.
    """
    key = _header(headers, "OK-ACCESS-KEY", "50103")
    passphrase = _header(headers, "OK-ACCESS-PASSPHRASE", "50104")
    sign = _header(headers, "OK-ACCESS-SIGN", "50106")
    timestamp = _header(headers, "OK-ACCESS-TIMESTAMP", "50107")
    if abs(wall_s - _moment(timestamp)) > TOLERANCE_S:
        raise RefusalError("50102", "Timestamp request expired")
    account = exchange.account_with_key(key)
    if account is None:
        raise RefusalError("50119", "API key doesn't exist")
    simulated = headers.get("x-simulated-trading", "0") == "1"
    if simulated != (exchange.config.environment == "demo"):
        raise RefusalError("50101", "APIKey does not match current environment.")
    if not hmac.compare_digest(passphrase.encode(), account.config.passphrase.encode()):
        raise RefusalError("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.")
    expected = signature(account.config.secret_key, timestamp + method + path + body)
    if not hmac.compare_digest(sign.encode(), expected.encode()):
        raise RefusalError("50113", "Invalid Sign")
    return account


def login(exchange: PaperExchange, fields: Mapping[str, object], wall_s: float) -> Account:
    """Check one item of a WebSocket login; its timestamp is Unix seconds, as text or number.

    Raises:
        RefusalError: with OKX's code.
    """
    key = str(fields.get("apiKey") or "")
    timestamp = str(fields.get("timestamp") or "")
    if not key:
        raise RefusalError("60005", "Invalid apiKey")
    try:
        moment = float(timestamp)
    except ValueError as error:
        raise RefusalError("60004", "Invalid timestamp") from error
    if not abs(wall_s - moment) <= TOLERANCE_S:
        raise RefusalError("60006", "Timestamp request expired")
    account = exchange.account_with_key(key)
    if account is None:
        raise RefusalError("60032", "API key doesn't exist")
    if str(fields.get("passphrase") or "") != account.config.passphrase:
        raise RefusalError("60024", "Wrong passphrase")
    expected = signature(account.config.secret_key, timestamp + _VERIFY_PATH)
    if not hmac.compare_digest(str(fields.get("sign") or "").encode(), expected.encode()):
        raise RefusalError("60007", "Invalid sign")
    return account


def _header(headers: Mapping[str, str], name: str, code: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise RefusalError(code, f'Request header "{name}" can\'t be empty.')
    return value


def _moment(timestamp: str) -> float:
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError as error:
        raise RefusalError("50112", "Invalid OK-ACCESS-TIMESTAMP") from error
    if moment.tzinfo is None:
        raise RefusalError("50112", "Invalid OK-ACCESS-TIMESTAMP")
    return moment.astimezone(UTC).timestamp()
