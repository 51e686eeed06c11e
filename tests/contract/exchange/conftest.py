"""Every exchange adapter, on an exchange that a test can move. The suite knows the ports alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.exchange.okx_on_paper import okx_on_paper
from tests.contract.exchange.venue import Venue

VENUES = {"okx_on_paper": okx_on_paper}


@pytest.fixture(params=VENUES)
async def venue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Venue]:
    """Each adapter in turn, on an exchange of its own."""
    async with VENUES[request.param](tmp_path) as made:
        yield made
