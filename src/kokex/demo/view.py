"""The demo on a terminal: one screen, redrawn as things happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kokex.cli.output import market_time, plain
from kokex.demo.model import BASELINE, DemoModel, ModelState, score_words
from kokex.demo.options import MarketChoice
from kokex.demo.watch import Happening, Picture
from kokex.domain.forecast import Forecast

_STEPS: Final = "▁▂▃▄▅▆▇█"
_BAR: Final = 44


def sparkline(values: Sequence[float], width: int) -> str:
    """The last `width` values as a row of blocks, lowest to highest."""
    shown = list(values)[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if high == low:
        return _STEPS[3] * len(shown)
    return "".join(_STEPS[min(int((value - low) / (high - low) * len(_STEPS)), 7)] for value in shown)


def band(low: float, middle: float, high: float, origin: float, width: int = _BAR) -> str:
    """A forecast's band as a ruler: `├──●──┼───┤`, with the median as ● and "no change" as ┼ (◉ where they meet)."""
    least, most = min(low, origin), max(high, origin)
    span = (most - least) or 1.0

    def place(value: float) -> int:
        return round((value - least) / span * (width - 1))

    cells = [" "] * width
    for index in range(place(low), place(high) + 1):
        cells[index] = "─"
    cells[place(low)], cells[place(high)] = "├", "┤"
    cells[place(middle)] = "●"
    cells[place(origin)] = "◉" if place(origin) == place(middle) else "┼"
    return "".join(cells)


class Screen:
    """Shows the demo on the whole terminal."""

    def __init__(self, console: Console, choice: MarketChoice | None) -> None:
        self._console = console
        self._choice = choice
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """Words before and after the show."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, picture: Picture, happenings: list[Happening]) -> None:
        """Redraw."""
        if self._live is None:
            self._live = Live(console=self._console, screen=True, auto_refresh=False)
            self._live.start()
        self._live.update(draw(picture, self._choice, self._console.size.width), refresh=True)

    def curtain(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def draw(picture: Picture, choice: MarketChoice | None, width: int) -> RenderableType:
    """One picture as a screen."""
    layout = Layout()
    rows = [Layout(_head(picture, choice), name="head", size=3), Layout(name="body", ratio=1)]
    if picture.model is not None and picture.model.state is not ModelState.LEFT_OUT:
        panel = Panel(_model(picture.model), title="the model", title_align="left")
        rows.append(Layout(panel, name="model", size=5))
    layout.split_column(*rows, Layout(_foot(picture), name="foot", size=1))
    upper, lower = Layout(name="upper", size=12), Layout(name="lower", ratio=1)
    layout["body"].split_column(upper, lower)
    upper.split_row(
        Layout(
            Panel(_market(picture, max(width // 2 - 6, 10)), title="market and forecast", title_align="left")
        ),
        Layout(Panel(_position(picture), title="the plans", title_align="left"), size=max(width // 2, 42)),
    )
    lower.split_row(
        Layout(
            Panel(_decisions(picture), title="decisions and denials, newest first", title_align="left"),
            ratio=3,
        ),
        Layout(Panel(_events(picture), title="order events, newest first", title_align="left"), ratio=2),
    )
    return layout


def _head(picture: Picture, choice: MarketChoice | None) -> RenderableType:
    plan = picture.plan
    words = choice.words if choice is not None else "the market of the former demo"
    pace = f", {choice.speed:g} times as fast as life" if choice is not None else ""
    text = Text.assemble(
        (f"{plan.inst_id} {plan.interval}", "bold"),
        f"  market clock {market_time(picture.market_time)} UTC{pace}  ·  {words}",
    )
    return Panel(text, title="KOKEX demo", title_align="left")


def _foot(picture: Picture) -> Text:
    name = picture.forecast.forecaster if picture.forecast else picture.plan.forecast.forecaster
    return Text(f" Ctrl-C ends it with a summary. Forecaster: {name}; nothing is promised.", "dim")


def _model(model: DemoModel) -> RenderableType:
    """How far the training is, or both scores, whichever is better."""
    if model.scores:
        style = "green" if model.better != BASELINE else "yellow"
        verdict = f"{model.better} is better on {model.scores[0].windows} unseen windows; {model.verdict}"
        return Group(*(Text(score_words(score)) for score in model.scores), Text(verdict, style))
    if model.share is None:
        return Text(model.sentence)
    done = round(model.share * _BAR)
    bar = Text.assemble(("█" * done, "cyan"), ("░" * (_BAR - done), "dim"), f" {model.share:.0%}")
    name = model.version.name if model.version else "the model"
    return Group(Text.assemble(f"{name} learns  ", bar), Text(model.line, no_wrap=True))


def _market(picture: Picture, width: int) -> RenderableType:
    lines: list[RenderableType] = []
    ticker = picture.ticker
    if ticker is None:
        lines.append(Text("waiting for the first price"))
    else:
        price = Text.assemble(
            (f"{plain(ticker.last)}", "bold"), f"   bid {plain(ticker.bid)}  ask {plain(ticker.ask)}"
        )
        lines.append(price)
    lines.append(Text(sparkline(picture.closes, width), "cyan"))
    lines.append(Text(f"{picture.candles} candles since the start"))
    lines.append(Text())
    if picture.forecast is None:
        lines.append(Text("no forecast yet"))
    else:
        lines += _forecast(picture.forecast, width)
    return Group(*lines)


def _forecast(forecast: Forecast, width: int) -> list[RenderableType]:
    low, middle, high = (float(value) for value in forecast.quantiles((0.05, 0.5, 0.95))[:, -1])
    ruler = band(low, middle, high, forecast.origin_price, min(_BAR, max(width, 12)))
    return [
        Text(f"in {forecast.horizon} candles, from the close of {market_time(forecast.origin_time)} UTC:"),
        Text(ruler, "yellow"),
        Text(f"├ 5 % {low:.2f}   ● median {middle:.2f}   95 % {high:.2f} ┤"),
        Text(
            f"┼ naive, no change: {forecast.origin_price:.2f}   share of paths up: {forecast.probability_up():.0%}"
        ),
    ]


def _position(picture: Picture) -> RenderableType:
    """How each plan stands, side by side."""
    shown = [one for one in (picture, picture.second) if one is not None and one.book is not None]
    if not shown:
        return Text("waiting for the account")
    table = Table.grid(padding=(0, 2))
    if len(shown) > 1:
        table.add_row("plan", *(Text(one.plan.name, "bold") for one in shown))
    rows = [_standing(one) for one in shown]
    for name in rows[0]:
        table.add_row(name, *(row[name] for row in rows))
    return table


def _standing(picture: Picture) -> dict[str, Text]:
    book = picture.book
    assert book is not None
    quote, base = book.instrument.quote_currency, book.instrument.base_currency
    unit = base if book.instrument.contract_value == 1 else "contracts"
    pnl = picture.pnl
    style = "" if pnl is None else "green" if pnl > 0 else "red" if pnl < 0 else ""
    fees = ", ".join(f"{-amount:.4f} {currency}" for currency, amount in book.fees) or "none"
    return {
        "holds": Text(f"{plain(book.quantity)} {unit}"),
        "P&L after fees": Text("-" if pnl is None else f"{pnl:+.2f} {quote}", style),
        "fees paid": Text(fees),
        "fills": Text(str(book.fills)),
        "open orders": Text(str(picture.open_orders)),
        "decisions": Text(str(picture.decisions)),
        "denied": Text(str(picture.denied)),
        "events": Text(str(picture.events)),
    }


def _decisions(picture: Picture) -> RenderableType:
    rows = [
        Text.assemble((f"{row.kind} ", _style(row)), (f"{row.plan}: " if row.plan else "", "bold"), row.text)
        for row in _newest(picture, "decision", "denied", "owner")
    ]
    return Group(*rows) if rows else Text("none yet")


def _events(picture: Picture) -> RenderableType:
    rows = [
        Text(f"{market_time(row.at)[5:]}  {row.plan[:4]:<4}  {row.text}", _style(row), no_wrap=True)
        for row in _newest(picture, "event")
    ]
    return Group(*rows) if rows else Text("none yet")


def _newest(picture: Picture, *kinds: str) -> list[Happening]:
    return list(reversed(picture.recent(*kinds)))[:20]


def _style(row: Happening) -> str:
    if row.kind == "denied":
        return "bold red"
    if row.kind == "owner":
        return "bold cyan"
    if row.kind == "decision":
        return "bold green" if row.text.startswith("act") else "dim"
    if "done" in row.text or "partial" in row.text:
        return "green" if row.text.startswith("buy") else "magenta"
    return "dim"
