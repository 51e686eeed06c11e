"""`kokex paper`: run the paper exchange by itself."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from kokex.cli.option_groups import grouped
from kokex.cli.output import complain, say, say_json
from kokex.cli.paper_options import ExchangeOptions
from kokex.domain.errors import KokexError
from kokex.paper import PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT
from kokex.paper.faults import read_plan

app = typer.Typer(
    no_args_is_help=True, help="A local exchange that speaks OKX's protocol, for trading on paper."
)


@app.callback()
def paper() -> None:
    """A local exchange that speaks OKX's protocol, for trading on paper."""


@app.command()
@grouped
def serve(
    *,
    options: ExchangeOptions,
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
        config = options.config()
        plan = read_plan(faults) if faults is not None else None
        server = PaperServer(config, faults=plan, fault_record=fault_record)
        asyncio.run(_serve(server, json_output=json_output))
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


def _fail(message: str) -> NoReturn:
    complain(message)
    raise typer.Exit(2)
