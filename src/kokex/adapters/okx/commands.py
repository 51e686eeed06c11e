"""Submit, amend and cancel: an order of the domain out, one of three outcomes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from kokex.adapters.okx import routes
from kokex.adapters.okx.errors import DUPLICATE_ORDER
from kokex.adapters.okx.parse.scalars import kind_of
from kokex.adapters.okx.rest import ORDER_LIFETIME, OKXRestClient
from kokex.adapters.okx.routes import Route
from kokex.adapters.okx.wire import CommandItem
from kokex.domain.errors import (
    DataError,
    ExchangeError,
    ExchangeRejectedError,
    ExchangeStoppedError,
    ExchangeUnavailableError,
    ExchangeUnknownError,
)
from kokex.domain.ids import stop_name
from kokex.domain.instrument import InstrumentKind
from kokex.domain.order import OrderRequest, OrderType, OrderUpdate
from kokex.domain.risk import Approved, ApprovedAmendment
from kokex.domain.stops import Stops
from kokex.ports.clock import Clock
from kokex.ports.exchange import Accepted, Outcome, Rejected, Unknown

SETTLING_MARGIN = timedelta(seconds=5)
"""How long after its expiry an order may still come to light: the exchange's queues and caches."""

FindOrder = Callable[[str, str], Awaitable[OrderUpdate | None]]
"""Asks the exchange for an order by instrument and client order id."""


class OrderCommands:
    """Sends commands of one account. Never sends one again whose outcome is unknown."""

    def __init__(self, rest: OKXRestClient, clock: Clock, find_order: FindOrder) -> None:
        self._rest = rest
        self._clock = clock
        self._find_order = find_order

    async def submit(self, order: Approved) -> Outcome:
        """Send `order`. A client order id that exists already is that order, accepted before."""
        request = order.request
        answer = await self._send(routes.SUBMIT, submit_body(request), request.inst_id, expires=True)
        if isinstance(answer, Rejected) and answer.code in DUPLICATE_ORDER:
            return await self._accepted_before(request, answer.reason)
        if not isinstance(answer, CommandItem):
            return answer
        if not answer.ordId:
            return self._unknown("OKX accepted the order without an id")
        return Accepted(answer.ordId)

    async def amend(self, change: ApprovedAmendment, request_id: str) -> Outcome:
        """Ask for a change of an order. OKX v5: accepted is not done, an orders push with this `reqId` tells.

        `cxlOnFail` stays off: a bad change must not end a sound order.
        """
        body = amend_body(change, request_id)
        answer = await self._send(routes.AMEND, body, change.request.inst_id, expires=True)
        return Accepted(answer.ordId or "") if isinstance(answer, CommandItem) else answer

    async def cancel(self, inst_id: str, client_order_id: str) -> Outcome:
        """Ask for the cancellation of the order."""
        body = {"instId": inst_id, "clOrdId": client_order_id}
        answer = await self._send(routes.CANCEL, body, inst_id)
        return Accepted(answer.ordId or "") if isinstance(answer, CommandItem) else answer

    async def cancel_stop(self, inst_id: str, stop_id: str) -> Outcome:
        """Ask for the cancellation of a stop."""
        body = [{"instId": inst_id, "algoId": stop_id}]
        answer = await self._send(routes.CANCEL_STOPS, body, inst_id)
        return Accepted(stop_id) if isinstance(answer, CommandItem) else answer

    async def amend_stop(self, inst_id: str, stop_id: str, quantity: Decimal) -> Outcome:
        """Ask for another quantity of a stop. OKX v5: `cxlOnFail` stays off, so a change that cannot be made ends no stop."""
        body = {"instId": inst_id, "algoId": stop_id, "newSz": f"{quantity:f}"}
        answer = await self._send(routes.AMEND_STOP, body, inst_id)
        return Accepted(stop_id) if isinstance(answer, CommandItem) else answer

    async def _send(
        self,
        route: Route,
        body: Mapping[str, object] | Sequence[Mapping[str, object]],
        inst_id: str,
        *,
        expires: bool = False,
    ) -> CommandItem | Rejected | Unknown:
        """What OKX says to a command that it took, else what became of the command."""
        try:
            return await self._rest.write(route, body, scope=inst_id, expires=expires)
        except ExchangeRejectedError as error:
            return Rejected(error.code or "", str(error))
        except ExchangeUnavailableError as error:
            return Unknown(str(error), self._clock.now())
        except ExchangeUnknownError as error:
            return self._unknown(str(error))

    async def _accepted_before(self, request: OrderRequest, reason: str) -> Outcome:
        try:
            known = await self._find_order(request.inst_id, request.client_order_id)
        except ExchangeStoppedError:
            raise
        except (ExchangeError, DataError) as trouble:
            return self._unknown(f"{reason}; and the order could not be asked for: {trouble}")
        if known is None:
            return self._unknown(f"{reason}; but OKX does not show the order")
        return Accepted(known.order_id)

    def _unknown(self, reason: str) -> Unknown:
        return Unknown(reason, self._clock.now() + ORDER_LIFETIME + SETTLING_MARGIN)


def submit_body(request: OrderRequest) -> dict[str, object]:
    """`request` as OKX v5 takes it: spot with cash and sized in base, swaps cross and sized in contracts."""
    spot = kind_of(request.inst_id) is InstrumentKind.SPOT
    body: dict[str, object] = {
        "instId": request.inst_id,
        "tdMode": "cash" if spot else "cross",
        "clOrdId": request.client_order_id,
        "side": request.side.value,
        "ordType": request.order_type.value,
        "sz": f"{request.quantity:f}",
    }
    if request.price is not None:
        body["px"] = f"{request.price:f}"
    if spot and request.order_type is OrderType.MARKET:
        body["tgtCcy"] = "base_ccy"
    if not spot and request.reduce_only:
        body["reduceOnly"] = True
    if request.stops is not None:
        body["attachAlgoOrds"] = [_attached(request.client_order_id, request.stops)]
    return body


def _attached(client_order_id: str, stops: Stops) -> dict[str, str]:
    """One order with a leg for each stop: the first that the last price reaches ends the other. An order price of -1 is the market."""
    attached = {"attachAlgoClOrdId": stop_name(client_order_id)}
    for leg, trigger in (("sl", stops.stop_loss), ("tp", stops.take_profit)):
        if trigger is not None:
            attached |= {
                f"{leg}TriggerPx": f"{trigger:f}",
                f"{leg}TriggerPxType": "last",
                f"{leg}OrdPx": "-1",
            }
    return attached


def amend_body(change: ApprovedAmendment, request_id: str) -> dict[str, object]:
    """`change` as OKX v5 takes it: only what changes; `newSz` is the new total with what is filled already."""
    body: dict[str, object] = {
        "instId": change.request.inst_id,
        "clOrdId": change.request.client_order_id,
        "reqId": request_id,
    }
    if change.quantity is not None:
        body["newSz"] = f"{change.quantity:f}"
    if change.price is not None:
        body["newPx"] = f"{change.price:f}"
    return body
