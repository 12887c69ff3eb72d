"""The live task graph as a widget: hands deltas to the browser, and a static picture to saved notebooks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import msgspec
import traitlets
from cellray.observe.messages import GraphDelta
from cellray.observe.svg import graph_svg, graph_words
from cellray.observe.view import GraphSource
from IPython.display import DisplayHandle, display

VIEW_MIME = "application/vnd.cellray.view+json"
"""Our JupyterLab extension renders it: the live view, or the same bundle's picture when no kernel has that view."""

_VIEW = Path(__file__).parent / "static" / "graph.js"
# Until the browser has answered once, deltas may have been lost while its code was loading, and a busy kernel may not
# hear it ask. Whole snapshots are sent instead, ever more seldom.
_UNHEARD_FIRST_S = 0.5
_UNHEARD_LONGEST_S = 8.0


_NOT_BUILT = """
export default { render({ el }) { el.textContent = "The task graph's view was not built: run make install."; } };
"""


class StillGraph:
    """A `GraphSource` that never changes: one snapshot, such as the lineage of an object."""

    def __init__(self, snapshot: GraphDelta) -> None:
        self._snapshot = snapshot

    def snapshot(self) -> GraphDelta:
        """What was given."""
        return self._snapshot

    def subscribe(self, callback: Callable[[GraphDelta], None]) -> Callable[[], None]:
        """Nothing will ever be told."""
        return lambda: None


class GraphWidget(anywidget.AnyWidget):
    """The task graph, live in a notebook, as an SVG everywhere else.

        >>> widget = GraphWidget(source, title="Training")
        >>> widget.show()
        >>> widget.update_fallback()  # when the graph has come to rest: what the saved notebook shows

    Everything but display may be called from any thread.
    """

    _esm = _VIEW if _VIEW.exists() else _NOT_BUILT
    snapshot = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    def __init__(self, source: GraphSource, *, title: str | None = None) -> None:
        first = source.snapshot()
        super().__init__(snapshot=msgspec.to_builtins(first), title=title or "")
        self._source = source
        self._title = title
        self._handle: DisplayHandle | None = None
        # Held while something is sent, so that a snapshot and the deltas after it leave in this order.
        self._sending = threading.Lock()
        self._closed = False
        self._heard = False
        self._whole_again_at = time.monotonic() + _UNHEARD_FIRST_S
        self._whole_again_after_s = _UNHEARD_FIRST_S
        self.on_msg(self._on_message)
        self._unsubscribe: Callable[[], None] = source.subscribe(self._on_delta)

    def show(self) -> None:
        """Displays the widget so that `update_fallback` can refresh what is saved of it."""
        self._handle = display(self, display_id=True)  # type: ignore[no-untyped-call]

    def update_fallback(self) -> None:
        """Publishes the display again with a picture of the graph as it is now.

        JupyterLab renders the same live view again, which keeps its zoom, place and selection.
        """
        if self._handle is not None:
            self._handle.update(self)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Ends the subscription and the browser's view of it."""
        with self._sending:
            already, self._closed = self._closed, True
        if not already:
            self._unsubscribe()
            super().close()

    def svg(self, *, highlight: str | None = None) -> str:
        """The graph as it is now, as a static picture."""
        return graph_svg(self._source.snapshot(), title=self._title, highlight=highlight)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        made = super()._repr_mimebundle_(**kwargs) or ({}, {})
        data, metadata = made if isinstance(made, tuple) else (made, {})
        now = self._source.snapshot()
        words = f"{self._title or 'Task graph'}: {graph_words(now)}"
        picture = graph_svg(now, title=self._title)
        return {**data, VIEW_MIME: {"version": 1}, "text/plain": words, "image/svg+xml": picture}, metadata

    def _on_delta(self, delta: GraphDelta) -> None:
        with self._sending:
            if self._closed:
                return
            now = time.monotonic()
            if not self._heard and not delta.reset and now >= self._whole_again_at:
                self._whole_again_after_s = min(2 * self._whole_again_after_s, _UNHEARD_LONGEST_S)
                self._whole_again_at = now + self._whole_again_after_s
                delta = self._source.snapshot()
            self._tell(delta)

    def _on_message(self, _widget: object, message: Mapping[str, Any], _buffers: object) -> None:
        if message.get("type") == "snapshot":
            with self._sending:
                self._heard = True
                if not self._closed:
                    self._tell(self._source.snapshot())

    def _tell(self, delta: GraphDelta) -> None:
        self.send({"type": "delta", "delta": msgspec.to_builtins(delta)})
