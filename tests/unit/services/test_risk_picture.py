"""A turn's budget is drawn from a sketch: it has to come to what the whole picture of the gate would come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from decimal import Decimal
from inspect import signature
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.account import AccountSnapshot, Balance, ExchangeAccount, Ticker
from kokex.domain.grant import Grant
from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderStatus
from kokex.domain.plan import Plan
from kokex.domain.risk import Sketch, draw_grant
from kokex.domain.risk.state import Neighbours
from kokex.domain.standing import Standing
from kokex.ports.risk import HaltRecord
from kokex.services.accounts import AccountSession
from kokex.services.halts import Halts
from kokex.services.ledger import Ledgers
from kokex.services.neighbours import Neighbourhood
from kokex.services.performance import PerformanceService
from kokex.services.risk_picture import RiskPictures
from tests.builders import ETH, ETH_SWAP, START, fill, order, plan
from tests.fakes.exchange import CREDENTIALS, account

DRAWN = 1000
"""Worlds that are compared; each comes from one number."""


class World:
    """A plan with limits of any kind, a neighbour, and what is known of their account, more or less."""

    def __init__(self, seed: int) -> None:
        random = self.random = Random(seed)
        self.instrument = random.choice((ETH, ETH_SWAP))
        self.price = random.choice((None, *[Decimal(random.randint(1500, 2500))] * 6))
        self.ledgers = Ledgers()
        self.plan = plan(inst_id=self.instrument.inst_id, limits=_limits(random))
        other = plan(id=2, inst_id=self.instrument.inst_id, limits=RiskLimits(capital=Decimal(500)))
        clock: Any = SimpleNamespace(now=lambda: START, monotonic=lambda: 0.0)
        neighbourhood = Neighbourhood(self.ledgers, self)  # type: ignore[arg-type]
        for one in (self.plan, other):
            self._open(one)
            neighbourhood.know(one)
        performance = PerformanceService(None, clock, self.ledgers, self)  # type: ignore[arg-type]
        if random.random() < 0.9:
            self._perform(performance)
        self.session = self._account(clock)
        halts = Halts(clock)
        if random.random() < 0.95:
            halts.take(_halts(random))
        asked = {
            "clock": clock,
            "market_data": self,
            "neighbourhood": neighbourhood,
            "performance": performance,
            "halts": halts,
            "ledgers": self.ledgers,
            "ages": self,
        }
        self.pictures = RiskPictures(**{name: asked[name] for name in signature(RiskPictures).parameters})

    @property
    def budget(self) -> Grant:
        """From the sketch."""
        return self.pictures.budget(self.session, self.plan, 1).left

    @property
    def whole(self) -> Grant:
        """From all that the gate is told."""
        state = self.pictures.state(self.session, self.plan, self.ledgers.of(1))
        return draw_grant(self.plan.limits, state, self.plan.agent.max_tool_calls)

    def fresh_ticker(self, owner: ExchangeAccount, inst_id: str) -> Ticker | None:
        return None if self.price is None else Ticker(inst_id, self.price, None, None, START)

    def mark_price(self, owner: ExchangeAccount, inst_id: str) -> Decimal | None:
        return self.price

    def staleness(self, *place: Any) -> str | None:
        return "old"

    def _open(self, one: Plan) -> None:
        random, name = self.random, self.instrument.inst_id
        sides = list(Side) if self.instrument is ETH_SWAP else [Side.BUY]
        fills = [
            fill(number, inst_id=name, side=random.choice(sides), fee=None)
            for number in range(random.choice((0, 0, 1, 3)))
        ]
        pending = [
            order(
                plan_id=one.id,
                inst_id=name,
                client_order_id=f"KXtestP{one.id}D1S{number}",
                side=random.choice(list(Side)),
                status=OrderStatus.ACCEPTED,
            )
            for number in range(random.choice((0, 0, 1, 3)))
        ]
        self.ledgers.open(one.id, self.instrument, fills, pending)

    def _perform(self, performance: PerformanceService) -> None:
        """As `PerformanceService.open` does, with nothing kept."""
        price, self.price = self.price, Decimal(2000)
        performance._records[1] = SimpleNamespace(  # type: ignore[assignment]
            plan=self.plan, account=account(), worth=None, saved=None, stops=[], last_stop=0
        )
        if self.random.random() < 0.8:
            performance.mark(1)
        self.price = price

    def _account(self, clock: Any) -> AccountSession:
        random, exchange = self.random, SimpleNamespace()
        session = AccountSession(account(), CREDENTIALS, exchange, clock, reconciled=True)  # type: ignore[arg-type]
        session.owned = random.random() < 0.95
        session.standing = random.choice((*[Standing.TRADING] * 8, *Standing))
        if random.random() < 0.05:
            session.lost = {self.instrument.inst_id: "delisted"}
        total = Decimal(random.randint(0, 20_000))
        if random.random() < 0.9:
            session.snapshot = AccountSnapshot({"USDT": Balance("USDT", total, total, Decimal(0))}, {}, START)
        return session


def _limits(random: Random) -> RiskLimits:
    """Each limit that may be none is none in half of the worlds, by itself."""

    def perhaps(least: int, most: int, parts: int = 1) -> Decimal | None:
        return random.choice((None, Decimal(random.randint(least, most)) / parts))

    return RiskLimits(
        max_position_notional=Decimal(random.randint(100, 6000)),
        allow_short=random.random() < 0.5,
        sides=random.choice((frozenset(Side), frozenset({Side.BUY}), frozenset({Side.SELL}))),
        max_order_share=perhaps(1, 100, 100),
        max_position_share=perhaps(1, 100, 100),
        max_account_notional=perhaps(100, 9000),
        max_leverage=perhaps(1, 30, 10),
        capital=perhaps(100, 6000),
        max_single_order_ratio=perhaps(1, 100, 100),
    )


def _halts(random: Random) -> list[HaltRecord]:
    scope, number = random.choice(((HaltScope.PLAN, 1), (HaltScope.PLAN, 2), (HaltScope.ACCOUNT, 1)))
    halt = Halt(scope, number, HaltLevel.REDUCE_ONLY, "a person said so", "ann", START)
    return [SimpleNamespace(halt=halt)] if random.random() < 0.2 else []  # type: ignore[list-item]


def _differing(count: int) -> list[int]:
    """Worlds in which the two differ; each is made twice, so that neither prepares anything for the other."""
    return [seed for seed in range(count) if World(seed).budget != World(seed).whole]


def test_the_budget_is_that_of_the_whole_picture() -> None:
    """For limits of every kind together, whatever is known or not."""
    assert _differing(DRAWN) == []


def test_the_worlds_tell_of_every_kind_of_budget() -> None:
    """None, of one side, of both; of many sizes."""
    budgets = [World(seed).budget for seed in range(300)]

    assert Counter(len(one.sides) for one in budgets).keys() == {0, 1, 2}
    assert len({one.notional for one in budgets}) > 50


_LEFT_OUT: dict[str, Any] = {
    "quantity": Decimal(0),
    "pending": (),
    "last_price": Decimal(1),
    "account": Standing.TRADING,
    "halts": (),
    "performance": None,
    "neighbours": Neighbours(),
    "instrument": ETH,
}


@pytest.mark.parametrize("name", [one.name for one in fields(Sketch)])
def test_whatever_is_left_out_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the sketch is there for nothing."""
    sketch = RiskPictures._sketch

    def without(self: RiskPictures, session: AccountSession, of: Plan) -> Sketch:
        return replace(sketch(self, session, of), **{name: _LEFT_OUT[name]})

    monkeypatch.setattr(RiskPictures, "_sketch", without)
    assert _differing(400)


@pytest.mark.parametrize("name", ["max_position_share", "max_account_notional", "max_leverage"])
def test_no_limit_on_the_account_is_overlooked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account is looked at for the sake of each of them alone."""
    sketch = RiskPictures._sketch

    def without(self: RiskPictures, session: AccountSession, of: Plan) -> Sketch:
        drawn = sketch(self, session, of)
        return replace(drawn, neighbours=Neighbours()) if _of_account(of.limits) == {name} else drawn

    monkeypatch.setattr(RiskPictures, "_sketch", without)
    assert _differing(600)


def _of_account(limits: RiskLimits) -> set[str]:
    """Limits on the account that are set."""
    names = ("max_order_share", "max_position_share", "max_account_notional", "max_leverage")
    return {name for name in names if getattr(limits, name) is not None}
