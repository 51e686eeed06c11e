"""`kokex paper`: run the paper exchange by itself."""

from __future__ import annotations

import asyncio
import signal
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from kokex.cli.output import complain, say, say_json
from kokex.domain.errors import ConfigurationError, KokexError
from kokex.paper import AccountConfig, PaperConfig, PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT
from kokex.paper.faults import read_plan
from kokex.paper.instruments import DEFAULT_INSTRUMENTS

app = typer.Typer(
    no_args_is_help=True, help="A local exchange that speaks OKX's protocol, for trading on paper."
)


@app.callback()
def paper() -> None:
    """A local exchange that speaks OKX's protocol, for trading on paper."""


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 8765,
    speed: Annotated[float, typer.Option(help="Seconds of market time in a second.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the market; the same seed repeats a run.")] = 7,
    interval: Annotated[
        str, typer.Option(help="Interval of the base candles: 1s to 4H, 6Hutc, 12Hutc, 1Dutc.")
    ] = "1H",
    start: Annotated[str, typer.Option(help="Market time of the first tick, ISO 8601 (UTC).")] = "",
    instruments: Annotated[str, typer.Option(help="Instruments to list, separated by commas.")] = "",
    candles: Annotated[
        list[str] | None,
        typer.Option(
            help="CSV of candles: INSTRUMENT=FILE, or FILE for the first instrument. May be repeated."
        ),
    ] = None,
    as_history: Annotated[
        bool, typer.Option(help="The candle files are the past; the live market is synthetic.")
    ] = False,
    accept_gaps: Annotated[bool, typer.Option(help="Fill missing candles with flat ones.")] = False,
    state: Annotated[
        Path | None, typer.Option(help="SQLite file that keeps the exchange over restarts.")
    ] = None,
    tls: Annotated[
        Path | None, typer.Option(help="Folder of a self-signed certificate; serves https and wss.")
    ] = None,
    environment: Annotated[str, typer.Option(help="Which keys these are: demo or live.")] = "demo",
    account: Annotated[
        list[str] | None,
        typer.Option(help="Key, secret and passphrase of an account, with a colon between. May be repeated."),
    ] = None,
    balance: Annotated[
        list[str] | None,
        typer.Option(help="CURRENCY=AMOUNT that every account starts with. May be repeated."),
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="TOML or JSON file of what shall go wrong (docs/paper-exchange.md).")
    ] = None,
    fault_record: Annotated[
        Path | None, typer.Option(help="File to which every fault that struck is added, as JSON lines.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON line when ready.")] = False,
) -> None:
    """Serve a paper exchange until interrupted."""
    try:
        if as_history and not candles:
            raise ConfigurationError("--as-history needs the candle files that are the past: --candles FILE")
        listed = tuple(part.strip() for part in instruments.split(",") if part.strip()) or DEFAULT_INSTRUMENTS
        config = PaperConfig(
            host=host,
            port=port,
            speed=speed,
            seed=seed,
            interval=interval,
            start=_moment(start),
            instruments=listed,
            candles=_candle_files(candles or [], listed),
            candles_as_history=as_history,
            accept_gaps=accept_gaps,
            state_path=state,
            tls_dir=tls,
            environment=_environment(environment),
            accounts=_accounts(account or [], balance or []),
        )
        plan = read_plan(faults) if faults is not None else None
        asyncio.run(
            _serve(PaperServer(config, faults=plan, fault_record=fault_record), json_output=json_output)
        )
    except KokexError as error:
        _fail(str(error))


async def _serve(server: PaperServer, *, json_output: bool) -> None:
    async with server:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stopped.set)
        _announce(server, json_output=json_output)
        await stopped.wait()


def _announce(server: PaperServer, *, json_output: bool) -> None:
    config = server.config
    if json_output:
        ready = {
            "event": "ready",
            "rest_url": server.rest_url,
            "ws_url": server.ws_url,
            "port": server.port,
            "environment": config.environment,
            "speed": config.speed,
            "seed": config.seed,
            "market_ms": server.exchange.now_ms,
            "certificate": None if server.certificate is None else str(server.certificate),
            "faults": len(server.faults.armed()),
            "api_keys": [account.config.api_key for account in server.exchange.accounts.values()],
        }
        say_json(ready)
        return
    say(
        f"Paper exchange ready: REST {server.rest_url}, WebSocket {server.ws_url}/ws/v5/public|private|business"
    )
    first = config.accounts[0]
    if first is DEFAULT_ACCOUNT:
        say(f"Key {first.api_key}, secret {first.secret_key}, passphrase {first.passphrase}")
    header = "x-simulated-trading: 1" if config.environment == "demo" else "no x-simulated-trading header"
    say(f"Environment {config.environment} ({header}); speed {config.speed:g}; Ctrl-C stops it.")
    if not server.faults.idle:
        say(f"Faults armed: {', '.join(row['kind'] for row in server.faults.armed())}.")


def _candle_files(given: list[str], listed: tuple[str, ...]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for text in given:
        inst_id, mark, path = text.partition("=")
        if not mark or "/" in inst_id:
            inst_id, path = listed[0], text
        files[inst_id] = Path(path).expanduser()
    return files


def _accounts(keys: list[str], balances: list[str]) -> tuple[AccountConfig, ...]:
    amounts = dict(_balance(text) for text in balances) or dict(DEFAULT_ACCOUNT.balances)
    if not keys:
        if not balances:
            return (DEFAULT_ACCOUNT,)
        default = DEFAULT_ACCOUNT
        return (
            AccountConfig(
                api_key=default.api_key,
                secret_key=default.secret_key,
                passphrase=default.passphrase,
                balances=amounts,
            ),
        )
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


def _fail(message: str) -> NoReturn:
    complain(message)
    raise typer.Exit(2)
