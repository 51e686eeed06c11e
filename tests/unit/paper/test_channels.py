"""What a subscription must say, and where."""

from __future__ import annotations

import pytest

from kokex.paper.gateway.refusal import RefusalError
from kokex.paper.ledger.account import Account
from kokex.paper.websocket.channels import BUSINESS, PRIVATE, PUBLIC, parse_subscription
from tests.unit.paper.trading import account_config

ONE = Account(config=account_config(), uid="1")


@pytest.mark.parametrize(
    ("extra", "seconds"),
    [
        ("", 5.0),
        ('{"updateInterval": "0"}', None),
        ('\n {"updateInterval": 0}', None),
        ('{"updateInterval":"2000"}', 2.0),
        ('{"updateInterval":"1500"}', 5.0),
        ("nonsense", 5.0),
        ("[]", 5.0),
    ],
)
def test_positions_say_how_often_they_come(extra: str, seconds: float | None) -> None:
    """0 is events only; 2, 3 and 4 s are what OKX offers; anything else is the default."""
    arg = {"channel": "positions", "instType": "ANY", "extraParams": extra}
    assert parse_subscription(PRIVATE, arg, {}, ONE).regular_interval_s(5.0) == seconds


def test_account_knows_events_only_or_the_default() -> None:
    """Its interval cannot be chosen."""
    arg = {"channel": "account", "extraParams": '{"updateInterval":"2000"}'}
    assert parse_subscription(PRIVATE, arg, {}, ONE).regular_interval_s(5.0) == 5.0


@pytest.mark.parametrize(
    ("path", "arg", "code"),
    [
        (PRIVATE, {"channel": "orders-algo", "instType": "ANY"}, "60018"),
        (PUBLIC, {"channel": "orders-algo", "instType": "ANY"}, "60018"),
        (BUSINESS, {"channel": "orders", "instType": "ANY"}, "60018"),
        (BUSINESS, {"channel": "orders-algo", "instType": "OPTION"}, "60018"),
        (BUSINESS, {"channel": "algo-advance"}, "60018"),
        (PRIVATE, {"channel": "positions", "instType": "SPOT"}, "60018"),
        (PRIVATE, {"channel": "liquidation-warning", "instType": "SPOT"}, "60018"),
        (PRIVATE, {"channel": "fills"}, "64003"),
    ],
)
def test_refusals(path: str, arg: dict[str, str], code: str) -> None:
    """Wrong path, wrong instType, a tier too low."""
    with pytest.raises(RefusalError) as refusal:
        parse_subscription(path, arg, {}, ONE)
    assert refusal.value.code == code


@pytest.mark.parametrize("channel", ["orders-algo", "algo-advance"])
def test_business_channels_of_an_account_need_a_login(channel: str) -> None:
    """60011 before it, accepted after it."""
    arg = {"channel": channel, "instType": "ANY"}
    with pytest.raises(RefusalError) as refusal:
        parse_subscription(BUSINESS, arg, {}, None)
    assert refusal.value.code == "60011"
    assert parse_subscription(BUSINESS, arg, {}, ONE).channel == channel
