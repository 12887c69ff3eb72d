"""A graph widget in the notebook whose saved picture keeps up: refreshed when a cell ends and when the graph rests."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cellray import observe
from cellray.exceptions import SessionError
from cellray.observe.messages import GraphDelta
from cellray.observe.view import GraphSource

from cellray_kernel.displays import Displays
from cellray_kernel.publisher import Bundle

if TYPE_CHECKING:
    from cellray_kernel.widgets.graph import GraphWidget

REST_S = 0.8
"""Nothing has changed for so long: the picture is worth saving. Each refresh renders the output again."""
SETTLE_S = 0.1
"""How long the end of a cell may wait for the log's last facts."""


class ShownGraph:
    """`ticker.Refreshable`: asleep while the graph does not change."""

    def __init__(self, widget: GraphWidget, source: GraphSource, displays: Displays, formatter: Any) -> None:
        self._widget = widget
        self._displays = displays
        self._formatter = formatter
        self._display_id = f"cellray-graph-{uuid4().hex}"
        self._changed_at: float | None = None
        self._source = source
        self._saved = source.snapshot().totals
        displays.publisher.create(self._display_id, self._bundle(), displays.tracker.current.parent)
        source.subscribe(self._on_delta)
        displays.at_cell_end[displays.tracker.current.cell_id] = self.save_at_rest

    def refresh(self) -> bool:
        """Save the picture anew once the graph has come to rest."""
        if self._changed_at is None:
            return False
        if time.monotonic() - self._changed_at < REST_S:
            return True
        self._update()
        return False

    def save_at_rest(self) -> None:
        """A cell ended. If nothing runs any more the picture is complete: what a headless run saves is this."""
        with contextlib.suppress(SessionError):  # the session has ended: the picture stays as it is
            if observe.catch_up(SETTLE_S, at_rest=True):
                self._update()

    def _update(self) -> None:
        self._changed_at = None
        totals = self._source.snapshot().totals
        if totals != self._saved:
            self._saved = totals
            self._displays.publisher.update(self._display_id, self._bundle(), is_final=False)

    def _on_delta(self, _delta: GraphDelta) -> None:
        self._changed_at = time.monotonic()
        self._displays.ticker.add(self)

    def _bundle(self) -> Bundle:
        return Bundle(*self._formatter.format(self._widget))
