"""The fold's books on tasks and objects: every change of state goes through here, so counts and dirty sets agree.

`move` is the only place where a task's state changes; the counts by group, and what views have to look at again, are
kept there and nowhere else.
"""

from __future__ import annotations

from collections import deque

import msgspec

from cellray.ids import ObjectId, TaskId, TemplateId, is_put, item_object_id, producer_of, return_index_of
from cellray.observe.changes import Changes
from cellray.observe.groups import GroupRecord
from cellray.observe.messages import EdgeKind, ObjectStateName
from cellray.observe.nodes import ITEMS_MAX, outputs_of, returns_of
from cellray.observe.records import (
    ENDED,
    READY,
    RETRIED,
    RUNNING,
    WAITING,
    JobRecord,
    ObjectRecord,
    OutputTotals,
    TaskRecord,
    TemplateRecord,
)
from cellray.observe.stories import Stories


class FoldLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a fold keeps in detail; what goes beyond is counted as folded."""

    tasks_max: int = 50_000
    """Tasks, ended ones; those that have not ended are always kept."""
    puts_max: int = 50_000
    """Objects stored with `put`; returned ones go with their tasks."""
    workers_max: int = 2_000
    """Worker processes, living ones not counted."""
    spans_max: int = 50_000
    """Stretches of time that user code named."""
    actors_max: int = 10_000
    """Actors, dead ones; those that live are always kept."""


class TaskLedger:
    """Tasks, objects and their totals. Read freely, changed by `LogFold` and `WorkerQueues` only."""

    def __init__(self, limits: FoldLimits) -> None:
        self.limits = limits
        self.tasks: dict[TaskId, TaskRecord] = {}
        self.objects: dict[ObjectId, ObjectRecord] = {}
        self.groups: list[GroupRecord] = []
        self.group_edges: dict[tuple[EdgeKind, int, int], int] = {}
        self.outputs: dict[TaskId, OutputTotals] = {}
        self.stories = Stories()
        self.changes = Changes()
        self.submitted = 0
        self.puts = 0
        self.folded = 0
        self.folded_puts = 0
        self.complete = False
        self._group_of: dict[tuple[bytes, TemplateId], GroupRecord] = {}
        self._group_by_key: dict[tuple[object, ...], GroupRecord] = {}
        self._waiting_for: dict[ObjectId, list[TaskRecord]] = {}
        self._released_by_error: dict[ObjectId, list[TaskRecord]] = {}
        self._ended: deque[TaskRecord] = deque()
        self._put_order: deque[ObjectId] = deque()

    def group_of(self, template: TemplateRecord, job: JobRecord | None, at: float) -> GroupRecord:
        """The group that counts tasks of this template and job."""
        short = (job.job_id if job is not None else b"", template.template_id)
        group = self._group_of.get(short)
        if group is None:
            cell = template.cell
            run = (cell.kernel_id, cell.cell_id, cell.execution_count) if cell is not None else None
            key = (short[0], template.function, run)
            group = self._group_by_key.get(key)
            if group is None:
                group = GroupRecord(len(self.groups), template.function, cell, job, first_submitted_at=at)
                self.groups.append(group)
                self._group_by_key[key] = group
            self._group_of[short] = group
        return group

    def add(self, record: TaskRecord, parent: TaskRecord | None) -> None:
        """Enter a new task, waiting or ready."""
        group = record.group
        if record.dependencies:
            for dependency in record.dependencies:
                producer = self.tasks.get(producer_of(dependency))
                if producer is not None:
                    self._count_edge("data", producer.group, group)
            self._await_missing(record)
            if record.missing:
                record.state = WAITING
        if parent is not None:
            self._count_edge("control", parent.group, group)
        self.tasks[record.task_id] = record
        self.groups[group].counts[record.state] += 1
        self.changes.tasks[record] = None
        self.submitted += 1

    def move(self, record: TaskRecord, state: int) -> None:
        """Change a task's state, with the counts of its group."""
        counts = self.groups[record.group].counts
        counts[record.state] -= 1
        counts[state] += 1
        record.state = state
        self.changes.tasks[record] = None

    def start(self, record: TaskRecord, at: float) -> None:
        """A task runs, as far as the log says so far."""
        record.started_at = at
        self.groups[record.group].note_started(record, at)
        self.move(record, RUNNING)

    def retry(self, record: TaskRecord, attempt: int) -> None:
        """A task is to run again, as its `attempt` (from 1), also after it had ended.

        A worker reports a failure before the core decides to retry it: the errors that were its results are taken
        back, and what they had released waits again.
        """
        if record.state in ENDED:
            for object_id in returns_of(record):
                known = self.objects.get(object_id)
                if known is not None and known.is_error:
                    del self.objects[object_id]
                for dependent in self._released_by_error.pop(object_id, ()):
                    self._wait_again(dependent, object_id)
        if not record.attempt and attempt:
            self.groups[record.group].retried += 1
        record.attempt = max(record.attempt, attempt)
        record.started_at = record.finished_at = 0.0
        self.move(record, RETRIED)

    def run_again(self, record: TaskRecord) -> None:
        """A task that had ended was submitted once more, as if for the first time."""
        self.retry(record, 0)
        record.attempt = record.missing = 0
        self._await_missing(record)
        if record.missing:
            self.move(record, WAITING)

    def end(self, record: TaskRecord, state: int, started_at: float, finished_at: float) -> None:
        """A task ended, with the times that are final; it is in no queue any more."""
        record.started_at = started_at
        record.finished_at = finished_at
        self.move(record, state)
        self.groups[record.group].note_ended(record)
        self._ended.append(record)
        if len(self.tasks) > self.limits.tasks_max:
            self._fold_tasks()

    def make_object(
        self, object_id: ObjectId, state: ObjectStateName, object_bytes: int, *, is_error: bool = False
    ) -> None:
        """An object exists: what waited for it goes on."""
        self.objects[object_id] = ObjectRecord(object_id, state, object_bytes, is_error)
        if not self._waiting_for:
            return
        released = self._waiting_for.pop(object_id, None)
        if released is None:
            return
        if is_error:
            self._released_by_error[object_id] = released
        for record in released:
            record.missing -= 1
            if not record.missing and record.state == WAITING:
                self.move(record, READY)

    def add_items(self, record: TaskRecord, first: int, states: list[tuple[ObjectStateName, int]]) -> None:
        """A generator yielded items, the first of them as its `first`-th; what is yielded again was there before."""
        for index, (state, object_bytes) in enumerate(states, first):
            if record.items <= index < ITEMS_MAX:
                self.make_object(item_object_id(record.task_id, index), state, object_bytes)
        record.items = max(record.items, first + len(states))
        self.changes.tasks[record] = None

    def fail_returns(self, record: TaskRecord, state: ObjectStateName) -> None:
        """All returns of a task are errors."""
        for object_id in returns_of(record):
            self.make_object(object_id, state, 0, is_error=True)

    def put_object(self, object_id: ObjectId, state: ObjectStateName, object_bytes: int, *, is_error: bool) -> None:
        """An object was stored with `put`; doing so again (a parent's retry) replaces it."""
        if object_id not in self.objects:
            self.puts += 1
            self._put_order.append(object_id)
        self.make_object(object_id, state, object_bytes, is_error=is_error)
        self.changes.objects[object_id] = self.objects[object_id]
        while len(self._put_order) > self.limits.puts_max:
            oldest = self._put_order.popleft()
            del self.objects[oldest]
            self.stories.forget(oldest)
            self.folded_puts += 1
            self.changes.forget_object(oldest)

    def free_object(self, object_id: ObjectId) -> None:
        """An object's value is gone, because nobody refers to it any more."""
        record = self.objects.get(object_id)
        if record is not None and record.state != "freed":
            record.state = "freed"
            self.changes.objects[object_id] = record

    def count_call(self, previous: TaskRecord | None, record: TaskRecord) -> None:
        """A call follows another one of the same actor."""
        if previous is not None:
            self._count_edge("stateful", previous.group, record.group)

    def move_object(self, object_id: ObjectId, state: ObjectStateName) -> None:
        """An object's bytes are somewhere else now, or lost, or there again."""
        record = self.objects.get(object_id)
        if record is not None and record.state != "freed":
            record.state = state
            self.changes.objects[object_id] = record

    def is_missing(self, dependency: ObjectId, producer: TaskRecord | None) -> bool:
        """Whether who wants this object has to wait for it; `producer` is the record of the task that makes it."""
        known = self.objects.get(dependency)
        if known is not None:
            return known.state == "freed" and producer is not None and producer.state not in ENDED
        if producer is not None:
            is_item = 0 < return_index_of(dependency) <= producer.items
            return not is_item and producer.state not in ENDED
        if is_put(dependency) and self.folded_puts:
            return False
        return self.complete and not self.folded

    def _await_missing(self, record: TaskRecord) -> None:
        for dependency in record.dependencies:
            if self.is_missing(dependency, self.tasks.get(producer_of(dependency))):
                self._waiting_for.setdefault(dependency, []).append(record)
                record.missing += 1

    def _wait_again(self, record: TaskRecord, dependency: ObjectId) -> None:
        if record.state in ENDED or record.queued:
            return
        record.missing += 1
        self._waiting_for.setdefault(dependency, []).append(record)
        if record.state == READY:
            self.move(record, WAITING)

    def _count_edge(self, kind: EdgeKind, source: int, target: int) -> None:
        key = (kind, source, target)
        self.group_edges[key] = self.group_edges.get(key, 0) + 1

    def _fold_tasks(self) -> None:
        """Keep of the oldest ended tasks only what their groups count, until the limit holds."""
        while len(self.tasks) > self.limits.tasks_max and self._ended:
            record = self._ended.popleft()
            # A task that was retried after it had ended is in the queue twice, or has not ended.
            if record.state not in ENDED or self.tasks.get(record.task_id) is not record:
                continue
            del self.tasks[record.task_id]
            self.outputs.pop(record.task_id, None)
            if not record.template.creates:  # an actor's goes with the actor
                self.stories.forget(record.task_id)
            self.changes.forget_task(record)
            for object_id in outputs_of(record):
                self.stories.forget(object_id)
                self._released_by_error.pop(object_id, None)
                if self.objects.pop(object_id, None) is not None:
                    self.changes.forget_object(object_id)
            self.groups[record.group].folded += 1
            self.folded += 1
