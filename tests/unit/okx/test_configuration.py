"""Hosts by region and environment, and the guard that keeps paper money here."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from kokex.adapters.okx import Region, endpoints_for
from kokex.adapters.okx.configuration import check_endpoints, sends_demo_header, ssl_context
from kokex.domain.account import Endpoints, Environment
from kokex.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("region", "environment", "rest", "private"),
    [
        ("global", Environment.LIVE, "https://openapi.okx.com", "wss://ws.okx.com:8443/ws/v5/private"),
        ("global", Environment.DEMO, "https://openapi.okx.com", "wss://wspap.okx.com:8443/ws/v5/private"),
        ("eea", Environment.LIVE, "https://eea.okx.com", "wss://wseea.okx.com:8443/ws/v5/private"),
        ("eea", Environment.DEMO, "https://eea.okx.com", "wss://wseeapap.okx.com:8443/ws/v5/private"),
        ("us", Environment.LIVE, "https://us.okx.com", "wss://wsus.okx.com:8443/ws/v5/private"),
        (Region.US, Environment.DEMO, "https://us.okx.com", "wss://wsuspap.okx.com:8443/ws/v5/private"),
    ],
)
def test_hosts_of_regions(region: str, environment: Environment, rest: str, private: str) -> None:
    """Demo shares the REST host and has sockets of its own."""
    found = endpoints_for(region, environment)
    assert (found.rest_url, found.private_url) == (rest, private)
    check_endpoints(environment, found)


def test_an_unknown_region_is_named() -> None:
    """With what may be chosen."""
    with pytest.raises(ConfigurationError, match="'mars' is unknown; use one of global, eea, us"):
        endpoints_for("mars", Environment.LIVE)


def test_paper_addresses_follow_the_server() -> None:
    """http gives ws, https gives wss."""
    plain = endpoints_for("global", Environment.PAPER, paper_url="http://127.0.0.1:8080/")
    assert plain.rest_url == "http://127.0.0.1:8080"
    assert plain.business_url == "ws://127.0.0.1:8080/ws/v5/business"
    secure = endpoints_for(
        "global", Environment.PAPER, paper_url="https://localhost:1", certificate_file="c.pem"
    )
    assert secure.public_url == "wss://localhost:1/ws/v5/public" and secure.certificate_file == "c.pem"


@pytest.mark.parametrize(
    "url", [None, "https://openapi.okx.com", "http://10.0.0.1:80", "ftp://127.0.0.1", "127.0.0.1"]
)
def test_a_paper_account_stays_on_this_computer(url: str | None) -> None:
    """No paper order can reach an exchange."""
    with pytest.raises(ConfigurationError):
        endpoints_for("global", Environment.PAPER, paper_url=url)


@pytest.mark.parametrize("field", ["rest_url", "public_url", "private_url", "business_url"])
def test_every_single_paper_address_is_checked(field: str) -> None:
    """One foreign socket is enough to refuse."""
    good = dict.fromkeys(("public_url", "private_url", "business_url"), "ws://127.0.0.1:1")
    addresses = {"rest_url": "http://127.0.0.1:1", **good, field: "wss://ws.okx.com:8443/ws/v5/private"}
    with pytest.raises(ConfigurationError, match=r"ws\.okx\.com"):
        check_endpoints(Environment.PAPER, Endpoints(**addresses))


def test_keys_travel_encrypted_beyond_this_computer() -> None:
    """A live account over http would show its keys to the network."""
    with pytest.raises(ConfigurationError, match="not encrypted"):
        check_endpoints(
            Environment.LIVE, Endpoints("http://openapi.okx.com", "wss://a", "wss://a", "wss://a")
        )


def test_all_but_live_say_that_they_are_simulated() -> None:
    """`x-simulated-trading: 1`; the paper exchange is a demo by default."""
    assert [sends_demo_header(one) for one in Environment] == [False, True, True]


def test_an_unreadable_certificate_is_named(tmp_path: Path) -> None:
    """Missing, or no certificate at all."""
    broken = tmp_path / "broken.pem"
    broken.write_text("not a certificate")
    for file in (broken, tmp_path / "absent.pem"):
        endpoints = endpoints_for(
            "global", Environment.PAPER, paper_url="https://127.0.0.1:1", certificate_file=str(file)
        )
        with pytest.raises(ConfigurationError, match=file.name):
            ssl_context(endpoints)


def test_a_context_only_where_it_is_needed() -> None:
    """Nothing is loaded for plain loopback; https verifies."""
    assert ssl_context(endpoints_for("global", Environment.PAPER, paper_url="http://127.0.0.1:1")) is None
    context = ssl_context(endpoints_for("global", Environment.LIVE))
    assert context is not None and context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
