"""`OKXAccountWebSocket`: the account's own events, as they happen."""

from __future__ import annotations

from datetime import datetime

from kokex.adapters.okx.connection import Connection
from kokex.adapters.okx.connection_setting import ConnectionSetting
from kokex.adapters.okx.login import Login
from kokex.adapters.okx.parse.orders import parse_order_push
from kokex.adapters.okx.parse.scalars import kind_of
from kokex.adapters.okx.rest import OKXRestClient
from kokex.adapters.okx.stream_status import StreamStatus
from kokex.adapters.okx.subscriptions import Channel
from kokex.adapters.okx.wire import Frame
from kokex.domain.account import Credentials
from kokex.domain.errors import DataError
from kokex.domain.events import ClassifiedUpdate, classify
from kokex.domain.order import OrderUpdate
from kokex.ports.exchange import AccountStreamListener

_ORDERS = "orders"


class OKXAccountWebSocket:
    """The private socket of one account; see `kokex.ports.exchange.AccountStream`.

    OKX v5: the orders channel sends no snapshot, only what is new; whoever listens asks over REST after `on_subscribed`.

    Args:
        rest: asked for the exchange's time when the login finds our clock off; closed when `run` ends.
    """

    def __init__(
        self,
        setting: ConnectionSetting,
        credentials: Credentials,
        listener: AccountStreamListener,
        rest: OKXRestClient,
    ) -> None:
        self._listener = listener
        self._rest = rest
        self._connection = Connection(setting, self, Login(credentials, rest.server_clock))

    @property
    def status(self) -> StreamStatus:
        """Connected since when, what was received, what was lost."""
        return self._connection.status

    @property
    def refused(self) -> dict[str, str]:
        """Instruments whose order events OKX does not give, and why."""
        return {channel.inst_id: reason for channel, reason in self._connection.refused.items()}

    def subscribe_orders_channel(self, inst_id: str) -> None:
        """Want the order events of `inst_id`, now and after every reconnect."""
        self._connection.want(_orders_channel(inst_id))

    def unsubscribe_orders_channel(self, inst_id: str) -> None:
        """Want them no longer."""
        self._connection.unwant(_orders_channel(inst_id))

    async def run(self) -> None:
        """Connect, log in, subscribe, receive, reconnect; until cancelled.

        Raises:
            ExchangeStoppedError: the keys, environment or permissions are wrong; trying again cannot help.
        """
        try:
            await self._connection.run()
        finally:
            await self._rest.close()

    def on_push(self, frame: Frame, received_at: datetime) -> bool:
        """A push came in."""
        if frame.arg is not None and frame.arg.channel == _ORDERS:
            return self._handle_order_message(frame, received_at)
        return True

    async def room(self) -> None:
        """Return when the listener can take more."""
        await self._listener.room()

    def on_ready(self) -> None:
        """All channels are open."""
        self._listener.on_subscribed()

    def on_lost(self, reason: str) -> None:
        """The connection is gone."""
        self._listener.on_disconnected(reason)

    def _handle_order_message(self, frame: Frame, received_at: datetime) -> bool:
        updates: list[ClassifiedUpdate] = []
        for item in frame.data or ():
            try:
                updates.append(self._determine_order_event_type(parse_order_push(item)))
            except DataError as error:
                self.status.keep_malformed(bytes(item), str(error), received_at)
        if not updates:
            return True
        self.status.count_events(len(updates), received_at)
        return self._listener.on_order_updates(updates, received_at)

    def _determine_order_event_type(self, update: OrderUpdate) -> ClassifiedUpdate:
        return classify(update)


def _orders_channel(inst_id: str) -> Channel:
    return Channel(_ORDERS, inst_id, kind_of(inst_id).value.upper())
