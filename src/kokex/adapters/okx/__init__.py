"""OKX, natively: REST and WebSocket v5 behind the exchange port, for live, demo and the local paper exchange."""

from kokex.adapters.okx.account_ws import OKXAccountWebSocket
from kokex.adapters.okx.adapter import OKXAdapter
from kokex.adapters.okx.configuration import Region, endpoints_for

__all__ = ["OKXAccountWebSocket", "OKXAdapter", "Region", "endpoints_for"]
