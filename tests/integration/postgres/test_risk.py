"""What is kept of risk, exactly."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from kokex.adapters.postgres import PostgresStore
from kokex.domain.results import Worth
from tests.builders import START

WORTH = Worth(START, Decimal("-1.50"), Decimal(0), Decimal("2.5"))


async def test_worths_replace_older_ones(store: PostgresStore) -> None:
    """One row a plan; an engine that lost the account and writes late changes nothing."""
    later = Worth(START + timedelta(seconds=2), Decimal(3), Decimal(0), Decimal(3))
    assert await store.risk.worth(1) is None
    await store.risk.save_worths({1: WORTH, 2: WORTH})
    assert await store.risk.worth(1) == WORTH
    await store.risk.save_worths({1: later})
    await store.risk.save_worths({1: WORTH})
    assert await store.risk.worth(1) == later
    assert await store.risk.worth(2) == WORTH
