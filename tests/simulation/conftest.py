"""A laboratory for the runs of one test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kokex.adapters.postgres import EmbeddedPostgres
from tests.fixtures_database import _database
from tests.simulation.laboratory import LOG, Laboratory, laboratory
from tests.simulation.run import run
from tests.simulation.scenario import Scenario, as_code


class Checked:
    """Runs scenarios, and fails with what is needed to run them again."""

    def __init__(self, place: Laboratory) -> None:
        self.place = place

    def hold(self, scenario: Scenario) -> None:
        """Every invariant holds at the end.

        Raises:
            AssertionError: with the scenario as code, what was violated, and the engines' last log lines.
        """
        LOG.clear()
        outcome = run(scenario, self.place)
        if outcome.violations:
            parts = (
                as_code(scenario),
                *outcome.violations,
                f"struck: {dict(outcome.strikes)}",
                *list(LOG)[-80:],
            )
            raise AssertionError(
                "\n".join(("the invariants do not hold; a regression test begins as", *parts))
            )


@pytest.fixture(scope="module")
def place(
    database_server: EmbeddedPostgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Laboratory]:
    """A database of its own on the server that all tests share, whose crashes are left out therefore."""
    with (
        _database(database_server, template=migrated_template) as url,
        laboratory(url, tmp_path_factory.mktemp("simulation")) as made,
    ):
        yield made


@pytest.fixture
def checked(place: Laboratory) -> Checked:
    """Runs scenarios."""
    return Checked(place)
