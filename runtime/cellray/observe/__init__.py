"""Reading a session from its event log: state, lineage, live views, progress."""

from cellray.observe.changes import Changes
from cellray.observe.fold import LogFold
from cellray.observe.follow import LogFollower
from cellray.observe.function_totals import FunctionTotals
from cellray.observe.ledger import FoldLimits
from cellray.observe.lineage import Lineage
from cellray.observe.messages import GraphDelta
from cellray.observe.progress import CellProgress, ProgressReading, render_progress
from cellray.observe.questions import lineage, why
from cellray.observe.scope import GraphFilter
from cellray.observe.session import (
    catch_up,
    close_follower,
    follower,
    graph_source,
    lineage_source,
    session_status,
    session_timeline,
)
from cellray.observe.view import GraphSource, GraphView
from cellray.observe.why.answer import Cause, Why

__all__ = [
    "Cause",
    "CellProgress",
    "Changes",
    "FoldLimits",
    "FunctionTotals",
    "GraphDelta",
    "GraphFilter",
    "GraphSource",
    "GraphView",
    "Lineage",
    "LogFold",
    "LogFollower",
    "ProgressReading",
    "Why",
    "catch_up",
    "close_follower",
    "follower",
    "graph_source",
    "lineage",
    "lineage_source",
    "render_progress",
    "session_status",
    "session_timeline",
    "why",
]
