"""`cellray.profile` in a driver, tasks and actors: in the log, in the timeline, in exports."""

from __future__ import annotations

import asyncio
from typing import Any

import cellray
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

pytestmark = pytest.mark.usefixtures("session")


@cellray.remote
def work() -> None:
    with cellray.profile("outer"), cellray.profile("inner", extra_data={"rows": "3"}):
        pass


@cellray.remote
class Async:
    async def work(self, name: str) -> None:
        with cellray.profile(name):
            await asyncio.sleep(0.01)


def named(*names: str) -> dict[str, dict[str, Any]]:
    events = cellray.timeline()
    assert events is not None
    return {event["cat"]: event for event in events if event.get("cat") in names}


def test_spans_of_tasks_actors_and_drivers_are_in_the_timeline() -> None:
    task = work.remote()
    actor = Async.remote()
    calls = [actor.work.remote(name) for name in ("a", "b")]
    with cellray.profile("driver side"):
        cellray.get([task, *calls])
    with pytest.raises(KeyError), cellray.profile("fails"):
        raise KeyError("x")
    spans = named("outer", "inner", "a", "b", "driver side", "fails")
    assert spans["inner"]["args"]["rows"] == "3"
    assert spans["outer"]["ts"] <= spans["inner"]["ts"]
    assert spans["outer"]["args"]["task_id"] == task.task_id().hex()
    assert [spans[name]["args"]["task_id"] for name in ("a", "b")] == [call.task_id().hex() for call in calls]
    assert spans["fails"]["args"]["error"] == "KeyError: 'x'"
    assert spans["driver side"]["tid"] == spans["fails"]["tid"] != spans["outer"]["tid"]
    exporter = InMemorySpanExporter()
    with cellray.open_log() as log:
        assert log.to_otel(exporter) == len(exporter.get_finished_spans())
        assert log.timeline(limit=1)
    exported = {span.name: span for span in exporter.get_finished_spans()}
    assert exported["inner"].parent == exported["work"].context


@pytest.mark.parametrize(
    ("arguments", "error"), [((3,), TypeError), (("x", {"a": 1}), TypeError), (("x" * 10_001,), ValueError)]
)
def test_what_is_no_text_is_an_error_at_once(arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"span is a str|maps str to str|characters"):
        cellray.profile(*arguments)
