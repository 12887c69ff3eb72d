"""Tasks as OpenTelemetry's spans, in its own in-memory exporter."""

from __future__ import annotations

from typing import Any

import pytest
from cellray.ids import TaskId, return_object_id
from cellray.model import fact as told
from cellray.observe.fold import LogFold
from cellray.observe.otel import task_spans
from cellray.observe.window import Window
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, StatusCode

from tests.unit.observe.story import NODE, Story, template


def exported(fold: LogFold, window: Window | None = None) -> dict[str, ReadableSpan]:
    exporter = InMemorySpanExporter()
    count = task_spans(fold, window or Window(), exporter)
    spans = exporter.get_finished_spans()
    assert count == len(spans)
    return {span.name: span for span in spans}


def context(span: Any) -> SpanContext:
    assert isinstance(span, SpanContext)
    return span


def trained() -> tuple[LogFold, TaskId]:
    story = Story()
    [load] = story.submit(template("load"))
    story.dispatch(7, [load])
    story.finish(load, 0.5)
    [train] = story.submit(template("train"), dependencies=(return_object_id(load, 0),))
    story.dispatch(8, [train])
    [child] = story.submit(template("score"), parent=train)
    story.dispatch(7, [child])
    story.fail(child)
    fold = LogFold()
    fold.apply(story.facts, 0, NODE)
    fold.apply([told.SpanEnded(child, "read", 1.0, 2.0, {"file": "a.csv"}, "")], 7, NODE)
    return fold, load


def test_parents_are_submitters_and_links_lead_to_arguments() -> None:
    spans = exported(trained()[0])
    assert set(spans) == {"nb.ipynb", "load", "train", "score", "read"}
    driver, load, train = spans["nb.ipynb"], spans["load"], spans["train"]
    assert driver.parent is None
    assert load.parent == train.parent == driver.context
    assert spans["score"].parent == train.context
    assert spans["read"].parent == spans["score"].context
    assert [(link.context, dict(link.attributes or {})) for link in train.links] == [
        (load.context, {"cellray.edge": "data"})
    ]
    assert len({context(span.context).trace_id for span in spans.values()}) == 1


def test_times_states_and_errors_are_those_of_the_log() -> None:
    fold, load_id = trained()
    spans = exported(fold)
    load, score, read = spans["load"], spans["score"], spans["read"]
    assert load.start_time == int(fold.tasks[load_id].started_at * 1e9)
    assert (load.end_time or 0) - (load.start_time or 0) == 500_000_000
    assert (load.attributes or {})["cellray.task_id"] == load_id.hex()
    assert (load.status.status_code, score.status.status_code) == (StatusCode.OK, StatusCode.ERROR)
    assert score.status.description == "ValueError: no"
    assert (read.attributes or {})["file"] == "a.csv"
    assert load.resource.attributes["service.name"] == "cellray"


def test_exporting_again_gives_the_same_ids() -> None:
    fold, _ = trained()
    first, second = exported(fold), exported(fold)
    assert {name: span.context for name, span in first.items()} == {name: s.context for name, s in second.items()}


def test_a_window_limits_what_is_exported() -> None:
    fold, _ = trained()
    assert {"train", "score"} & set(exported(fold, Window(limit=1))) == {"score"}


class Full(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.FAILURE


def test_an_exporter_that_takes_nothing_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="Full did not take spans"):
        task_spans(trained()[0], Window(), Full())
