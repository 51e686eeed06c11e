"""The demo's own model: trained beside the show, switched to, used, and judged next to the baseline."""

from __future__ import annotations

import json
import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
import structlog

from kokex.bootstrap import sole_engine
from kokex.cli.running import run_async
from kokex.demo import cast
from kokex.demo.model import ModelState
from kokex.demo.options import DemoOptions, MarketChoice
from kokex.demo.run import run_demo
from kokex.demo.summary import Summary
from kokex.demo.watch import Happening, Picture
from kokex.domain.model import VersionWish
from kokex.settings import Settings
from tests.integration.models.market import SECONDS_LONG

pytestmark = pytest.mark.slow

WISH = VersionWish(preset="tiny", changes=SECONDS_LONG, accelerator="cpu", activate=True)
"""A second of compute."""
CHOICE = MarketChoice(7, 7200.0, None)
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


class Audience:
    """Watches, and presses Ctrl-C once a forecast was made by what it waits for."""

    def __init__(self, until: str) -> None:
        self.until = until
        self.said: list[str] = []
        self.lines: list[str] = []
        self.shares: list[float] = []
        self._pressed = False

    def say(self, text: str) -> None:
        """See `Stage`."""
        self.said.append(text)

    def show(self, picture: Picture, happenings: list[Happening]) -> None:
        """See `Stage`."""
        self.lines += [happening.text for happening in happenings if happening.kind == "training"]
        if picture.model is not None and picture.model.share is not None:
            self.shares.append(picture.model.share)
        if not self._pressed and picture.forecast is not None and picture.forecast.forecaster == self.until:
            self._pressed = True
            os.kill(os.getpid(), signal.SIGINT)

    def curtain(self) -> None:
        """See `Stage`."""


def play(folder: Path, audience: Audience, choice: MarketChoice | None, wish: VersionWish | None) -> Summary:
    """One demo, from its start to its summary; two minutes at most."""
    options = DemoOptions(folder, choice, 120.0, headless=True, as_json=True, wish=wish)
    with sole_engine(folder):
        summary, _ = run_async(run_demo(options, Settings(home=folder, database_url=None), audience))
    structlog.reset_defaults()
    return summary


@needs_torch
def test_it_is_trained_switched_to_used_and_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asked for it. The next demo on the same folder goes on with it, and trains no other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = tmp_path / "a demo"
    audience = Audience("kronos v1")
    summary = play(folder, audience, CHOICE, WISH)
    assert summary.agrees
    assert any("v1, a tiny Kronos model, is trained on this market" in words for words in audience.said)
    assert any("predictor epoch" in line or "predictor done" in line for line in audience.lines)
    assert audience.lines[-1].startswith("v1 is ready, and the plan forecasts with it: CRPS")
    assert audience.shares == sorted(audience.shares) and audience.shares
    assert summary.record.forecaster == "kronos v1"
    model = json.loads(json.dumps(summary.document()))["model"]
    assert (model["state"], model["version"], model["active"]) == ("ready", "v1", True)
    assert set(model["scores"]) == {"kronos v1, conformal", "block_bootstrap"}
    scores = {name: score["crps"] for name, score in model["scores"].items()}
    assert model["better"] == min(scores, key=lambda name: scores[name])
    assert "block_bootstrap" in model["verdict"]
    assert summary.model is not None
    told = "\n".join(summary.model.closing_lines())
    assert "kronos v1, conformal: CRPS" in told and "block_bootstrap: CRPS" in told

    again = Audience("kronos v1")
    resumed = play(folder, again, None, WISH)
    assert any("v1 was trained by the former demo" in words for words in again.said)
    assert resumed.document()["model"]["version"] == "v1"


def test_without_the_libraries_one_sentence_says_so_and_the_baseline_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing fails."""
    monkeypatch.setattr(cast, "missing_libraries", lambda: ["torch"])
    audience = Audience("block_bootstrap")
    summary = play(tmp_path / "demo", audience, CHOICE, WISH)
    assert summary.agrees and summary.record.forecaster == "block_bootstrap"
    assert sum("torch is not installed" in words for words in audience.said) == 1
    assert summary.model is not None and summary.model.state is ModelState.NOT_INSTALLED
    assert summary.document()["model"]["version"] is None
