"""What can go wrong: every kind of fault, where it can strike, and what it may be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Site(Enum):
    """What an occasion of a fault is, with the fields that say where."""

    PUSH = ("a frame pushed over a WebSocket", ("path", "channel", "inst_id", "account"))
    ORDER_PUSH = ("an update of the orders channel", ("inst_id", "account"))
    FULL_FILL = ("the push that fills a market order", ("inst_id", "account"))
    CANDLE = ("a candle of a candle channel", ("channel", "inst_id"))
    LOGIN = ("a WebSocket login", ("account",))
    SUBSCRIPTION = (
        "a subscription to a channel with a cap on its connections",
        ("channel", "inst_id", "account"),
    )
    REQUEST = ("a REST request, or an order command over WebSocket", ("path", "inst_id", "account"))
    MARKET_READ = (
        "a REST request for candles, a ticker or trades",
        ("path", "inst_id"),
    )
    ORDER_READ = ("a REST request for orders or fills", ("path", "inst_id", "account"))
    CLOCK = ("a request or login whose time is looked at", ("path", "account"))
    COMMAND = ("an order command over REST or WebSocket", ("path", "inst_id", "account"))
    AMENDMENT = ("an amendment that is accepted", ("inst_id", "account"))
    POST_ONLY = ("a post-only order that would rest", ("inst_id", "account"))

    def __init__(self, occasion: str, where: tuple[str, ...]) -> None:
        self.occasion = occasion
        """In words."""
        self.where = where


@dataclass(frozen=True, slots=True)
class Told:
    """How an error code is told: OKX's words and the HTTP status."""

    message: str
    status: int


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    Attributes:
        does: what happens at an occasion that is struck.
        seconds: how long, by default (wall-clock seconds); None where the kind takes no `seconds`.
        endless: without `seconds` it has no end.
        codes: the error codes that it may tell, the default first.
    """

    name: str
    site: Site
    does: str
    seconds: float | None = None
    endless: bool = False
    codes: Mapping[str, Told] = field(default_factory=dict)

    @property
    def takes_seconds(self) -> bool:
        """Whether a fault of this kind may say `seconds`."""
        return self.endless or self.seconds is not None


_BUSY = {
    "50001": Told("Service temporarily unavailable. Please try again later.", 503),
    "50013": Told("Systems are busy. Please try again later.", 429),
    "50026": Told("System error. Please try again later.", 500),
}
_TIMEOUTS = {
    "50004": Told("API endpoint request timeout ", 400),
    "51149": Told("Order timed out. Please check the order status and the matching result.", 500),
    "51054": Told("Request timed out. Please try again.", 500),
}
_LOGIN = {
    "60009": Told("Login failed.", 0),
    "63999": Told("Internal system error. Please try again later.", 0),
    "60006": Told("Timestamp request expired", 0),
    "60005": Told("Invalid apiKey", 0),
    "60024": Told("Wrong passphrase", 0),
    "60032": Told("API key doesn't exist", 0),
}
_LIMITS = {
    "50011": Told("Too Many Requests", 429),
    "50061": Told("The maximum order rate for this sub-account has been exceeded.", 200),
}

_ALL = (
    # -- frames
    Kind("drop_frame", Site.PUSH, "the frame never leaves"),
    Kind("delay_frame", Site.PUSH, "the frame, and all behind it, leave `seconds` later", 0.25),
    Kind("duplicate_frame", Site.PUSH, "the frame leaves twice, the same to the byte"),
    Kind(
        "reorder_frame",
        Site.PUSH,
        "the frame leaves behind the next one of its channel, or after `seconds` where none comes",
        1.0,
    ),
    Kind(
        "truncate_frame",
        Site.PUSH,
        "only the first half of the frame leaves: not JSON, and its news are lost",
    ),
    Kind("malformed_frame", Site.PUSH, "a frame that is not JSON leaves before it"),
    Kind(
        "stall",
        Site.PUSH,
        "the socket stays open but nothing leaves any more and nothing is answered, not even a ping; what was to "
        "leave within `seconds` is lost (default: until the client gives up)",
        endless=True,
    ),
    Kind(
        "stall_with_pongs",
        Site.PUSH,
        "as stall, but requests are carried out and pings are answered",
        endless=True,
    ),
    Kind("cut_socket", Site.PUSH, "the connection breaks without a close frame; the frame is lost"),
    Kind("close_socket", Site.PUSH, "the connection closes with code 4006; the frame is lost"),
    Kind(
        "restart_notice",
        Site.PUSH,
        "notice 64008 leaves behind the frame, and `seconds` later the connection closes",
        60.0,
    ),
    # -- order pushes
    Kind("duplicate_push", Site.ORDER_PUSH, "the update leaves twice, the second time with a later uTime"),
    Kind(
        "fill_without_trade_id",
        Site.FULL_FILL,
        "the push says filled with an empty tradeId and fillSz 0 (OKX allows this)",
    ),
    # -- candles
    Kind("candle_gap", Site.CANDLE, "the channel never shows this candle, forming or closed; REST does"),
    Kind(
        "late_confirm",
        Site.CANDLE,
        "the row that closes the candle leaves `seconds` late, behind rows of the next one",
        1.0,
    ),
    # -- logins and subscriptions
    Kind("refuse_login", Site.LOGIN, "the login is refused and the connection closes (4001)", codes=_LOGIN),
    Kind(
        "channel_full",
        Site.SUBSCRIPTION,
        "acknowledged, then channel-conn-count-error: the subscription is dead",
    ),
    # -- requests
    Kind("too_many_requests", Site.REQUEST, "refused by the rate limit; nothing is done", codes=_LIMITS),
    Kind("server_error", Site.REQUEST, "an error of the server as JSON; nothing is done", codes=_BUSY),
    Kind("bad_gateway", Site.REQUEST, "502 with an HTML page; nothing is done"),
    Kind("slow_rest", Site.REQUEST, "the request is carried out, its answer comes `seconds` later", 1.0),
    Kind(
        "stale_market",
        Site.MARKET_READ,
        "the answer is older than what was told before: candles, trades and the last price of one candle ago",
    ),
    Kind(
        "stale_orders",
        Site.ORDER_READ,
        "the answer is older than what was told before: orders and fills without the account's newest event",
    ),
    Kind(
        "forgotten_cancel",
        Site.ORDER_READ,
        "orders canceled without a fill are gone from the answer, as OKX has it after two hours",
    ),
    Kind(
        "clock_skew",
        Site.CLOCK,
        "the exchange's clock is `seconds` ahead (behind, where negative) for this request or login",
        40.0,
    ),
    # -- commands
    Kind("cut_before_order", Site.COMMAND, "the connection breaks before the command is carried out"),
    Kind("cut_before_ack", Site.COMMAND, "the command is carried out, then the connection breaks unanswered"),
    Kind(
        "timeout_live",
        Site.COMMAND,
        "the command is carried out, then answered as timed out",
        codes=_TIMEOUTS,
    ),
    Kind(
        "bad_gateway_live",
        Site.COMMAND,
        "the command is carried out, then answered with 502 and an HTML page",
    ),
    Kind("push_first", Site.COMMAND, "the command's pushes leave before its answer"),
    Kind(
        "amend_fails_later",
        Site.AMENDMENT,
        "the amendment is acknowledged, then fails: the order stays as it was and a push says amendResult -1",
    ),
    Kind(
        "post_only_canceled",
        Site.POST_ONLY,
        "the market moves away just then: acknowledged, and the only push is canceled (source 31)",
    ),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
"""Every kind by name."""
