"""`OKXAccountWebSocket`: the account's own events, as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from kokex.adapters.okx.account_channels import FILLS, ORDERS, REPORT_CHANNELS, REPORTS, STOPS, read_push
from kokex.adapters.okx.account_path import AccountPath
from kokex.adapters.okx.connection_setting import ConnectionSetting
from kokex.adapters.okx.fill_gaps import FillGaps
from kokex.adapters.okx.login import Login
from kokex.adapters.okx.parse.orders import parse_order_push
from kokex.adapters.okx.parse.scalars import kind_of
from kokex.adapters.okx.rest import OKXRestClient
from kokex.adapters.okx.snapshot_pages import SnapshotPages
from kokex.adapters.okx.stream_status import StreamStatus
from kokex.adapters.okx.wire import Frame
from kokex.adapters.okx.wishes import Channel
from kokex.domain.account import Credentials
from kokex.domain.account_reports import AccountReport
from kokex.domain.errors import DataError, ExchangeStoppedError
from kokex.domain.events import ClassifiedUpdate, classify
from kokex.domain.instrument import InstrumentKind
from kokex.domain.order import OrderStatus, OrderUpdate
from kokex.ports.exchange import AccountStreamListener

log = structlog.get_logger(__name__)


class OKXAccountWebSocket:
    """The private stream of one account; see `kokex.ports.exchange.AccountStream`.

    Two sockets: the private one has orders, positions, balances, margin warnings and fills; the business one, open while
    stops are wanted, has those. Losing the business socket stops nothing else: its return is told as `on_stops_subscribed`.
    OKX v5: the orders channel sends no snapshot, only what is new; whoever listens asks over REST after `on_subscribed`.

    Args:
        rest: asked for the exchange's time when the login finds our clock off; closed when `run` ends.
    """

    def __init__(
        self,
        private: ConnectionSetting,
        business: ConnectionSetting,
        credentials: Credentials,
        listener: AccountStreamListener,
        rest: OKXRestClient,
    ) -> None:
        self._listener = listener
        self._rest = rest
        self._private = AccountPath(private, Login(credentials, rest.server_clock), self)
        self._business = AccountPath(business, Login(credentials, rest.server_clock), self)
        self._gaps = FillGaps()
        self._pages = SnapshotPages()
        self._standing = False

    @property
    def status(self) -> StreamStatus:
        """Of the private socket: connected since when, what was received, what was lost, what could not be read."""
        return self._private.connection.status

    @property
    def stop_status(self) -> StreamStatus:
        """Of the business socket."""
        return self._business.connection.status

    @property
    def refused(self) -> dict[str, str]:
        """Instruments whose order events OKX does not give ("" for all of them), and why."""
        refused = self._private.connection.refused
        return {
            channel.inst_id or "": reason for channel, reason in refused.items() if channel.name == ORDERS
        }

    def subscribe_orders_channel(self, inst_id: str | None = None) -> None:
        """Want the order events of `inst_id`, or of all spot and swaps (None), now and after every reconnect."""
        for channel in _orders_channels(inst_id):
            self._private.connection.want(channel)

    def unsubscribe_orders_channel(self, inst_id: str | None = None) -> None:
        """Want them no longer."""
        for channel in _orders_channels(inst_id):
            self._private.connection.unwant(channel)

    def subscribe_account_channels(self) -> None:
        """Want positions, balances and margin warnings."""
        for channel in REPORTS:
            self._private.connection.want(channel)

    def unsubscribe_account_channels(self) -> None:
        """Want them no longer."""
        for channel in REPORTS:
            self._private.connection.unwant(channel)

    def subscribe_stop_channels(self) -> None:
        """Want stops of every kind, over the business socket."""
        for channel in STOPS:
            self._business.connection.want(channel)

    def unsubscribe_stop_channels(self) -> None:
        """Want them no longer; the business socket closes."""
        for channel in STOPS:
            self._business.connection.unwant(channel)

    def subscribe_fills_channel(self, inst_id: str | None = None) -> None:
        """Want fills. OKX v5: from fee tier VIP4 on; others are refused with 64003, which is told and harms nothing."""
        self._private.connection.want(Channel(FILLS, inst_id))

    def unsubscribe_fills_channel(self, inst_id: str | None = None) -> None:
        """Want them no longer."""
        self._private.connection.unwant(Channel(FILLS, inst_id))

    async def run(self) -> None:
        """Connect, log in, subscribe, receive, reconnect; until cancelled.

        Raises:
            ExchangeStoppedError: the keys, environment or permissions are wrong; trying again cannot help.
        """
        try:
            async with asyncio.TaskGroup() as paths:
                paths.create_task(self._private.connection.run())
                paths.create_task(self._run_business())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            await self._rest.close()

    async def _run_business(self) -> None:
        """The business socket's keys are the private one's: what stops both is told by the private one."""
        try:
            await self._business.connection.run()
        except ExchangeStoppedError as error:
            log.error("stops cannot be had", reason=str(error))
            for channel in STOPS:
                self._listener.on_refused(channel.name, "", str(error))

    # -- the paths call these

    def on_push(self, path: AccountPath, frame: Frame, received_at: datetime) -> bool:
        """A push came in."""
        name = frame.arg.channel if frame.arg is not None else None
        if name == ORDERS:
            return self._handle_order_message(frame, received_at)
        if name in REPORT_CHANNELS:
            self._handle_report_message(path, frame, received_at)
        else:
            for item in frame.data or ():
                path.connection.status.keep_malformed(
                    bytes(item), f"channel {name!r} is not known", received_at
                )
        return True

    async def room(self) -> None:
        """Return when the listener can take more."""
        await self._listener.room()

    def on_flaw(self, reason: str) -> None:
        """A frame could not be read."""
        self._listener.on_flaw(reason)

    def on_refused(self, channel: Channel, reason: str) -> None:
        """A wanted channel is not given."""
        self._listener.on_refused(channel.name, channel.inst_id or "", reason)

    def on_ready(self, path: AccountPath) -> None:
        """All channels of a path are open. The business path alone is no account stream: the private one's opening tells both."""
        if path is self._private:
            self._standing = True
            self._listener.on_subscribed()
        elif self._standing:
            self._listener.on_stops_subscribed()

    def on_dropped(self, channel: str, reason: str) -> None:
        """A channel is dead for now: without orders the stream is as good as lost."""
        if channel == ORDERS and self._standing:
            self._standing = False
            self._listener.on_disconnected(f"OKX dropped the orders channel: {reason}")

    def on_lost(self, path: AccountPath, reason: str) -> None:
        """The connection of a path is gone."""
        if path is self._private:
            self._standing = False
            self._gaps.forget()
            self._pages.forget()
            self._listener.on_disconnected(reason)

    # -- pushes

    def _handle_order_message(self, frame: Frame, received_at: datetime) -> bool:
        updates: list[ClassifiedUpdate] = []
        flaw = None
        for item in frame.data or ():
            try:
                update = parse_order_push(item)
            except DataError as error:
                self.status.keep_malformed(bytes(item), str(error), received_at)
                flaw = str(error)
                continue
            if self._gaps.is_late(update):
                update = replace(update, late=True)
            gap, unnamed = self._gaps.note(update), _unnamed_execution(update)
            flaw = gap or unnamed or flaw
            if unnamed is None:
                updates.append(self._determine_order_event_type(update))
            elif update.status is OrderStatus.CANCELED:
                updates.append(self._determine_order_event_type(replace(update, fill=None)))
        room = True
        if updates:
            self.status.count_events(len(updates), received_at)
            room = self._listener.on_order_updates(updates, received_at)
        if flaw is not None:
            self._listener.on_flaw(flaw)
        return room

    def _determine_order_event_type(self, update: OrderUpdate) -> ClassifiedUpdate:
        return classify(update)

    def _handle_report_message(self, path: AccountPath, frame: Frame, received_at: datetime) -> None:
        reading = read_push(frame)
        status = path.connection.status
        for part, reason in reading.flaws:
            status.keep_malformed(bytes(part), reason, received_at)
        flaws = [reason for _, reason in reading.flaws]
        reports: Sequence[AccountReport] = reading.reports
        try:
            reports = self._pages.join(reading.channel, frame, reports)
        except DataError as error:
            flaws.append(str(error))
            reports = ()
        if reports:
            status.count_events(len(reports), received_at)
            self._listener.on_account_reports(reports, received_at)
        if flaws:
            self._listener.on_flaw(flaws[-1])


def _unnamed_execution(update: OrderUpdate) -> str | None:
    """Why the push is to be asked after: an execution is known by its trade id; told under another name it would count twice.

    OKX v5: a full fill may come without one (spot market orders), with the size or without it; a liquidation's is "0" here and
    negative over REST. Whoever asks over REST tells it with its id, price and fee.
    """
    if update.fill is not None and update.fill.trade_id is None:
        return f"an execution of order {update.order_id} of {update.inst_id} was pushed without its trade id"
    if update.fill is None and update.status is OrderStatus.FILLED:
        return f"order {update.order_id} of {update.inst_id} was pushed as filled without its last execution"
    return None


def _orders_channels(inst_id: str | None) -> list[Channel]:
    if inst_id is not None:
        return [Channel(ORDERS, inst_id, kind_of(inst_id).value.upper(), vital=True)]
    return [Channel(ORDERS, None, kind.value.upper(), vital=True) for kind in InstrumentKind]
