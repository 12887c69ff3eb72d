"""What ran when, as events of Chrome's trace format: load the file in https://ui.perfetto.dev or chrome://tracing.

A process of the trace is a node, a row of it a worker or a driver. Each task has two phases: "task:wait", from
submission to start, in the first row, which is the node's own, and "task", from its start to its end, in the row of its
worker; spans of user code stand inside. Arrows lead from where a task was submitted to where it runs, and from the task
that made an argument to the one that took it. Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cellray.ids import producer_of, short_task_id
from cellray.observe.fold import LogFold
from cellray.observe.records import CANCELLED, FAILED, LOST, JobRecord, TaskRecord, WorkerKey
from cellray.observe.spans import SpanRecord
from cellray.observe.window import Window

Event = dict[str, Any]
NODE_ROW = 0
COLOURS = {FAILED: "terrible", LOST: "terrible", CANCELLED: "grey"}
"""Names that the format knows; what finished has the colour of its name."""


def trace_events(fold: LogFold, window: Window | None = None) -> list[Event]:
    """The tasks of the fold that ran within the window, all by default, and the names of nodes and rows."""
    return _Trace(fold, window or Window()).events()


class _Trace:
    """One trace as it is put together: numbers for nodes and rows are given as they are met."""

    def __init__(self, fold: LogFold, window: Window) -> None:
        self._fold = fold
        self._shown, self._left_out = window.choose(fold)
        self._tasks = {record.task_id: record for record in self._shown}
        self._window = window
        self._nodes = {node_id: index for index, node_id in enumerate(fold.nodes)}
        self._rows: dict[WorkerKey, int] = {}

    def events(self) -> list[Event]:
        """All of them; what cannot be shown is counted in the label of the first process."""
        jobs, last_at = self._fold.jobs.values(), self._fold.last_at
        events = [self._driver(job) for job in jobs if self._window.overlaps(job.started_at, job.ended_at or last_at)]
        for record in self._shown:
            events += self._task(record)
            events += self._arrows_into(record)
        spans = (span for span in self._fold.spans.latest if self._window.overlaps(span.started_at, span.ended_at))
        events += [self._span(span) for span in spans]
        return events + list(self._names())

    def _driver(self, job: JobRecord) -> Event:
        ended_at = job.ended_at or self._fold.last_at
        name = {"cat": "driver", "name": f"driver {job.entrypoint}".strip(), "args": {"job_id": job.job_id.hex()}}
        return {**name, **self._bar((job.node_id, job.client_id), job.started_at, ended_at)}

    def _task(self, record: TaskRecord) -> list[Event]:
        assert record.worker is not None, "only tasks that ran are shown"
        run: Event = {
            "cat": "task",
            "name": record.template.name,
            **self._bar(record.worker, record.started_at, record.finished_at or self._fold.last_at),
            "args": {
                "task_id": record.task_id.hex(),
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
        wait = {"cat": "task:wait", "name": record.template.name, "id": record.task_id.hex(), "pid": run["pid"]}
        return [
            run,
            {**wait, "tid": NODE_ROW, "ph": "b", "ts": record.submitted_at * 1e6},
            {**wait, "tid": NODE_ROW, "ph": "e", "ts": run["ts"]},
        ]

    def _arrows_into(self, record: TaskRecord) -> Iterator[Event]:
        """From its submission, in the row of its parent, and from the tasks that made its arguments."""
        task_id = record.task_id.hex()
        yield from self._arrow("task:start", task_id, self._submitter(record), record.submitted_at, record)
        for index, dependency in enumerate(dict.fromkeys(record.dependencies)):
            producer = self._tasks.get(producer_of(dependency))
            if producer is not None and producer.worker is not None and producer.ended:
                # Just before its end: an arrow begins in the bar that it falls into.
                at = producer.started_at + (producer.finished_at - producer.started_at) * 0.999
                yield from self._arrow("task:data", f"{task_id}/{index}", producer.worker, at, record)

    def _arrow(self, kind: str, key: str, source: WorkerKey | None, at: float, target: TaskRecord) -> Iterator[Event]:
        assert target.worker is not None, "only tasks that ran are shown"
        arrow = {"cat": kind, "name": kind.partition(":")[2], "id": key}
        yield {**arrow, "ph": "s", **self._place(source or (target.worker[0], None)), "ts": at * 1e6}
        yield {**arrow, "ph": "f", "bp": "e", **self._place(target.worker), "ts": target.started_at * 1e6}

    def _submitter(self, record: TaskRecord) -> WorkerKey | None:
        """In whose row a task was submitted: that of its parent as far as it is shown, or of its driver."""
        parent = self._tasks.get(record.parent_id)
        if parent is not None:
            return parent.worker
        job = self._fold.drivers.get(record.parent_id)
        return (job.node_id, job.client_id) if job is not None else None

    def _span(self, span: SpanRecord) -> Event:
        event: Event = {
            "cat": span.name,
            "name": span.extra.get("name", span.name),
            **self._bar(span.process, span.started_at, span.ended_at),
            "args": {"task_id": span.task_id.hex(), **span.extra},
        }
        if span.error:
            event["args"]["error"] = span.error
        if "cname" in span.extra:
            event["cname"] = span.extra["cname"]
        return event

    def _bar(self, key: WorkerKey, started_at: float, ended_at: float) -> Event:
        return {"ph": "X", **self._place(key), "ts": started_at * 1e6, "dur": max(0.0, (ended_at - started_at) * 1e6)}

    def _place(self, key: tuple[str, Any]) -> Event:
        """The numbers of a node and of a row in it; without a client the node's own row."""
        node = self._nodes.setdefault(key[0], len(self._nodes))
        row = NODE_ROW if key[1] is None else self._rows.setdefault(key, len(self._rows) + 1)
        return {"pid": node, "tid": row}

    def _names(self) -> Iterator[Event]:
        fold = self._fold
        for node_id, index in self._nodes.items():
            yield _name("process_name", index, NODE_ROW, f"node {node_id}")
            yield _name("thread_name", index, NODE_ROW, "waiting")
        drivers = {(job.node_id, job.client_id): job for job in fold.jobs.values()}
        for key, row in self._rows.items():
            known = drivers.get(key) or fold.workers.get(key)
            kind = "driver" if key in drivers else "worker"
            pid = f" (pid {known.pid})" if known is not None else ""
            yield _name("thread_name", self._nodes[key[0]], row, f"{kind} {key[1]}{pid}")
        if self._left_out:
            yield _name("process_labels", 0, NODE_ROW, f"{self._left_out} earlier tasks are left out")


def _name(kind: str, node: int, row: int, text: str) -> Event:
    return {"ph": "M", "name": kind, "pid": node, "tid": row, "args": {"labels" if "labels" in kind else "name": text}}
