"""`kokex model`, `kokex forecast` and `kokex worker` as a user calls them, and a worker that is killed in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import structlog

from kokex.adapters import model_libraries
from kokex.adapters.postgres import PostgresStore
from kokex.adapters.vault import Vault
from kokex.bootstrap import application, worker
from kokex.cli.app import run
from kokex.domain.account import Credentials, Endpoints, Environment
from kokex.domain.candle import Interval
from kokex.domain.model import VersionStatus
from kokex.domain.plan import ForecastSettings, NewPlan, Plan
from kokex.services.working import Lease
from kokex.settings import Settings
from tests.integration.models.market import SECONDS_LONG, keep_walk, walk
from tests.world import eventually

pytestmark = pytest.mark.slow

QUICK = [word for change in SECONDS_LONG for word in ("--set", change)]
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


class Kokex:
    """The command line on a database and a data folder of its own, with a plan in it."""

    def __init__(self, database_url: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.database_url = database_url
        self.home = home
        self.environment = {
            "KOKEX_HOME": str(home), "KOKEX_DATABASE_URL": database_url, "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self._capsys = capsys
        self.plan: Plan = self.with_store(self._prepare)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        code = run(list(words))
        out = self._capsys.readouterr()
        return code, out.out, out.err

    def json(self, *words: str) -> Any:
        """A command's JSON, the last line it wrote."""
        code, out, err = self(*words, "--json")
        assert code == 0, err
        return json.loads(out.splitlines()[-1])

    def with_store(self, work: Callable[[PostgresStore], Awaitable[Any]]) -> Any:
        async def do() -> Any:
            store = await PostgresStore.open(self.database_url, Vault.open(self.home))
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(do())

    async def _prepare(self, store: PostgresStore) -> Plan:
        urls = Endpoints("http://127.0.0.1:1", "ws://127.0.0.1:1", "ws://127.0.0.1:1", "ws://127.0.0.1:1")
        account = await store.accounts.add("one", "okx", Environment.PAPER, urls, Credentials("k", "s", "p"))
        settings = ForecastSettings(context=60, horizon=4, paths=8)
        plan = await store.plans.add(
            NewPlan("eth", account.id, "ETH-USDT", Interval("1H"), forecast=settings)
        )
        await keep_walk(store, plan)
        return plan


@pytest.fixture
def kokex(
    database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Kokex]:
    made = Kokex(database_url, tmp_path, capsys)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    structlog.reset_defaults()  # the commands' logs went to streams that are closed now


@needs_torch
def test_train_compare_switch_move_and_forecast(kokex: Kokex, tmp_path: Path) -> None:
    """The whole life of two versions, on the command line."""
    first = kokex.json("model", "train", "eth", "--preset", "tiny", "--accelerator", "cpu", *QUICK)
    assert (first["name"], first["status"], first["active"]) == ("v1", "ready", False)
    assert [score["name"] for score in first["scores"]] == [
        "kronos v1", "kronos v1, conformal", "kronos v1, quantile mapping", "block_bootstrap",
    ]  # fmt: skip
    code, out, err = kokex(
        "model", "train", "eth", "--preset", "tiny", "--from", "v1", "--freeze-tokenizer", *QUICK
    )
    assert code == 0 and "validation" in err and "v2: ready" in out
    assert [row["name"] for row in kokex.json("model", "list", "eth")] == ["v1", "v2"]
    assert "block_bootstrap" in kokex("model", "compare", "eth", "v1", "v2")[1]

    assert "v1 from the next close on" in kokex("model", "activate", "eth", "v1")[1]
    kokex("model", "activate", "eth", "v2")
    assert kokex.json("model", "rollback", "eth") == {"active": "v1"}
    assert kokex.json("model", "prune", "eth", "--keep", "0")["pruned"] == ["v2"]

    file = tmp_path / "moved.zip"
    exported = kokex.json("model", "export", "eth", "v1", "--out", str(file))
    assert kokex.json("model", "import", "eth", str(file))["content_hash"] == exported["content_hash"]

    told = kokex.json("forecast", "eth", "--out", str(tmp_path / "out"), "--paths", "16")
    assert (told["forecaster"], told["paths"], told["horizon"]) == ("kronos v1", 16, 4)
    assert {Path(name).suffix for name in told["files"]} == {".json", ".npz", ".png"}
    code, out, _ = kokex("forecast", "eth", "--out", str(tmp_path / "out"))
    assert code == 0 and "●" in out and "by kronos v1" in out
    events = [
        json.loads(line) for line in kokex("model", "show", "eth", "v1", "--follow", "--json")[1].splitlines()
    ]
    assert {"StepDone", "EpochDone", "StageDone"} <= {event.get("kind") for event in events[:-1]}
    evaluated = kokex.json("model", "evaluate", "eth", "v1", "--paths", "16", "--horizon", "2")
    assert evaluated["evaluation"]["protocol"]["horizon"] == 2


def test_a_file_is_forecast_by_the_baseline_without_any_model(kokex: Kokex, tmp_path: Path) -> None:
    """Nothing of torch is needed."""
    rows = [
        f"{candle.open_time.isoformat()},{candle.open},{candle.high},{candle.low},{candle.close},{candle.volume},"
        for candle in walk(120)
    ]
    csv = tmp_path / "okx_ETH-USDT_1H.csv"
    csv.write_text("\n".join(["ts,open,high,low,close,volume,amount", *rows]) + "\n")
    told = kokex.json("forecast", "--csv", str(csv), "--out", str(tmp_path), "--horizon", "6")
    assert (told["forecaster"], told["horizon"], told["inst_id"]) == ("block_bootstrap", 6, "ETH-USDT")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("model", "show", "eth"), "plan eth has no version that is ready; train one"),
        (("model", "show", "nobody"), "there is no plan 'nobody'"),
        (("model", "activate", "eth", "v3"), "no version v3; it has: none yet"),
        (("model", "activate", "eth", "three"), "'three' is no version; write v1"),
        (("model", "rollback", "eth"), "no active version to roll back from"),
        (("model", "train", "eth", "--from", "v1", "--from-folder", "x"), "not both"),
        (("model", "pull", "huge"), "'huge' is no published model"),
        (("forecast",), "name a plan, or give a file"),
        (("forecast", "--csv", "none.csv"), "none.csv"),
        (("forecast", "eth", "--model", "v9"), "no version v9"),
    ],
)
def test_errors_are_one_sentence(kokex: Kokex, words: tuple[str, ...], sentence: str) -> None:
    """Exit code 1, one line, what is wrong and what helps."""
    code, out, err = kokex(*words)
    assert code == 1 and out == ""
    assert len(err.strip().splitlines()) == 1 and sentence in err


@needs_torch
def test_wrong_settings_make_no_version(kokex: Kokex) -> None:
    """They are told before anything is recorded."""
    code, _, err = kokex("model", "train", "eth", "--preset", "huge")
    assert code == 1 and "known are tiny, mini, small, base" in err
    assert kokex.json("model", "list", "eth") == []


@pytest.mark.parametrize(
    "words",
    [
        ("model", "train", "eth"),
        ("worker",),
        ("forecast", "eth", "--model", "."),
        ("model", "import", "eth", "x"),
    ],
)
def test_without_torch_one_sentence_says_how_to_install_it(
    kokex: Kokex, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """And nothing else breaks: the lists still answer."""
    monkeypatch.setattr(model_libraries, "find_spec", lambda name: None)
    code, _, err = kokex(*words)
    assert code == 1
    assert len(err.strip().splitlines()) == 1 and "torch" in err and "`make up`" in err
    assert kokex.json("model", "list") == []


@needs_torch
def test_pull_without_a_network_says_where_the_files_belong(
    kokex: Kokex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids, file names and the folder are in the sentence."""
    from kokex.kronos import weights  # noqa: PLC0415 - torch may be missing
    from kokex.kronos.errors import HubUnavailableError  # noqa: PLC0415

    def unreachable(*_: object) -> None:
        raise HubUnavailableError("no network")

    monkeypatch.setattr(weights, "locate", unreachable)
    code, _, err = kokex("model", "pull", "mini")
    assert code == 1 and len(err.strip().splitlines()) == 1
    for word in (
        "NeoQuasar/Kronos-mini",
        "NeoQuasar/Kronos-Tokenizer-2k",
        "config.json",
        "published",
        "--model FOLDER",
    ):
        assert word in err


@needs_torch
def test_a_killed_worker_s_training_is_finished_by_another(kokex: Kokex) -> None:
    """kill -9 in the middle; the heir goes on from the last saved step, not from the start."""
    queued = ["model", "train", "eth", "--queue", "--preset", "tiny", *QUICK]
    kokex.json(*queued, "--set", "predictor.epochs=150")
    victim = subprocess.Popen(
        [sys.executable, "-m", "kokex", "worker", "--threads", "1", "--lease", "1"],
        env={**os.environ, **kokex.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    async def until_at_work(store: PostgresStore) -> None:
        async def predictor_at_work() -> bool:
            assert victim.poll() is None
            told = await store.models.told(1, limit=100_000)
            return any((event["kind"], event["stage"]) == ("EpochDone", "predictor") for _, event in told)

        await eventually(predictor_at_work, "a first epoch of the predictor", seconds=240)

    try:
        kokex.with_store(until_at_work)
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()

    async def inherit() -> None:
        settings = Settings(home=kokex.home, database_url=kokex.database_url)
        async with application(settings) as opened, asyncio.TaskGroup() as tasks:
            heir = worker(opened, Lease(1.0))
            running = tasks.create_task(heir.run())

            async def ready() -> bool:
                return (await opened.store.models.get(1)).status is VersionStatus.READY

            await eventually(ready, "a version that is ready", seconds=240)
            heir.stop.set()
            await running

    asyncio.run(inherit())
    version = kokex.json("model", "show", "eth", "v1")
    assert version["status"] == "ready"
    notices = [
        event["message"] for _, event in kokex.with_store(lambda store: store.models.told(1, limit=100_000))
        if event["kind"] == "Notice"
    ]  # fmt: skip
    assert any("resum" in message for message in notices), notices
