"""Compares what plans hold with what the account holds, at a moment when nothing moves in between."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal

from kokex.domain.account import AccountSnapshot
from kokex.domain.errors import ExchangeUnavailableError
from kokex.domain.holdings import SwapRecord, baseline, spot_difference, swap_difference
from kokex.domain.instrument import InstrumentKind
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession, position_mode_fault
from kokex.services.ledger import Ledgers, PlanLedger
from kokex.services.order_events import OrderEventService
from kokex.services.reconciling.missed import LOOKS, MissedEvents, Unfound

RETRIES = 3
"""How often a difference is looked at again before it counts: balances may follow their fills a moment later."""
RETRY_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Picture:
    """An account at one moment.

    Attributes:
        differences: sentences, by instrument; empty where all agrees.
    """

    differences: dict[str, str]
    unfound: tuple[Unfound, ...]

    @property
    def reason(self) -> str | None:
        """All differences in one line; None where there is none."""
        return "; ".join(dict.fromkeys(self.differences.values())) or None


@dataclass(frozen=True, slots=True)
class _Marks:
    """Counts that move with every fill."""

    fills: tuple[tuple[int, int], ...]
    swaps: dict[str, SwapRecord]


class Holdings:
    """Takes pictures of accounts."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ledgers: Ledgers,
        order_events: OrderEventService,
        missed: MissedEvents,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._order_events = order_events
        self._missed = missed

    async def picture(self, session: AccountSession, instruments: Collection[str]) -> Picture:
        """Journal what was missed, and compare. A difference counts once it was seen several times in a row.

        Raises:
            RecordRefusedError: one instrument cannot be read; the others may be, without it.
            ExchangeError: the exchange could not be read, or nothing stood still for long enough.
        """
        picture = await self._calm_picture(session, instruments)
        for attempt in range(1, RETRIES + 1):
            if not picture.differences:
                break
            await self._clock.sleep(RETRY_SECONDS * attempt)
            picture = await self._calm_picture(session, instruments)
        return picture

    async def _calm_picture(self, session: AccountSession, instruments: Collection[str]) -> Picture:
        for _ in range(LOOKS):
            before = await self._marks(session, instruments)
            snapshot = await session.refresh()
            unfound = await self._missed.read(session, instruments)
            if await self._marks(session, instruments) == before:
                differences = await self._differences(session, snapshot, before, unfound)
                return Picture(differences, tuple(unfound))
        raise ExchangeUnavailableError(
            f"account {session.account.name} traded without a pause while it was read; reading it again"
        )

    async def _differences(
        self, session: AccountSession, snapshot: AccountSnapshot, marks: _Marks, unfound: list[Unfound]
    ) -> dict[str, str]:
        found = self._spot(session, snapshot, [one.inst_id for one in unfound])
        if marks.swaps:
            fault = position_mode_fault(session.account, await session.exchange.settings())
            if fault is not None:
                return found | dict.fromkeys(marks.swaps, fault)
        for inst_id, record in marks.swaps.items():
            coverage = next(one.coverage for one in unfound if one.inst_id == inst_id)
            known = snapshot.positions.get(inst_id)
            position = known.quantity if known is not None else Decimal(0)
            if coverage.baseline is None:
                taken = replace(coverage, baseline=baseline(record, position))
                await self._store.reconciliation.save_coverage(taken)
                continue
            sentence = swap_difference(inst_id, record, coverage.baseline, position)
            if sentence is not None:
                found[inst_id] = sentence
        return found

    def _spot(
        self, session: AccountSession, snapshot: AccountSnapshot, instruments: Collection[str]
    ) -> dict[str, str]:
        held: dict[str, Decimal] = {}
        traded: dict[str, str] = {}
        for _, ledger in self._at_work(session):
            instrument = ledger.book.instrument
            if instrument.kind is InstrumentKind.SPOT and instrument.inst_id in instruments:
                currency = instrument.base_currency
                held[currency] = held.get(currency, Decimal(0)) + ledger.book.quantity
                traded[currency] = instrument.inst_id
        told = {
            currency: spot_difference(currency, quantity, snapshot.total(currency))
            for currency, quantity in held.items()
        }
        return {traded[currency]: sentence for currency, sentence in told.items() if sentence is not None}

    async def _marks(self, session: AccountSession, instruments: Collection[str]) -> _Marks:
        at_work = self._at_work(session)
        swaps = {
            ledger.book.instrument.inst_id
            for _, ledger in at_work
            if ledger.book.instrument.kind is InstrumentKind.SWAP
        }
        records = {
            inst_id: await self._store.reconciliation.swap_record(session.account.id, inst_id)
            for inst_id in sorted(swaps.intersection(instruments))
        }
        return _Marks(tuple((plan_id, ledger.book.fills) for plan_id, ledger in at_work), records)

    def _at_work(self, session: AccountSession) -> list[tuple[int, PlanLedger]]:
        connection = self._order_events.connections.get(session.account.connection_key)
        plans = sorted(connection.plans) if connection is not None else []
        found = [(plan_id, self._ledgers.get(plan_id)) for plan_id in plans]
        return [(plan_id, ledger) for plan_id, ledger in found if ledger is not None]
