"""The widget of the task graph: what it sends when, and what it leaves in a saved notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cellray.observe.messages import GraphDelta
from cellray_kernel.widgets import GraphWidget, StillGraph


class Source:
    """A graph that changes when the test says so."""

    def __init__(self) -> None:
        self.sequence = 0
        self.callbacks: list[Callable[[GraphDelta], None]] = []

    def snapshot(self) -> GraphDelta:
        return self.delta(reset=True)

    def subscribe(self, callback: Callable[[GraphDelta], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def change(self) -> None:
        self.sequence += 1
        for callback in list(self.callbacks):
            callback(self.delta(reset=False))

    def delta(self, *, reset: bool) -> GraphDelta:
        return GraphDelta(self.sequence, reset, at=1.0, mode="tasks", totals={"finished": self.sequence})


class RecordingWidget(GraphWidget):
    """Keeps what it sends: there is no browser here."""

    def __init__(self, source: Source) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__(source, title="Training")

    def send(self, content: dict[str, Any], buffers: Any = None) -> None:
        self.sent.append(content)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def widget(source: Source) -> Iterator[RecordingWidget]:
    made = RecordingWidget(source)
    yield made
    made.close()


def test_begins_with_a_snapshot_in_its_state(widget: RecordingWidget) -> None:
    assert widget.snapshot is not None
    assert widget.snapshot["reset"] is True


def test_sends_deltas(source: Source, widget: RecordingWidget) -> None:
    source.change()
    assert [(m["type"], m["delta"]["sequence"], m["delta"]["reset"]) for m in widget.sent] == [("delta", 1, False)]


def test_answers_a_request_for_a_snapshot(source: Source, widget: RecordingWidget) -> None:
    widget._on_message(widget, {"type": "snapshot"}, [])
    widget._on_message(widget, {"type": "something else"}, [])
    assert [m["delta"]["reset"] for m in widget.sent] == [True]


def test_sends_the_whole_graph_again_until_the_browser_was_heard(source: Source, widget: RecordingWidget) -> None:
    widget._whole_again_at = 0.0
    source.change()
    source.change()
    assert [m["delta"]["reset"] for m in widget.sent] == [True, False]
    widget._on_message(widget, {"type": "snapshot"}, [])
    widget._whole_again_at = 0.0
    source.change()
    assert widget.sent[-1]["delta"]["reset"] is False


def test_close_ends_the_subscription(source: Source, widget: RecordingWidget) -> None:
    widget.close()
    widget.close()
    source.change()
    assert source.callbacks == []
    assert widget.sent == []


def test_leaves_a_picture_and_words_in_the_notebook(source: Source, widget: RecordingWidget) -> None:
    source.change()
    data, _ = widget._repr_mimebundle_()
    assert data["text/plain"] == "Training: 1/1 done"
    assert data["image/svg+xml"].startswith("<svg")
    # The last one is for our JupyterLab extension; without it the others work as in any bundle.
    assert {"application/vnd.jupyter.widget-view+json", "application/vnd.cellray.view+json"} < set(data)


def test_shows_a_graph_that_does_not_change(source: Source) -> None:
    source.sequence = 2
    still = GraphWidget(StillGraph(source.snapshot()), title="Lineage")
    assert still._repr_mimebundle_()[0]["text/plain"] == "Lineage: 2/2 done"
    still.close()
