"""What `kokex paper serve` can be told of the exchange: its place, its market, its accounts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

import typer

from kokex.domain.errors import ConfigurationError
from kokex.paper import AccountConfig, PaperConfig
from kokex.paper.config import DEFAULT_ACCOUNT
from kokex.paper.instruments import DEFAULT_INSTRUMENTS


@dataclass(frozen=True, slots=True)
class ExchangeOptions:
    """The words for a `PaperConfig`."""

    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 8765
    speed: Annotated[float, typer.Option(help="Seconds of market time in a second.")] = 1.0
    seed: Annotated[int, typer.Option(help="Seed of the market; the same seed repeats a run.")] = 7
    interval: Annotated[
        str, typer.Option(help="Interval of the base candles: 1s to 4H, 6Hutc, 12Hutc, 1Dutc.")
    ] = "1H"
    start: Annotated[str, typer.Option(help="Market time of the first tick, ISO 8601 (UTC).")] = ""
    instruments: Annotated[str, typer.Option(help="Instruments to list, separated by commas.")] = ""
    candles: Annotated[
        list[str] | None,
        typer.Option(
            help="CSV of candles: INSTRUMENT=FILE, or FILE for the first instrument. May be repeated."
        ),
    ] = None
    as_history: Annotated[
        bool, typer.Option(help="The candle files are the past; the live market is synthetic.")
    ] = False
    accept_gaps: Annotated[bool, typer.Option(help="Fill missing candles with flat ones.")] = False
    state: Annotated[Path | None, typer.Option(help="SQLite file that keeps the exchange over restarts.")] = (
        None
    )
    tls: Annotated[
        Path | None, typer.Option(help="Folder of a self-signed certificate; serves https and wss.")
    ] = None
    environment: Annotated[str, typer.Option(help="Which keys these are: demo or live.")] = "demo"
    account: Annotated[
        list[str] | None,
        typer.Option(help="Key, secret and passphrase of an account, with a colon between. May be repeated."),
    ] = None
    balance: Annotated[
        list[str] | None,
        typer.Option(help="CURRENCY=AMOUNT that every account starts with. May be repeated."),
    ] = None

    def config(self) -> PaperConfig:
        """Raises `ConfigurationError`: a word cannot be read, or contradicts another."""
        if self.as_history and not self.candles:
            raise ConfigurationError("--as-history needs the candle files that are the past: --candles FILE")
        named = tuple(part.strip() for part in self.instruments.split(",") if part.strip())
        listed = named or DEFAULT_INSTRUMENTS
        return PaperConfig(
            host=self.host,
            port=self.port,
            speed=self.speed,
            seed=self.seed,
            interval=self.interval,
            start=_moment(self.start),
            instruments=listed,
            candles=_candle_files(self.candles or [], listed),
            candles_as_history=self.as_history,
            accept_gaps=self.accept_gaps,
            state_path=self.state,
            tls_dir=self.tls,
            environment=_environment(self.environment),
            accounts=_accounts(self.account or [], self.balance or []),
        )


def _candle_files(given: list[str], listed: tuple[str, ...]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for text in given:
        inst_id, mark, path = text.partition("=")
        if not mark or "/" in inst_id:
            inst_id, path = listed[0], text
        files[inst_id] = Path(path).expanduser()
    return files


def _accounts(keys: list[str], balances: list[str]) -> tuple[AccountConfig, ...]:
    if not keys and not balances:
        return (DEFAULT_ACCOUNT,)
    amounts = dict(_balance(text) for text in balances) or dict(DEFAULT_ACCOUNT.balances)
    if not keys:
        return (replace(DEFAULT_ACCOUNT, balances=amounts),)
    return tuple(_account(text, amounts) for text in keys)


def _account(text: str, amounts: dict[str, Decimal]) -> AccountConfig:
    parts = text.split(":", 2)
    if len(parts) != 3 or not all(parts):
        raise ConfigurationError("an account is written KEY:SECRET:PASSPHRASE, with none of the three empty")
    return AccountConfig(api_key=parts[0], secret_key=parts[1], passphrase=parts[2], balances=amounts)


def _balance(text: str) -> tuple[str, Decimal]:
    currency, mark, amount = text.partition("=")
    if not mark or not currency:
        raise ConfigurationError(f"balance {text!r} is not written CURRENCY=AMOUNT")
    try:
        return currency.upper(), Decimal(amount)
    except InvalidOperation as error:
        raise ConfigurationError(f"balance {text!r}: {amount!r} is not a number") from error


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"start {text!r} is not an ISO 8601 time such as 2026-01-01T00:00:00Z"
        ) from error
    if moment.tzinfo is None:
        raise ConfigurationError(f"start {text!r} has no time zone; write 2026-01-01T00:00:00Z")
    return moment


def _environment(text: str) -> Literal["demo", "live"]:
    if text == "demo":
        return "demo"
    if text == "live":
        return "live"
    raise ConfigurationError(f"environment {text!r} must be demo or live")
