"""A log, or a window of it, for other tools: a trace for Chrome and Perfetto, spans for OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from cellray.api.cluster import TASKS_SHOWN_MAX
from cellray.model.history import Told
from cellray.observe.fold import LogFold
from cellray.observe.ledger import FoldLimits
from cellray.observe.otel import task_spans
from cellray.observe.timeline import trace_events
from cellray.observe.window import Window
from cellray.ports import History

__all__ = ["TASKS_SHOWN_MAX", "export_spans", "trace_of", "write_trace"]

NO_LIMIT = 1 << 60
LATE_S = 1.0
"""What happened before a window's end may stand so much behind it in the log: workers tell of several ends together."""


def trace_of(history: History, window: Window) -> list[dict[str, Any]]:
    """Events of Chrome's trace format, see `observe.timeline`."""
    return trace_events(_folded(history, window), window)


def write_trace(events: list[dict[str, Any]], filename: str | None) -> list[dict[str, Any]] | None:
    """To a file, if one is named; else they are returned."""
    if filename is None:
        return events
    with open(filename, "wb") as file:
        file.write(msgspec.json.encode(events))
    return None


def export_spans(history: History, exporter: Any, window: Window) -> int:
    """Spans of OpenTelemetry to an exporter, a few hundred at a time; how many. See `observe.otel`."""
    return task_spans(_folded(history, window), window, exporter)


def _folded(history: History, window: Window) -> LogFold:
    """What is needed of the log for the window: nothing after its end, and one by one no more than its limit."""
    limits = FoldLimits(tasks_max=window.limit or NO_LIMIT, puts_max=0, workers_max=NO_LIMIT, spans_max=NO_LIMIT)
    fold = LogFold(limits)
    fold.read(_until(history.iter(), window.end))
    return fold


def _until(entries: Iterable[Told], end: float | None) -> Iterator[Told]:
    for entry in entries:
        if end is None or entry.at <= end:
            yield entry
        elif entry.at > end + LATE_S:
            return
