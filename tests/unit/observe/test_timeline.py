"""The timeline of a log: one row a worker, each task with its wait and its run."""

from __future__ import annotations

import json
import time
from typing import Any

from cellray.ids import ClientId
from cellray.model import fact as told
from cellray.model.fact import TaskFinished
from cellray.observe.fold import LogFold
from cellray.observe.ledger import FoldLimits
from cellray.observe.timeline import trace_events

from tests.unit.observe.story import NODE, VALUE, Story, template

TASKS = 100_000


def events_of(story: Story, limits: FoldLimits | None = None) -> list[dict[str, Any]]:
    fold = LogFold(limits)
    fold.apply(story.facts, 0, NODE)
    return trace_events(fold)


def test_waits_and_runs() -> None:
    story = Story()
    for worker in (7, 8):
        story.tell(told.WorkerStarted, worker_id=ClientId(worker), pid=100 + worker)
    one, two, three, never = story.submit(template("train"), 4)
    submitted_us = story.now * 1e6
    story.dispatch(7, [one])
    story.dispatch(8, [two])
    story.finish(one, seconds=0.5)
    story.fail(two)
    story.dispatch(7, [three])
    events = events_of(story)
    json.dumps(events)
    runs = {event["args"]["task_id"]: event for event in events if event["ph"] == "X"}
    assert set(runs) == {one.hex(), two.hex(), three.hex()}, "what never ran has no place"
    assert never.hex() not in json.dumps(events)
    first = runs[one.hex()]
    assert (first["name"], first["dur"], first["args"]["state"]) == ("train", 500_000, "finished")
    assert runs[two.hex()]["args"]["error"] == "ValueError: no"
    assert runs[two.hex()]["cname"] == "terrible"
    assert first["tid"] == runs[three.hex()]["tid"] != runs[two.hex()]["tid"], "a row for each worker"
    assert runs[three.hex()]["dur"] >= 0, "it runs still: until the last that is known"
    rows = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert rows[first["tid"]] == "worker 7 (pid 107)"
    assert len(rows) == 3, "the workers, and where tasks wait"
    (process,) = [event for event in events if event["name"] == "process_name"]
    assert process["args"] == {"name": f"node {NODE}"}
    begin, end = [event for event in events if event.get("cat") == "task:wait" and event["id"] == one.hex()]
    assert (begin["ph"], begin["ts"], end["ph"], end["ts"]) == ("b", submitted_us, "e", first["ts"])
    arrow = [event for event in events if event.get("cat") == "task:start" and event["id"] == one.hex()]
    assert [(event["ph"], event["tid"]) for event in arrow] == [("s", rows_of(events, "waiting")), ("f", first["tid"])]


def rows_of(events: list[dict[str, Any]], name: str) -> int:
    return next(event["tid"] for event in events if event["ph"] == "M" and event["args"].get("name") == name)


def test_what_was_folded_away_is_said() -> None:
    story = Story()
    ids = story.submit(template("f"), 50)
    story.dispatch(7, ids)
    for task_id in ids:
        story.finish(task_id)
    events = events_of(story, FoldLimits(tasks_max=10))
    (label,) = [event for event in events if event["name"] == "process_labels"]
    assert label["args"] == {"labels": "40 earlier tasks are kept as counts only"}


def test_a_long_history() -> None:
    story = Story()
    ids = story.submit(template("f"), TASKS)
    for start in range(0, TASKS, 1000):
        batch = ids[start : start + 1000]
        story.dispatch(7 + start // 1000 % 2, batch)
        story.facts += [TaskFinished(task_id, story.now, story.now + 0.001, (VALUE,)) for task_id in batch]
    began = time.process_time()
    events = events_of(story, FoldLimits(tasks_max=1 << 60))
    assert sum(event["ph"] == "X" for event in events) == TASKS
    assert time.process_time() - began < 20
