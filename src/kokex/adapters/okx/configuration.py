"""Where OKX is, by region and environment. Live, demo and paper differ in nothing but what is here and their keys."""

from __future__ import annotations

import ssl
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from kokex.domain.account import Endpoints, Environment
from kokex.domain.errors import ConfigurationError

USER_AGENT = "kokex/0.1"
"""Sent everywhere: OKX's front refuses clients without a name of their own."""


class Region(StrEnum):
    """Where the account was registered; its keys work on that region's hosts only."""

    GLOBAL = "global"
    """www.okx.com"""
    EEA = "eea"
    """my.okx.com"""
    US = "us"
    """app.okx.com, Australia included"""


_HOSTS = {
    Region.GLOBAL: ("https://openapi.okx.com", "wss://ws.okx.com:8443", "wss://wspap.okx.com:8443"),
    Region.EEA: ("https://eea.okx.com", "wss://wseea.okx.com:8443", "wss://wseeapap.okx.com:8443"),
    Region.US: ("https://us.okx.com", "wss://wsus.okx.com:8443", "wss://wsuspap.okx.com:8443"),
}


def endpoints_for(
    region: Region | str,
    environment: Environment,
    *,
    paper_url: str | None = None,
    certificate_file: str | None = None,
) -> Endpoints:
    """The addresses of `environment` in `region`.

    Args:
        paper_url: `http(s)://127.0.0.1:port` of the paper exchange; for the paper environment alone.
        certificate_file: a certificate to trust besides the system's.

    Raises:
        ConfigurationError: an unknown region, or a paper exchange that is missing or not on this computer.
    """
    if environment is Environment.PAPER:
        if paper_url is None:
            raise ConfigurationError(
                "the paper environment needs the paper exchange's URL, http://127.0.0.1:PORT"
            )
        rest = paper_url.rstrip("/")
        if not rest.startswith(("http://", "https://")):
            raise ConfigurationError(f"paper URL {paper_url!r} must begin with http:// or https://")
        streams = "ws" + rest.removeprefix("http")
        endpoints = _endpoints(rest, streams, certificate_file)
        check_endpoints(environment, endpoints)
        return endpoints
    try:
        rest, live, demo = _HOSTS[Region(region)]
    except ValueError:
        raise ConfigurationError(
            f"region {str(region)!r} is unknown; use one of {', '.join(Region)}"
        ) from None
    return _endpoints(rest, live if environment is Environment.LIVE else demo, certificate_file)


def _endpoints(rest: str, streams: str, certificate_file: str | None) -> Endpoints:
    return Endpoints(
        rest_url=rest,
        public_url=f"{streams}/ws/v5/public",
        private_url=f"{streams}/ws/v5/private",
        business_url=f"{streams}/ws/v5/business",
        certificate_file=certificate_file,
    )


def check_endpoints(environment: Environment, endpoints: Endpoints) -> None:
    """Refuse addresses that do not fit their environment.

    Raises:
        ConfigurationError: paper money would leave this computer, or keys would travel unencrypted.
    """
    for url in (endpoints.rest_url, endpoints.public_url, endpoints.private_url, endpoints.business_url):
        loopback = _is_loopback(url)
        if environment is Environment.PAPER and not loopback:
            raise ConfigurationError(f"a paper account must stay on this computer, but its address is {url}")
        if not loopback and urlsplit(url).scheme not in ("https", "wss"):
            raise ConfigurationError(f"{url} is not encrypted; use https and wss beyond this computer")


def sends_demo_header(environment: Environment) -> bool:
    """Whether REST requests carry `x-simulated-trading: 1` (OKX v5: demo shares its REST hosts with live)."""
    return environment is not Environment.LIVE


def ssl_context(endpoints: Endpoints) -> ssl.SSLContext | None:
    """What to trust on the way to `endpoints`; None where nothing is encrypted.

    Raises:
        ConfigurationError: the certificate file cannot be read.
    """
    if urlsplit(endpoints.rest_url).scheme == "http":
        return None
    context = ssl.create_default_context()
    if endpoints.certificate_file is not None:
        try:
            context.load_verify_locations(Path(endpoints.certificate_file))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"certificate file {endpoints.certificate_file} cannot be read: {error}"
            ) from error
    return context


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
