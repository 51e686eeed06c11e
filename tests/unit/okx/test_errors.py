"""The whole table of codes, written down a second time: what each means for a read, a write and a write's item."""

from __future__ import annotations

import pytest

from kokex.adapters.okx.errors import (
    ErrorKind,
    Verdict,
    error_kind,
    exchange_error,
    verdict_for_read,
    verdict_for_write,
)
from kokex.domain.errors import (
    ExchangeRejectedError,
    ExchangeStoppedError,
    ExchangeUnavailableError,
    ExchangeUnknownError,
)

# Letters as in the protocol's table: B back off, X back off but a write is unknown, ? unknown, R rejected, S state conflict,
# A and H a person must act, C the clock, N a new connection.
TABLE = {
    "X": "50001 50013 50026 63999 64007",
    "?": "50004 51054 51149 51412",
    "B": "50011 50040 50061 51113 51513 60014",
    "R": """50002 50006 50014 50015 50016 50024 50036 50037 50038 50053
            51000 51001 51003 51004 51006 51008 51020 51120 51021 51022 51027 51028 51029 51030
            51025 51102 51103 51174 51101 51201 51202 51203 51116 51137 51138 51121 51150 51127 51131
            51511 52000 54011 54012 54051 54094
            59000 59101 59102 59103 59104 59105 59106 59107 59108 59109 59110
            60012 60013 60018 60019 60027 60033 64001 64002 64003 64004""",
    "S": "50042 50071 51011 51016 51023 51169 51063 51603 51112 51115 51170 51400 51410 51503",
    "A": """50005 50100 50120 50101 50103 50104 50105 50106 50107 50111 50112 50113 50114 50110 50119
            51010 54109 60004 60005 60007 60008 60009 60024 60032""",
    "H": "50007 50008 50009 50012 50027 50028 50029 50030 50033 50035 51024 51155 59113",
    "C": "50102 60006",
    "N": "64008",
}
VERDICTS = {  # read, write as a whole, a write's item
    "X": (Verdict.RETRY, Verdict.UNKNOWN, Verdict.UNKNOWN),
    "?": (Verdict.RETRY, Verdict.UNKNOWN, Verdict.UNKNOWN),
    "B": (Verdict.RETRY, Verdict.RETRY, Verdict.RETRY),
    "R": (Verdict.REJECTED, Verdict.REJECTED, Verdict.REJECTED),
    "S": (Verdict.REJECTED, Verdict.REJECTED, Verdict.REJECTED),
    "A": (Verdict.STOP, Verdict.STOP, Verdict.STOP),
    "H": (Verdict.STOP, Verdict.STOP, Verdict.STOP),
    "C": (Verdict.RETRY, Verdict.RETRY, Verdict.RETRY),
    "N": (Verdict.RETRY, Verdict.RETRY, Verdict.RETRY),
}
ROWS = [(code, letter) for letter, codes in TABLE.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "letter"), ROWS)
def test_every_code_of_the_table_has_its_verdict(code: str, letter: str) -> None:
    """A read, a command as a whole, a command's own item."""
    found = (
        verdict_for_read(code),
        verdict_for_write(code, of_item=False),
        verdict_for_write(code, of_item=True),
    )
    assert found == VERDICTS[letter]


def test_a_state_conflict_is_told_from_a_plain_rejection() -> None:
    """Both are rejected; after a conflict our record is behind."""
    conflicts = {code for code, letter in ROWS if error_kind(code) is ErrorKind.CONFLICT}
    assert conflicts == set(TABLE["S"].split())


def test_an_unlisted_code_is_safe() -> None:
    """A write without a word on its item is unknown; an item with any error code was refused; a read is not repeated for ever."""
    assert verdict_for_write("99999", of_item=False) is Verdict.UNKNOWN
    assert verdict_for_write("99999", of_item=True) is Verdict.REJECTED
    assert verdict_for_read("99999") is Verdict.REJECTED
    assert verdict_for_read("99999", status=503) is Verdict.RETRY
    assert verdict_for_read("99999", status=429) is Verdict.RETRY
    assert verdict_for_write("1", of_item=False) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        (Verdict.REJECTED, ExchangeRejectedError),
        (Verdict.UNKNOWN, ExchangeUnknownError),
        (Verdict.RETRY, ExchangeUnavailableError),
        (Verdict.STOP, ExchangeStoppedError),
    ],
)
def test_an_error_carries_its_code_and_says_what_was_asked(verdict: Verdict, kind: type[Exception]) -> None:
    """One sentence, with the exchange's own words."""
    error = exchange_error(verdict, "51008", "Insufficient balance", "POST /api/v5/trade/order")
    assert type(error) is kind and error.code == "51008"
    assert str(error) == "OKX answered POST /api/v5/trade/order with 51008, 'Insufficient balance'"


def test_wrong_keys_come_with_advice() -> None:
    """A wrong region looks like a wrong key; the message says so."""
    assert "another region" in str(exchange_error(Verdict.STOP, "50119", "", "GET /x"))
    assert "environment" in str(exchange_error(Verdict.STOP, "50101", "", "GET /x"))
