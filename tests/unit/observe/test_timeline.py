"""The timeline of a log: one row a worker, each task with its wait and its run."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from cellray.ids import ClientId, TaskId, return_object_id
from cellray.model import fact as told
from cellray.model.fact import TaskFinished
from cellray.observe.fold import LogFold
from cellray.observe.ledger import FoldLimits
from cellray.observe.timeline import trace_events
from cellray.observe.window import Window

from tests.unit.observe.story import NODE, ROOT, VALUE, Story, template

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
    runs = {event["args"]["task_id"]: event for event in tasks_of(events)}
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
    assert len(rows) == 4, "the workers, the driver, and where tasks wait"
    (process,) = [event for event in events if event["name"] == "process_name"]
    assert process["args"] == {"name": f"node {NODE}"}
    begin, end = [event for event in events if event.get("cat") == "task:wait" and event["id"] == one.hex()]
    assert (begin["ph"], begin["ts"], end["ph"], end["ts"]) == ("b", submitted_us, "e", first["ts"])
    arrow = [event for event in events if event.get("cat") == "task:start" and event["id"] == one.hex()]
    driver = rows_of(events, "driver 1 (pid 2)")
    assert [(event["ph"], event["tid"]) for event in arrow] == [("s", driver), ("f", first["tid"])]
    assert [(each["name"], each["tid"]) for each in events if each.get("cat") == "driver"] == [
        ("driver nb.ipynb", driver)
    ]


def tasks_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event.get("cat") == "task"]


def rows_of(events: list[dict[str, Any]], name: str) -> int:
    return next(event["tid"] for event in events if event["ph"] == "M" and event["args"].get("name") == name)


def test_an_arrow_leads_from_each_argument_and_from_the_parent() -> None:
    story = Story()
    [load] = story.submit(template("load"))
    story.dispatch(7, [load])
    story.finish(load, 1.0)
    [train] = story.submit(template("train"), dependencies=(return_object_id(load, 0),))
    story.dispatch(8, [train])
    [child] = story.submit(template("load"), parent=train)
    story.dispatch(7, [child])
    events = events_of(story)
    runs = {event["args"]["task_id"]: event for event in tasks_of(events)}
    start, end = [event for event in events if event.get("cat") == "task:data"]
    made, used = runs[load.hex()], runs[train.hex()]
    assert (start["ph"], start["tid"], end["ph"], end["tid"]) == ("s", made["tid"], "f", used["tid"])
    assert made["ts"] <= start["ts"] <= made["ts"] + made["dur"], "it begins in the bar of the task that made it"
    assert end["ts"] == used["ts"]
    start, end = [event for event in events if event.get("cat") == "task:start" and event["id"] == child.hex()]
    assert (start["tid"], end["tid"]) == (used["tid"], made["tid"])


def test_spans_of_user_code_stand_in_the_row_of_their_process() -> None:
    story = Story()
    [load] = story.submit(template("load"))
    story.dispatch(7, [load])
    fold = LogFold()
    fold.apply(story.facts, 0, NODE)
    fold.apply([told.SpanEnded(load, "read", 1.0, 2.0, {"name": "read a.csv", "cname": "good"})], 7, NODE)
    fold.apply([told.SpanEnded(ROOT, "plan", 1.0, 2.0, {}, "KeyError: 'x'")], 1, NODE)
    events = trace_events(fold)
    read, plan = [event for event in events if event.get("cat") in ("read", "plan")]
    assert (read["name"], read["cname"], read["tid"], read["dur"]) == (
        "read a.csv",
        "good",
        tasks_of(events)[0]["tid"],
        1e6,
    )
    assert (plan["tid"], plan["args"]["error"]) == (rows_of(events, "driver 1 (pid 2)"), "KeyError: 'x'")


def test_a_window_has_what_ran_in_it_and_the_latest() -> None:
    story = Story()
    ids = story.submit(template("f"), 10)
    for task_id in ids:
        story.dispatch(7, [task_id])
        story.finish(task_id, 1.0)
    fold = LogFold()
    fold.apply(story.facts, 0, NODE)

    def shown(window: Window) -> list[int]:
        found = [event["args"]["task_id"] for event in tasks_of(trace_events(fold, window))]
        return [ids.index(TaskId(bytes.fromhex(each))) for each in found]

    middle = fold.tasks[ids[5]].finished_at
    assert shown(Window(limit=3)) == [7, 8, 9]
    assert shown(Window(end=middle - 1.5)) == [0, 1, 2, 3, 4]
    assert shown(Window(start=middle - 0.5)) == [5, 6, 7, 8, 9]
    assert shown(Window(start=middle - 0.5, limit=2)) == [8, 9]
    events = trace_events(fold, Window(limit=3))
    assert [each["args"]["labels"] for each in events if each["name"] == "process_labels"] == [
        "7 earlier tasks are left out"
    ]


@pytest.mark.parametrize("window", [{"start": 2.0, "end": 1.0}, {"limit": 0}])
def test_a_window_without_room_is_an_error(window: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is not before|at least 1"):
        Window(**window)


def test_what_was_folded_away_is_said() -> None:
    story = Story()
    ids = story.submit(template("f"), 50)
    story.dispatch(7, ids)
    for task_id in ids:
        story.finish(task_id)
    events = events_of(story, FoldLimits(tasks_max=10))
    (label,) = [event for event in events if event["name"] == "process_labels"]
    assert label["args"] == {"labels": "40 earlier tasks are left out"}


def test_a_long_history() -> None:
    story = Story()
    ids = story.submit(template("f"), TASKS)
    for start in range(0, TASKS, 1000):
        batch = ids[start : start + 1000]
        story.dispatch(7 + start // 1000 % 2, batch)
        story.facts += [TaskFinished(task_id, story.now, story.now + 0.001, (VALUE,)) for task_id in batch]
    began = time.process_time()
    events = events_of(story, FoldLimits(tasks_max=1 << 60))
    assert len(tasks_of(events)) == TASKS
    assert time.process_time() - began < 20
