"""The demo's own model: trained on its own market by a worker beside it, and judged next to the baseline."""

from __future__ import annotations

import time
from typing import Final

from kokex.bootstrap import Application
from kokex.cli.model_report import progress_line
from kokex.demo.model import DemoModel
from kokex.demo.watch import Happening
from kokex.domain.account import ExchangeAccount
from kokex.domain.model import ModelVersion, VersionStatus, VersionWish
from kokex.domain.plan import Plan
from kokex.ports.models import ProgressEvent
from kokex.services.accounts import market_of

HISTORY: Final = 1400
"""Candles to learn from: what the market has from before the demo."""
LINE_SECONDS: Final = 3.0
STAGES: Final = ("tokenizer", "predictor")


class DemoTraining:
    """Sees to it that the demo has a version, or gets one, and tells what becomes of it.

    Args:
        wish: how it is trained; None: it is not, but what a former demo has trained is used.
        model: where it stands before it is asked for; without a wish, why there is none.
    """

    def __init__(
        self,
        opened: Application,
        plan: Plan,
        account: ExchangeAccount,
        wish: VersionWish | None,
        model: DemoModel,
    ) -> None:
        self._opened = opened
        self._plan = plan
        self._account = account
        self._wish = wish
        self._version_id: int | None = None
        self._after = 0
        self._last_step = float("-inf")
        self.model = model
        """As of the last look."""

    async def begin(self) -> str:
        """Ask the worker for a version that the plan switches to, or take up what a former demo left; a sentence about it.

        Raises:
            KokexError: the market's past cannot be had.
        """
        versions = await self._opened.models.versions(self._plan)
        newest = versions[-1] if versions else None
        if newest is not None and newest.status is VersionStatus.READY:
            return await self._take_up(newest)
        if self._wish is None:
            return self.model.line
        if newest is not None and newest.status is VersionStatus.TRAINING:
            return await self._take_up(newest)
        await self._fetch_past()
        asked = await self._opened.training.request(self._plan, self._wish)
        self._version_id = asked.id
        self.model = DemoModel.of(asked)
        return f"{asked.name}, a tiny Kronos model, is trained on this market by a worker beside it."

    @property
    def needs_worker(self) -> bool:
        """There is something to train or to forecast with."""
        return self._version_id is not None

    async def look(self) -> list[Happening]:
        """What is new."""
        if self._version_id is None or self.model.ended:
            return []
        current = await self._opened.store.models.get(self._version_id)
        happenings = []
        while page := await self._opened.store.models.told(current.id, self._after):
            self._after = page[-1][0]
            happenings += [
                Happening("training", None, line) for _, event in page if (line := self._hear(event))
            ]
        if current.status is VersionStatus.FAILED or current.active:
            self.model = DemoModel.of(current)
            happenings.append(Happening("training", None, self.model.sentence))
        return happenings

    async def outcome(self) -> DemoModel:
        """The model as it is now: the evaluation is read once more from the database."""
        if self._version_id is not None:
            current = await self._opened.store.models.get(self._version_id)
            if current.status is not VersionStatus.TRAINING:
                self.model = DemoModel.of(current)
        return self.model

    def _hear(self, event: ProgressEvent) -> str | None:
        """Take note; the line that is worth telling."""
        kind = event.get("kind")
        if kind == "Finished":
            return None
        line = progress_line(event)
        share = None
        if kind == "StepDone":
            done = STAGES.index(str(event["stage"])) + int(event["step"]) / max(int(event["steps"]), 1)
            share = done / len(STAGES)
        self.model = self.model.at(line, share)
        now = time.monotonic()
        if kind == "StepDone" and now - self._last_step < LINE_SECONDS:
            return None
        self._last_step = now
        return line

    async def _take_up(self, version: ModelVersion) -> str:
        """What a former demo told already is not told again."""
        while page := await self._opened.store.models.told(version.id, self._after):
            self._after = page[-1][0]
        self._version_id = version.id
        self.model = DemoModel.of(version)
        if version.status is VersionStatus.TRAINING:
            return f"The training of {version.name}, which the former demo began, goes on."
        return f"{version.name} was trained by the former demo."

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
