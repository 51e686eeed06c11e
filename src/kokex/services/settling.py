"""What a person declares where no evidence is left. Never done by the engine."""

from __future__ import annotations

from kokex.domain.errors import NotFoundError, StateError
from kokex.domain.events import EventSource, classify
from kokex.domain.order import Order, OrderStatus
from kokex.ports.clock import Clock
from kokex.ports.exchange import ExchangeAdapter
from kokex.ports.store import JournalEntry, Store
from kokex.services.reconciling.fates import canceled

DECLARED = "settled by a person: no trace of it was left at the exchange"


async def settle_order(
    store: Store, clock: Clock, adapter: ExchangeAdapter, client_order_id: str, *, unasked: bool = False
) -> Order:
    """Declare a pending order over, with nothing filled beyond what is on record.

    An order that the exchange never acknowledged becomes `expired`; one that it had accepted is journalled as canceled, source
    `command`. A running engine notices within a second.

    Args:
        unasked: do not ask the exchange about it first.

    Raises:
        NotFoundError: no plan has such a pending order.
        StateError: the exchange knows the order, or it waits for approval.
        ExchangeError: the exchange cannot be asked.
    """
    found = [one for one in await store.orders.pending() if one.client_order_id == client_order_id]
    if not found:
        raise NotFoundError(
            f"no order {client_order_id!r} is pending; `kokex order list` shows those that are"
        )
    order = found[0]
    if order.status.waiting:
        raise StateError(
            f"order {client_order_id} was never sent: it waits for approval; `kokex approve {client_order_id} --refuse` ends it"
        )
    if not unasked:
        await _refuse_known(store, adapter, order)
    if order.status.in_flight:
        await store.orders.settle(
            order.account_id, client_order_id, OrderStatus.EXPIRED, at=clock.now(), reason=DECLARED
        )
    else:
        event = classify(canceled(order, DECLARED))
        entry = JournalEntry(
            order.plan_id,
            order.account_id,
            event,
            EventSource.COMMAND,
            external=False,
            received_at=clock.now(),
        )
        await store.journal.append([entry])
    return await store.orders.get(order.account_id, client_order_id) or order


async def _refuse_known(store: Store, adapter: ExchangeAdapter, order: Order) -> None:
    account = await store.accounts.get(order.account_id)
    exchange = adapter.exchange(account, await store.accounts.credentials(account.id))
    try:
        row = await exchange.order(order.inst_id, client_order_id=order.client_order_id)
    finally:
        await exchange.close()
    if row is not None:
        raise StateError(
            f"the exchange knows order {order.client_order_id}: it is {row.status.value} there; "
            "the engine records what becomes of it, and `kokex plan stop` cancels what is open"
        )
