"""What the log says of a task's life, from its function to its end, entered into the fold's books."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from cellray.ids import TaskId, producer_of, return_object_id
from cellray.model import fact as told
from cellray.model.actor import actor_of_call
from cellray.model.object import ObjectValue, ValueKind, decode_failure
from cellray.observe.actor_facts import ActorFacts
from cellray.observe.nodes import returns_of
from cellray.observe.object_facts import object_state
from cellray.observe.records import (
    CANCELLED,
    ENDED,
    FAILED,
    FINISHED,
    LOST,
    READY,
    RETRIED,
    TaskRecord,
    WorkerKey,
)

if TYPE_CHECKING:
    from cellray.observe.fold import LogFold


class TaskFacts:
    """The handlers of one fold."""

    def __init__(self, fold: LogFold, actors: ActorFacts) -> None:
        self._fold = fold
        self._actors = actors
        self._ledger = fold.ledger
        self._queues = fold.queues
        self._registry = fold.registry
        self._tasks = fold.tasks
        self._stories = fold.stories

    def handlers(self) -> dict[type, Callable[[Any], None]]:
        """What to call for each kind of fact."""
        return {
            told.FunctionRegistered: self._on_function_registered,
            told.TemplateRegistered: self._on_template_registered,
            told.TasksSubmitted: self._on_tasks_submitted,
            told.TasksDispatched: self._on_tasks_dispatched,
            told.TasksReturned: self._on_tasks_returned,
            told.TaskStarted: self._on_task_started,
            told.TaskFinished: self._on_task_finished,
            told.ItemsYielded: self._on_items_yielded,
            told.TaskFailed: self._on_task_failed,
            told.TaskRetried: self._on_task_retried,
            told.TaskCancelled: self._on_task_cancelled,
            told.ResultRecalled: self._on_result_recalled,
            told.CancelRequested: self._on_cancel_requested,
            told.OutputDiverged: self._on_output_diverged,
        }

    def _on_function_registered(self, fact: told.FunctionRegistered) -> None:
        self._registry.add_function(fact.function)
        self._fold.note_time(fact.at)

    def _on_template_registered(self, fact: told.TemplateRegistered) -> None:
        self._registry.add_template(fact.template)
        self._fold.note_time(fact.at)

    def _on_tasks_submitted(self, fact: told.TasksSubmitted) -> None:
        parent_id, at, tasks, ledger = fact.parent_id, fact.at, self._tasks, self._ledger
        parent = tasks.get(parent_id)
        prefix, job = self._registry.children_of(parent_id, parent)
        # Only a parent that runs again submits the same children again; those that were folded must not count twice.
        index_seen = parent.index_max if parent is not None and parent.attempt and ledger.folded else -1
        template, group = None, -1
        for spec in fact.tasks:
            index = spec.index
            task_id = TaskId(prefix + index.to_bytes(4, "big"))
            if task_id in tasks:
                if not self._actors.rebuilds(parent):
                    self._submitted_again(tasks[task_id], at)
                continue
            if index <= index_seen:
                continue
            if template is None or spec.template_id != template.template_id:
                template = self._registry.template(spec.template_id)
                group = ledger.group_of(template, job, at).index
            record = TaskRecord(
                task_id,
                ledger.submitted,
                template,
                group,
                job,
                parent_id,
                at,
                parent is not None,
                spec.dependencies,
            )
            if template.calls:
                record.actor = actor_of_call(spec.contained).hex()
            elif template.creates:
                record.actor = task_id.hex()
                self._actors.created(record)
            elif template.bundles:
                self._fold.placement_groups[task_id] = None
            ledger.add(record, parent)
            if parent is not None and index > parent.index_max:
                parent.index_max = index
        self._fold.note_time(at)

    def _submitted_again(self, record: TaskRecord, at: float) -> None:
        """A parent that runs again submits what it has submitted before: that runs again too, if its results are gone.

        Which of a generator's items are still there nobody knows. What recorded calls have submitted never runs again.
        """
        objects = [self._fold.objects.get(object_id) for object_id in returns_of(record)]
        is_there = objects and all(known is not None and known.state != "freed" for known in objects)
        if record.state in ENDED and (record.template.streams or not is_there):
            self._stories.note_resubmission(record, at)
            self._ledger.run_again(record)
            if record.template.creates:
                self._actors.created(record)

    def _on_tasks_dispatched(self, fact: told.TasksDispatched) -> None:
        records = [record for record in self._fold.known(fact.task_ids) if record.state not in ENDED]
        for record in records:
            if record.actor:
                self._actors.follow_call(record)
        if records:
            self._queues.dispatch((self._fold.node_id, fact.worker_id), records, fact.at)
        self._fold.note_time(fact.at)

    def _on_tasks_returned(self, fact: told.TasksReturned) -> None:
        key: WorkerKey = (self._fold.node_id, fact.worker_id)
        gone = {record for record in self._fold.known(fact.task_ids) if record.queued and record.worker == key}
        self._queues.take_back(key, gone, fact.at)
        for task_id in fact.task_ids:
            record = self._tasks.get(task_id)
            if record in gone:
                self._stories.note_returned(record, fact.at)
                record.started_at = 0.0
                record.worker = None
                self._ledger.move(record, RETRIED if record.attempt else READY)
        self._fold.note_time(fact.at)

    def _on_task_started(self, fact: told.TaskStarted) -> None:
        for record in self._fold.known((fact.task_id,)):
            if record.state not in ENDED:
                self._queues.run_now(record, (self._fold.node_id, fact.worker_id), fact.at)
        self._fold.note_time(fact.at)

    def _on_task_finished(self, fact: told.TaskFinished) -> None:
        record = self._tasks.get(fact.task_id)
        if record is None:
            self._fold.unknown += 1
        elif record.state not in ENDED and self._counts(record):
            at = fact.finished_at
            if record.queued:
                self._queues.leave(record, at)
            make_object = self._ledger.make_object
            for index, value in enumerate(fact.values):
                state, object_bytes = object_state(value)
                make_object(return_object_id(record.task_id, index), state, object_bytes)
            record.error = ""
            self._ledger.end(record, FINISHED, fact.started_at, at)
        self._fold.note_time(fact.finished_at)

    def _on_items_yielded(self, fact: told.ItemsYielded) -> None:
        record = self._tasks.get(fact.task_id)
        if record is not None and self._counts(record):
            self._ledger.add_items(record, fact.index, [object_state(value) for value in fact.values])
        self._fold.note_time(fact.at)

    def _on_task_failed(self, fact: told.TaskFailed) -> None:
        for record in self._fold.known((fact.task_id,)):
            told_before = fact.will_retry and record.state == RETRIED and not record.queued
            if record.state in ENDED or told_before or not self._counts(record):
                continue
            if record.queued:
                self._queues.leave(record, fact.finished_at)
            record.error = fact.summary
            if fact.will_retry:
                self._ledger.retry(record, record.attempt + 1)
                continue
            state = _failed_state(fact.error)
            self._ledger.fail_returns(record, "lost" if state == LOST else "inline")
            self._ledger.end(record, state, fact.started_at, fact.finished_at)
        self._fold.note_time(fact.finished_at)

    def _on_task_retried(self, fact: told.TaskRetried) -> None:
        for record in self._fold.known((fact.task_id,)):
            # Also after the task had ended: its result was lost and it is run again.
            if fact.attempt <= record.attempt and (record.state in ENDED or record.state == RETRIED):
                continue
            if record.queued:
                self._queues.leave(record, fact.at)
            self._stories.note_retried(record, fact)
            record.error = fact.reason
            self._ledger.retry(record, fact.attempt)
        self._fold.note_time(fact.at)

    def _on_output_diverged(self, fact: told.OutputDiverged) -> None:
        for record in self._fold.known((producer_of(fact.object_id),)):
            record.diverged = fact.difference
        self._fold.note_time(fact.at)

    def _on_result_recalled(self, fact: told.ResultRecalled) -> None:
        """It need not run again after all: what it gave then is read from the log."""
        for record in self._fold.known((fact.task_id,)):
            if record.state not in ENDED:
                for object_id in returns_of(record):
                    known = self._fold.objects.get(object_id)
                    self._ledger.make_object(object_id, "inline", known.object_bytes if known is not None else 0)
                self._ledger.end(record, FINISHED, 0.0, fact.at)
        self._fold.note_time(fact.at)

    def _on_cancel_requested(self, fact: told.CancelRequested) -> None:
        self._stories.note_cancel_request(fact, self._fold.asker())
        self._fold.note_time(fact.at)

    def _on_task_cancelled(self, fact: told.TaskCancelled) -> None:
        mine = [record for record in self._fold.known((fact.task_id,)) if self._counts(record)]
        self._fold.end_tasks(mine, fact.at, fact.reason)
        self._fold.note_time(fact.at)

    def _counts(self, record: TaskRecord) -> bool:
        """Whether a report of an end is heeded: by the node itself, and by the worker that has the task."""
        source, worker = self._fold.source, record.worker
        return not source or (
            record.queued and worker is not None and worker[1] == source and worker[0] == self._fold.node_id
        )


def _failed_state(error: ObjectValue) -> int:
    if error.kind != ValueKind.FAILURE:
        return FAILED
    try:
        kind = decode_failure(error.data).kind
    except msgspec.DecodeError:
        # The log keeps of a large value only its size; the summary still says what it was.
        return FAILED
    return {"object_lost": LOST, "cancelled": CANCELLED}.get(kind, FAILED)
