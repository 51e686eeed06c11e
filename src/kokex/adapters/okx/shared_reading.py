"""What all accounts of one host have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from kokex.adapters.okx.server_clock import Offset
from kokex.adapters.okx.shared_answers import SharedAnswers


@dataclass(frozen=True, slots=True)
class SharedReading:
    """Answers of public routes, by their path, and how far the exchange's clock is from ours."""

    rows: SharedAnswers[list[msgspec.Raw]] = field(default_factory=SharedAnswers)
    offset: Offset = field(default_factory=Offset)
