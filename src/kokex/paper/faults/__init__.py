"""Faults of the paper exchange: what networks and exchanges do to a client, on demand, seeded and recorded.

A `FaultPlan` says what shall go wrong; `Faults` decides at each occasion; the other rooms carry it out. No fault touches the
exchange's own record: orders, fills, balances and events stay right, so whatever a client believes at the end can be checked.

    kinds      every kind, and where it can strike
    plan       Fault and FaultPlan: values, to and from plain mappings
    file       a plan from TOML or JSON
    injector   which occasion is struck
    record     what struck
    frames     what leaves a WebSocket
    answers    what REST answers
    past       the account as it was before its newest event
    orders     order pushes, amendments, post-only orders
"""

from __future__ import annotations

from kokex.paper.faults.file import read_plan
from kokex.paper.faults.injector import Faults
from kokex.paper.faults.kinds import KINDS, Kind, Site
from kokex.paper.faults.plan import Fault, FaultPlan, FaultPlanError
from kokex.paper.faults.record import FaultRecord, Occasion, Strike

__all__ = [
    "KINDS",
    "Fault",
    "FaultPlan",
    "FaultPlanError",
    "FaultRecord",
    "Faults",
    "Kind",
    "Occasion",
    "Site",
    "Strike",
    "read_plan",
]
