"""Capital: how large a holding to wish for, by how many orders to enter and leave it, and the stop that trails it.

All of it is pure, and none of it can widen a limit: the risk gate stays the only authority.
"""

from kokex.domain.capital.batches import Batch, BatchOrder, BatchRules, lay_out
from kokex.domain.capital.prospects import (
    LiveSkill,
    MeasuredSkill,
    Prospect,
    Volatility,
    live_skill,
    prospect,
    read_skill,
    round_trip,
    volatility,
)
from kokex.domain.capital.settings import CapitalSettings, SizingMethod
from kokex.domain.capital.sizing import Factor, Sizing, SizingFacts, largest_order, size
from kokex.domain.capital.trailing import Trail

__all__ = [
    "Batch",
    "BatchOrder",
    "BatchRules",
    "CapitalSettings",
    "Factor",
    "LiveSkill",
    "MeasuredSkill",
    "Prospect",
    "Sizing",
    "SizingFacts",
    "SizingMethod",
    "Trail",
    "Volatility",
    "largest_order",
    "lay_out",
    "live_skill",
    "prospect",
    "read_skill",
    "round_trip",
    "size",
    "volatility",
]
