"""From HTTP to handlers: routing, signing, limits, envelopes, and the order of answer and pushes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.exchange.rejection import RejectionError
from kokex.paper.exchange.request import field
from kokex.paper.faults.answers import AnswerFaults, gateway_page, timed_out
from kokex.paper.faults.injector import ANYWHERE
from kokex.paper.faults.plan import Fault
from kokex.paper.faults.record import Occasion
from kokex.paper.gateway.budgets import spend_command
from kokex.paper.gateway.limits import RateLimiter
from kokex.paper.gateway.refusal import RefusalError
from kokex.paper.gateway.signing import authenticate
from kokex.paper.gateway.timers import CancelTimers
from kokex.paper.ledger.account import Account
from kokex.paper.rest import account, algo, market, public, records, sizes, trade
from kokex.paper.rest.call import Answer, Call, Route
from kokex.paper.websocket.publisher import Publisher

PREFIX = "/api/v5/"
_ROUTES: dict[tuple[str, str], Route] = {
    **public.ROUTES,
    **market.ROUTES,
    **account.ROUTES,
    **sizes.ROUTES,
    **records.ROUTES,
    **trade.ROUTES,
    **algo.ROUTES,
}
_encode = msgspec.json.Encoder().encode


class RestFace:
    """Serves every endpoint of the table."""

    def __init__(
        self,
        exchange: PaperExchange,
        publisher: Publisher,
        limiter: RateLimiter,
        timers: CancelTimers,
        faults: AnswerFaults,
    ) -> None:
        self._exchange = exchange
        self._publisher = publisher
        self._limiter = limiter
        self._timers = timers
        self._answers = faults
        self._faults = faults.faults

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; pushes that it caused leave after the answer unless told otherwise."""
        received_us = time.time_ns() // 1000
        body = await request.read()
        route = _ROUTES.get((request.method, request.path.removeprefix(PREFIX)))
        if route is None:
            return _json({"msg": f"{request.method} {request.path} is not found", "code": "404"}, status=404)
        occasion = self._occasion(request, body)
        instead = self._answers.instead(occasion, command=route.command)
        if isinstance(instead, Fault):
            return _cut(request)
        if instead is not None:
            return instead
        try:
            payload = self._answer(request, route, body, received_us, occasion)
        except RefusalError as refusal:
            await self._answers.linger(occasion)
            return _json({"msg": refusal.message, "code": refusal.code}, status=refusal.status)
        await self._answers.linger(occasion)
        if not route.private or request.method == "GET":
            return _json(payload)
        return await self._deliver(request, route, payload, occasion)

    def _occasion(self, request: web.Request, body: bytes) -> Occasion:
        if self._faults.idle:
            return ANYWHERE
        key = request.headers.get("OK-ACCESS-KEY", "")
        try:
            params, items = _parameters(request, body)
        except RefusalError:
            params, items = {}, ()
        fields = items[0] if items else params
        return self._answers.occasion(request.method, request.path.removeprefix(PREFIX), key, fields)

    async def _deliver(
        self, request: web.Request, route: Route, payload: dict[str, Any], occasion: Occasion
    ) -> web.StreamResponse:
        response = _json(payload)
        if route.command:
            if self._faults.strike("cut_before_ack", occasion):
                self._publisher.flush()
                return _cut(request)
            late = self._faults.strike("timeout_live", occasion)
            if late is not None:
                told, status = timed_out(late, payload["data"])
                response = _json(told, status=status)
            elif self._faults.strike("bad_gateway_live", occasion):
                response = gateway_page()
        push_first = self._exchange.config.ack_order == "push_first"
        if push_first or (route.command and self._faults.strike("push_first", occasion)) or _gone(request):
            self._publisher.flush()
            return response
        await response.prepare(request)
        await response.write_eof()
        self._publisher.flush()
        return response

    def _answer(
        self, request: web.Request, route: Route, body: bytes, received_us: int, occasion: Occasion
    ) -> dict[str, Any]:
        wall_s = time.time() + self._answers.clock_shift_s(occasion)
        signed_in = None
        if route.private:
            text = body.decode("utf-8", "replace")
            signed_in = authenticate(
                self._exchange, request.headers, request.method, request.raw_path, text, wall_s
            )
        params, items = _parameters(request, body)
        self._spend(request, route, signed_in, params, items)
        _check_deadline(request.headers.get("expTime", ""), wall_s)
        exchange = self._answers.exchange_for(occasion, signed_in)
        wall_ms = int(wall_s * 1000) + self._answers.forgotten_ms(occasion)
        call = Call(exchange, self._timers, params, items, signed_in, wall_ms)
        try:
            answer = self._run(route, call, changes=route.private and request.method == "POST")
        except RejectionError as refusal:
            return {"code": refusal.code, "msg": refusal.message, "data": []}
        if not isinstance(answer, Answer):
            answer = Answer("0", "", answer)
        data = self._answers.market_data(occasion, params, answer.data)
        payload: dict[str, Any] = {"code": answer.code, "msg": answer.message, "data": data}
        if route.command:
            payload["inTime"], payload["outTime"] = str(received_us), str(time.time_ns() // 1000)
        return payload

    def _run(self, route: Route, call: Call, *, changes: bool) -> Any:
        if changes:
            return self._exchange.run(lambda: route.handler(call), settings=not route.command)
        with self._exchange.exact():
            return route.handler(call)

    def _spend(
        self,
        request: web.Request,
        route: Route,
        signed_in: Account | None,
        params: Mapping[str, Any],
        items: Sequence[Mapping[str, Any]],
    ) -> None:
        name = request.path.removeprefix(PREFIX)
        if route.command and signed_in is not None:
            inst_ids = [field(item, "instId") for item in (items or [params])]
            spend_command(self._limiter, name.removeprefix("trade/"), signed_in, inst_ids)
            return
        owner = signed_in.uid if signed_in is not None else str(request.remote)
        products = [""]
        if route.limit.scope == "user+inst":
            products = [field(item, "instId") for item in (items or [params])]
        for product in set(products):
            self._limiter.spend(
                name,
                f"{owner} {product}",
                route.limit,
                now_s=time.monotonic(),
                cost=products.count(product),
            )


def _parameters(request: web.Request, body: bytes) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    if request.method == "GET":
        return dict(request.query), ()
    if not body:
        return {}, ()
    try:
        parsed = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise RefusalError("50002", "JSON syntax error", 400) from error
    if isinstance(parsed, dict):
        return parsed, ()
    if isinstance(parsed, list) and all(isinstance(item, dict) for item in parsed):
        return {}, parsed
    raise RefusalError("50002", "JSON syntax error", 400)


def _check_deadline(deadline: str, wall_s: float) -> None:
    """OKX v5: a request whose `expTime` (ms) has passed is not processed."""
    if not deadline:
        return
    if not deadline.isdigit():
        raise RefusalError("51000", "Parameter expTime error", 400)
    if int(deadline) < wall_s * 1000:
        raise RefusalError("50036", "The expTime can't be earlier than the current system time.", 200)


def _cut(request: web.Request) -> web.Response:
    """Drop the connection; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _gone(request: web.Request) -> bool:
    """Whether the client has not waited."""
    return request.transport is None or request.transport.is_closing()


def _json(payload: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(body=_encode(payload), status=status, content_type="application/json")
