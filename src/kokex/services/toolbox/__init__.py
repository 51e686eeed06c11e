"""The tools of one turn: all that an agent can see and do, room by room. Whatever trades passes the risk gate."""

from kokex.services.toolbox.account import AccountTools
from kokex.services.toolbox.capital import CapitalTools
from kokex.services.toolbox.decisions import DecisionTools
from kokex.services.toolbox.desk import Desk
from kokex.services.toolbox.forecasts import ForecastTools
from kokex.services.toolbox.market import MarketTools
from kokex.services.toolbox.notes import NoteTools
from kokex.services.toolbox.orders import OrderTools
from kokex.services.toolbox.trading import TradingTools
from kokex.services.toolbox.working import WorkingTools

__all__ = ["Desk", "PlanToolbox"]


class PlanToolbox(
    MarketTools,
    AccountTools,
    OrderTools,
    ForecastTools,
    CapitalTools,
    DecisionTools,
    NoteTools,
    TradingTools,
    WorkingTools,
):
    """All tools of one turn of one plan."""
