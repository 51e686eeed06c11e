"""The demo's market, as a process of its own: `python -m kokex.demo.market_server`.

It reads one line of JSON, serves until its standard input closes, and so never outlives the demo, however that ends.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop

from kokex.demo.options import CAPITAL, INTERVAL, KEYS
from kokex.domain.errors import KokexError
from kokex.paper import AccountConfig, PaperConfig, PaperServer


def config_from(words: dict[str, Any]) -> PaperConfig:
    """The market that `words` describe. It starts stopped."""
    inst_id = words["inst_id"]
    account = AccountConfig(
        api_key=KEYS.api_key, secret_key=KEYS.secret, passphrase=KEYS.passphrase, balances={"USDT": CAPITAL}
    )
    return PaperConfig(
        seed=words["seed"],
        speed=words["speed"],
        interval=str(INTERVAL),
        instruments=(inst_id,),
        candles={} if words["candles"] is None else {inst_id: Path(words["candles"])},
        state_path=Path(words["state"]),
        accounts=(account,),
        paused=True,
    )


async def serve(config: PaperConfig) -> None:
    """Serve, and say where, until standard input closes."""
    async with PaperServer(config) as server:
        _tell({"ready": True, "rest_url": server.rest_url})
        await asyncio.to_thread(sys.stdin.read)


def main() -> int:
    """Run the process; its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the demo, which still has questions
    try:
        config = config_from(json.loads(sys.stdin.readline()))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(config))
    except KokexError as error:
        _tell({"ready": False, "error": str(error)})
        return 1
    return 0


def _tell(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
