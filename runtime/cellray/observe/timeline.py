"""What ran when, as events of Chrome's trace format: load the file in chrome://tracing or https://ui.perfetto.dev.

A process of the trace is a node, a row of it a worker. Each task has two phases: "task:wait", from submission to start,
in the first row, which is the node's own, and "task", from its start to its end, in the row of its worker. An arrow
leads from the one to the other. Times are microseconds since the epoch.
"""

from __future__ import annotations

from typing import Any

from cellray.ids import short_task_id
from cellray.observe.fold import LogFold
from cellray.observe.records import CANCELLED, FAILED, LOST, TaskRecord, WorkerKey

Event = dict[str, Any]
NODE_ROW = 0
COLOURS = {FAILED: "terrible", LOST: "terrible", CANCELLED: "grey"}
"""Names that the format knows; what finished has the colour of its name."""


def trace_events(fold: LogFold) -> list[Event]:
    """All tasks of the fold that have run, and the names of nodes and rows."""
    nodes = {node_id: index for index, node_id in enumerate(fold.nodes)}
    rows: dict[WorkerKey, int] = {}
    events: list[Event] = []
    for record in fold.tasks.values():
        if record.worker is None or not record.started_at:
            continue
        key = record.worker
        row = rows.setdefault(key, len(rows) + 1)
        events += _task_events(record, nodes.setdefault(key[0], len(nodes)), row, fold.last_at)
    for node_id, index in nodes.items():
        events.append(_name("process_name", index, NODE_ROW, f"node {node_id}"))
        events.append(_name("thread_name", index, NODE_ROW, "waiting"))
    for key, row in rows.items():
        worker = fold.workers.get(key)
        pid = f" (pid {worker.pid})" if worker is not None else ""
        events.append(_name("thread_name", nodes[key[0]], row, f"worker {key[1]}{pid}"))
    if fold.folded:
        events.append(_name("process_labels", 0, NODE_ROW, f"{fold.folded} earlier tasks are kept as counts only"))
    return events


def _task_events(record: TaskRecord, node: int, row: int, now: float) -> list[Event]:
    task_id = record.task_id.hex()
    started_us, submitted_us = record.started_at * 1e6, record.submitted_at * 1e6
    run: Event = {
        "ph": "X",
        "cat": "task",
        "name": record.template.name,
        "pid": node,
        "tid": row,
        "ts": started_us,
        "dur": max(0.0, (record.finished_at or now) * 1e6 - started_us),
        "args": {
            "task_id": task_id,
            "task": short_task_id(record.task_id),
            "function": record.template.function,
            "state": record.state_name,
            "attempt": record.attempt,
            "job_id": record.job.job_id.hex() if record.job is not None else "",
        },
    }
    if record.actor:
        run["args"]["actor_id"] = record.actor
    if record.error:
        run["args"]["error"] = record.error
    if record.state in COLOURS:
        run["cname"] = COLOURS[record.state]
    wait = {"cat": "task:wait", "name": record.template.name, "id": task_id, "pid": node, "tid": NODE_ROW}
    arrow = {"cat": "task:start", "name": "start", "id": task_id, "pid": node}
    return [
        run,
        {**wait, "ph": "b", "ts": submitted_us},
        {**wait, "ph": "e", "ts": started_us},
        {**arrow, "ph": "s", "tid": NODE_ROW, "ts": submitted_us},
        {**arrow, "ph": "f", "bp": "e", "tid": row, "ts": started_us},
    ]


def _name(kind: str, node: int, row: int, text: str) -> Event:
    return {"ph": "M", "name": kind, "pid": node, "tid": row, "args": {"labels" if "labels" in kind else "name": text}}
