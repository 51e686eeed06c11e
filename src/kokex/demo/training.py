"""The demo's own model: trained on its own market by a worker beside it, and judged next to the baseline."""

from __future__ import annotations

import time
from typing import Final

from kokex.bootstrap import Application
from kokex.cli.model_report import progress_line
from kokex.demo.watch import Happening
from kokex.domain.account import ExchangeAccount
from kokex.domain.model import (
    ForecasterScore,
    ModelVersion,
    VersionStatus,
    VersionWish,
    evaluation_scores,
    evaluation_verdicts,
)
from kokex.domain.plan import Plan
from kokex.services.accounts import market_of

HISTORY: Final = 1400
"""Candles to learn from: what the market has from before the demo."""
WISH: Final = VersionWish(
    preset="tiny",
    changes=(
        "context=64", "horizon=24", "shortest_context=32",
        "tokenizer.epochs=3", "tokenizer.windows_per_epoch=768", "tokenizer.batch_size=16",
        "predictor.epochs=6", "predictor.windows_per_epoch=768",
    ),
    accelerator="cpu",
    activate=True,
)  # fmt: skip
"""A minute of two cores, no more: it shows how a model comes to be, not how good one can be."""
LINE_SECONDS: Final = 3.0
BASELINE: Final = "block_bootstrap"


class DemoTraining:
    """Asks for a version, and tells what becomes of it."""

    def __init__(self, opened: Application, plan: Plan, account: ExchangeAccount) -> None:
        self._opened = opened
        self._plan = plan
        self._account = account
        self._version: ModelVersion | None = None
        self._after = 0
        self._last_step = float("-inf")
        self._ended = False
        self.line = ""
        """The newest word of the training."""

    async def ask(self) -> ModelVersion:
        """Fetch the market's past and ask the worker for a version that the plan switches to."""
        await self._fetch_past()
        self._version = await self._opened.training.request(self._plan, WISH)
        return self._version

    async def look(self) -> list[Happening]:
        """What is new."""
        if self._version is None or self._ended:
            return []
        current = await self._opened.store.models.get(self._version.id)
        happenings = []
        while page := await self._opened.store.models.told(current.id, self._after):
            self._after = page[-1][0]
            for _, event in page:
                if event.get("kind") == "Finished":
                    continue
                self.line = progress_line(event)
                now = time.monotonic()
                if event.get("kind") != "StepDone" or now - self._last_step >= LINE_SECONDS:
                    self._last_step = now
                    happenings.append(Happening("training", None, self.line))
        if current.status is VersionStatus.FAILED or current.active:
            self._ended = True
            self._version = current
            self.line = outcome(current)
            happenings.append(Happening("training", None, self.line))
        return happenings

    async def version(self) -> ModelVersion | None:
        """The version as it is now."""
        return None if self._version is None else await self._opened.store.models.get(self._version.id)

    async def _fetch_past(self) -> None:
        store, plan, market = self._opened.store, self._plan, market_of(self._account)
        kept = await store.candles.latest(market, plan.inst_id, plan.interval, HISTORY)
        if not len(kept) or len(kept) >= HISTORY:
            return
        end = kept.close_time - len(kept) * plan.interval.duration
        start = kept.close_time - HISTORY * plan.interval.duration
        credentials = await store.accounts.credentials(self._account.id)
        exchange = self._opened.adapter.exchange(self._account, credentials)
        try:
            past = await exchange.candles(plan.inst_id, plan.interval, start=start, end=end)
        finally:
            await exchange.close()
        await store.candles.upsert(market, plan.inst_id, plan.interval, past)


def outcome(version: ModelVersion) -> str:
    """How a training ended, the baseline beside it, whichever is better."""
    if version.status is VersionStatus.FAILED:
        return f"{version.name} failed: {version.error}; the baseline goes on"
    used, baseline = compared(version)
    if used is None or baseline is None or used.crps is None or baseline.crps is None:
        return f"{version.name} is ready and not judged; the plan forecasts with it from now on"
    better = "better than" if used.crps < baseline.crps else "worse than"
    return (
        f"{version.name} is ready, and the plan forecasts with it: CRPS {used.crps:.3f} %, {better} the baseline's "
        f"{baseline.crps:.3f} % on {used.windows} windows that it never saw"
    )


def compared(version: ModelVersion) -> tuple[ForecasterScore | None, ForecasterScore | None]:
    """Scores of what the plan forecasts with, bands corrected, and of the baseline."""
    scores = {score.name: score for score in evaluation_scores(version.evaluation or {})}
    used = scores.get(f"{version.forecaster}, conformal") or scores.get(version.forecaster)
    return used, scores.get(BASELINE)


def closing_lines(version: ModelVersion) -> list[str]:
    """For the demo's end."""
    if version.status is VersionStatus.TRAINING:
        return [
            f"{version.name} was still being trained when the demo ended; `kokex demo --resume` goes on with it."
        ]
    lines = [f"The model: {outcome(version)}."]
    for score in filter(None, compared(version)):
        held = score.coverage.get("0.9")
        lines.append(
            f"  {score.name}: CRPS {score.crps:.3f} %, its 90 % band held {held:.0%}"
            if held is not None and score.crps is not None
            else f"  {score.name}: not judged"
        )
    lines += [
        f"  {sentence}"
        for sentence in evaluation_verdicts(version.evaluation or {})
        if "conformal" in sentence
    ]
    return lines
