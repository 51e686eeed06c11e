"""The columns of each row are in the order of its fields: their values are taken by position."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec
import pytest

from kokex.adapters.postgres import journal_columns
from kokex.adapters.postgres.parameters import BigintArray, TextArray
from kokex.adapters.postgres.projection import FillRow, HeadRow, OrderRow
from tests.builders import START


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (journal_columns._ORDER, OrderRow),
        (journal_columns._FILL, FillRow),
        (journal_columns._HEAD, HeadRow),
    ],
)
def test_columns_are_the_fields_in_their_order(
    columns: Mapping[str, object], row: type[msgspec.Struct]
) -> None:
    """A field added to the one has to be added to the other, at the same place."""
    assert tuple(columns) == row.__struct_fields__


def test_rows_are_turned_into_columns() -> None:
    """Two heads: three columns of two values."""
    rows = [HeadRow(1, "ETH-USDT", START), HeadRow(2, "BTC-USDT", START + timedelta(seconds=1))]
    columns = journal_columns.head_columns(rows)
    assert columns["head_account_id"] == BigintArray.of([1, 2])
    assert columns["head_inst_id"] == TextArray.of(["ETH-USDT", "BTC-USDT"])
    assert next(iter(journal_columns.fill_columns([]).values())) == BigintArray.of([])


def test_few_different_values_are_encoded_like_many() -> None:
    """Nothing but the work differs."""
    assert TextArray.of_few(["a", None, "a", ""]) == TextArray.of(["a", None, "a", ""])
    assert BigintArray.of_few([1, None, 1, 2**40]) == BigintArray.of([1, None, 1, 2**40])
