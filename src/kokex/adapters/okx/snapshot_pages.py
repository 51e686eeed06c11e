"""Snapshots that come in pages, put together again."""

from __future__ import annotations

from collections.abc import Sequence

from kokex.adapters.okx.wire import Frame
from kokex.domain.account_reports import AccountReport
from kokex.domain.errors import DataError


class SnapshotPages:
    """Pages of one connection, until the last of each snapshot has come.

    OKX v5: snapshots of `account` and `positions` carry `curPage` (1, 2, ...) and `lastPage`; events carry neither.
    """

    def __init__(self) -> None:
        self._pages: dict[str, list[AccountReport]] = {}
        self._next: dict[str, int] = {}

    def forget(self) -> None:
        """A new connection begins its snapshots anew."""
        self._pages.clear()
        self._next.clear()

    def join(self, channel: str, frame: Frame, reports: Sequence[AccountReport]) -> Sequence[AccountReport]:
        """What to hand on now: all pages with the last one, nothing before it, an event at once.

        Raises:
            DataError: a page is missing; what came of the snapshot is dropped.
        """
        if frame.event_type != "snapshot" or frame.cur_page is None:
            return reports
        try:
            page = int(frame.cur_page)
        except ValueError as error:
            raise DataError(f"OKX numbered a page of {channel} {frame.cur_page!r}") from error
        expected = self._next.pop(channel, 1)
        before = self._pages.pop(channel, [])
        if page == 1:
            before = []
        elif page != expected:
            raise DataError(f"page {page} of OKX's snapshot of {channel} came where {expected} was due")
        whole = [*before, *reports]
        if str(frame.last_page).lower() == "true":
            return whole
        self._pages[channel] = whole
        self._next[channel] = page + 1
        return ()
