"""The state of a session, folded from the facts of its event log: the one reading of the log behind every face.

The fold is a function of the facts alone: it reads no clock, and how facts are cut into batches makes no difference.
Rules for what the log does not say in so many words:

- A task waits while one of its dependencies does not exist. A dependency of which nothing is known is taken as
  missing only while the fold knows the log from its start and has forgotten nothing; otherwise as present.
- A worker runs the head of what it was dispatched; when that ends the next starts, at that moment, until
  `TaskFinished.started_at` says it exactly.
- The end of a job or a session ends all their tasks: nothing stays "running" in a history.
- What an actor is sent it runs in that order: each call follows the one sent before it, the first one the creation.
- Facts that were already applied change nothing where that can be seen from the state (a task submitted or ended
  twice); a whole record is applied once, which the caller ensures by its sequence.
- Above `FoldLimits` the oldest ended tasks are kept as counts only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from cellray.ids import TaskId, return_object_id
from cellray.model import fact as told
from cellray.model.actor import actor_of_call
from cellray.model.fact import Fact
from cellray.model.object import ObjectValue, ValueKind, decode_failure
from cellray.observe.changes import Changes
from cellray.observe.groups import GroupRecord, add_counts
from cellray.observe.ledger import FoldLimits, TaskLedger
from cellray.observe.object_facts import ObjectFacts, object_state
from cellray.observe.records import (
    CANCELLED,
    ENDED,
    FAILED,
    FINISHED,
    LOST,
    READY,
    RETRIED,
    OutputTotals,
    TaskRecord,
    WorkerKey,
)
from cellray.observe.registry import Registry
from cellray.observe.workers import WorkerQueues


class LogFold:
    """Everything a log's facts say so far. `apply` changes it; everything else only reads.

    `unknown` counts facts about tasks that are not known (the log began earlier, or they were folded), `folded` the
    tasks that are kept as counts only. `last_at` is the time of the latest fact.

        fold = LogFold()
        fold.apply(decode_facts(record.facts), record.source, record.node_id)
    """

    def __init__(self, limits: FoldLimits | None = None) -> None:
        self.ledger = TaskLedger(limits or FoldLimits())
        self.queues = WorkerQueues(self.ledger)
        self.tasks = self.ledger.tasks
        self.objects = self.ledger.objects
        self.groups: list[GroupRecord] = self.ledger.groups
        self.outputs = self.ledger.outputs
        self.workers = self.queues.workers
        self.registry = Registry()
        self.jobs = self.registry.jobs
        self.drivers = self.registry.drivers
        self.functions = self.registry.functions
        self.templates = self.registry.templates
        self.nodes: dict[str, told.NodeJoined] = {}
        self.output = OutputTotals()
        self.session_id = ""
        self.session_started_at = 0.0
        self.session_ended_at = 0.0
        self.facts = 0
        self.unknown = 0
        self.last_at = 0.0
        self._last_calls: dict[str, TaskId] = {}
        self._source = 0
        self._node_id = ""
        self._handlers: dict[type, Callable[[Any], None]] = {
            told.SessionStarted: self._on_session_started,
            told.SessionEnded: self._on_session_ended,
            told.NodeJoined: self._on_node_joined,
            told.WorkerStarted: self._on_worker_started,
            told.WorkerExited: self._on_worker_exited,
            told.WorkerBlocked: self._on_worker_blocked,
            told.WorkerUnblocked: self._on_worker_unblocked,
            told.JobStarted: self._on_job_started,
            told.JobEnded: self._on_job_ended,
            told.FunctionRegistered: self._on_function_registered,
            told.TemplateRegistered: self._on_template_registered,
            told.TasksSubmitted: self._on_tasks_submitted,
            told.TasksDispatched: self._on_tasks_dispatched,
            told.TasksReturned: self._on_tasks_returned,
            told.TaskStarted: self._on_task_started,
            told.TaskFinished: self._on_task_finished,
            told.TaskFailed: self._on_task_failed,
            told.TaskRetried: self._on_task_retried,
            told.TaskCancelled: self._on_task_cancelled,
            told.CancelRequested: self._on_nothing,
            told.TaskOutput: self._on_output,
            told.WorkerOutput: self._on_output,
            told.ActorStarted: self._on_nothing,
            told.ActorDied: self._on_actor_died,
            told.ActorKillRequested: self._on_nothing,
            told.ActorExited: self._on_nothing,
            **ObjectFacts(self.ledger, self._note_time).handlers(),
            told.GroupRemoved: self._on_nothing,
            told.ActorCheckpointed: self._on_nothing,
            told.CheckpointFailed: self._on_nothing,
            told.ActorRestored: self._on_nothing,
        }

    @property
    def folded(self) -> int:
        """Tasks kept as counts only."""
        return self.ledger.folded

    @property
    def submitted(self) -> int:
        """Tasks ever submitted, each once."""
        return self.ledger.submitted

    def totals(self) -> dict[str, int]:
        """All tasks by name of state, folded ones included; states without tasks are left out."""
        return add_counts(self.groups)

    def take_changes(self) -> Changes:
        """What changed since the last call; there is one taker, which tells the others."""
        changes = self.ledger.changes
        self.ledger.changes = Changes()
        return changes

    def apply(self, facts: Iterable[Fact], source: int, node_id: str) -> None:
        """Apply the facts of one record; facts that are not kept in a log are passed over."""
        self._source, self._node_id = source, node_id
        handlers = self._handlers
        for fact in facts:
            handler = handlers.get(type(fact))
            if handler is not None:
                self.facts += 1
                handler(fact)

    def _on_session_started(self, fact: told.SessionStarted) -> None:
        if fact.session_id == self.session_id:
            return
        self._end_tasks(list(self.tasks.values()), fact.at, "the session before was lost")
        self.queues.clear(fact.at)
        self.session_id, self.session_started_at, self.session_ended_at = fact.session_id, fact.at, 0.0
        self.ledger.complete = self.facts == 1
        self._note_time(fact.at)

    def _on_session_ended(self, fact: told.SessionEnded) -> None:
        self.session_ended_at = fact.at
        self._end_tasks(list(self.tasks.values()), fact.at, f"session ended: {fact.reason}")
        self.queues.clear(fact.at)
        self.registry.end_jobs(fact.at, fact.reason)
        self._note_time(fact.at)

    def _on_node_joined(self, fact: told.NodeJoined) -> None:
        known = self.nodes.get(fact.node_id)
        if known is not None and known.pid != fact.pid:
            self.queues.forget_node(fact.node_id)
        self.nodes[fact.node_id] = fact
        self._note_time(fact.at)

    def _on_worker_started(self, fact: told.WorkerStarted) -> None:
        self.queues.begin((self._node_id, fact.worker_id), fact.at, fact.pid)
        self._note_time(fact.at)

    def _on_worker_exited(self, fact: told.WorkerExited) -> None:
        self.queues.exit((self._node_id, fact.worker_id), fact)
        self._note_time(fact.at)

    def _on_worker_blocked(self, fact: told.WorkerBlocked) -> None:
        worker = self.workers.get((self._node_id, fact.worker_id))
        if worker is not None:
            worker.blocked = True
        self._note_time(fact.at)

    def _on_worker_unblocked(self, fact: told.WorkerUnblocked) -> None:
        worker = self.workers.get((self._node_id, fact.worker_id))
        if worker is not None:
            worker.blocked = False
        self._note_time(fact.at)

    def _on_job_started(self, fact: told.JobStarted) -> None:
        self.registry.add_job(fact, self._node_id)
        self._note_time(fact.at)

    def _on_job_ended(self, fact: told.JobEnded) -> None:
        job = self.jobs.get(fact.job_id)
        if job is not None:
            job.ended_at, job.end_reason = fact.at, fact.reason
            mine = [record for record in self.tasks.values() if record.job is job]
            self._end_tasks(mine, fact.at, f"its driver ended: {fact.reason}")
        self._note_time(fact.at)

    def _on_function_registered(self, fact: told.FunctionRegistered) -> None:
        self.registry.add_function(fact.function)
        self._note_time(fact.at)

    def _on_template_registered(self, fact: told.TemplateRegistered) -> None:
        self.registry.add_template(fact.template)
        self._note_time(fact.at)

    def _on_tasks_submitted(self, fact: told.TasksSubmitted) -> None:
        parent_id, at, tasks, ledger = fact.parent_id, fact.at, self.tasks, self.ledger
        parent = tasks.get(parent_id)
        prefix, job = self.registry.children_of(parent_id, parent)
        # Only a parent that runs again submits the same children again; those that were folded must not count twice.
        index_seen = parent.index_max if parent is not None and parent.attempt and ledger.folded else -1
        template, group = None, -1
        for spec in fact.tasks:
            index = spec.index
            task_id = TaskId(prefix + index.to_bytes(4, "big"))
            if task_id in tasks or index <= index_seen:
                continue
            if template is None or spec.template_id != template.template_id:
                template = self.registry.template(spec.template_id)
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
            ledger.add(record, parent)
            if parent is not None and index > parent.index_max:
                parent.index_max = index
        self._note_time(at)

    def _on_tasks_dispatched(self, fact: told.TasksDispatched) -> None:
        records = [record for record in self._known(fact.task_ids) if record.state not in ENDED]
        for record in records:
            if record.actor:
                self._follow_call(record)
        if records:
            self.queues.dispatch((self._node_id, fact.worker_id), records, fact.at)
        self._note_time(fact.at)

    def _follow_call(self, record: TaskRecord) -> None:
        """An actor was sent a call, or its constructor; one that is tried again follows what it followed before."""
        last = self._last_calls.get(record.actor)
        if record.previous_call is None and not record.template.creates and last is not None:
            record.previous_call = last
            self.ledger.count_call(self.tasks.get(last), record)
        self._last_calls[record.actor] = record.task_id

    def _on_tasks_returned(self, fact: told.TasksReturned) -> None:
        key: WorkerKey = (self._node_id, fact.worker_id)
        gone = {record for record in self._known(fact.task_ids) if record.queued and record.worker == key}
        self.queues.take_back(key, gone, fact.at)
        for task_id in fact.task_ids:
            record = self.tasks.get(task_id)
            if record in gone:
                record.started_at = 0.0
                record.worker = None
                self.ledger.move(record, RETRIED if record.attempt else READY)
        self._note_time(fact.at)

    def _on_task_started(self, fact: told.TaskStarted) -> None:
        for record in self._known((fact.task_id,)):
            if record.state not in ENDED:
                self.queues.run_now(record, (self._node_id, fact.worker_id), fact.at)
        self._note_time(fact.at)

    def _on_task_finished(self, fact: told.TaskFinished) -> None:
        record = self.tasks.get(fact.task_id)
        if record is None:
            self.unknown += 1
        elif record.state not in ENDED:
            at = fact.finished_at
            if record.queued:
                self.queues.leave(record, at)
            make_object = self.ledger.make_object
            for index, value in enumerate(fact.values):
                state, object_bytes = object_state(value)
                make_object(return_object_id(record.task_id, index), state, object_bytes)
            record.error = ""
            self.ledger.end(record, FINISHED, fact.started_at, at)
        self._note_time(fact.finished_at)

    def _on_task_failed(self, fact: told.TaskFailed) -> None:
        for record in self._known((fact.task_id,)):
            told_before = fact.will_retry and record.state == RETRIED and not record.queued
            if record.state in ENDED or told_before:
                continue
            if record.queued:
                self.queues.leave(record, fact.finished_at)
            record.error = fact.summary
            if fact.will_retry:
                self.ledger.retry(record, record.attempt + 1)
                continue
            state = _failed_state(fact.error)
            self.ledger.fail_returns(record, "lost" if state == LOST else "inline")
            self.ledger.end(record, state, fact.started_at, fact.finished_at)
        self._note_time(fact.finished_at)

    def _on_task_retried(self, fact: told.TaskRetried) -> None:
        for record in self._known((fact.task_id,)):
            # Also after the task had ended: its result was lost and it is run again.
            if fact.attempt <= record.attempt and (record.state in ENDED or record.state == RETRIED):
                continue
            if record.queued:
                self.queues.leave(record, fact.at)
            record.error = fact.reason
            self.ledger.retry(record, fact.attempt)
        self._note_time(fact.at)

    def _on_task_cancelled(self, fact: told.TaskCancelled) -> None:
        self._end_tasks(self._known((fact.task_id,)), fact.at, fact.reason)
        self._note_time(fact.at)

    def _on_actor_died(self, fact: told.ActorDied) -> None:
        if not fact.will_restart:
            self._last_calls.pop(fact.actor_id.hex(), None)
        self._note_time(fact.at)

    def _on_nothing(
        self,
        fact: told.CancelRequested
        | told.ActorStarted
        | told.ActorKillRequested
        | told.ActorExited
        | told.GroupRemoved
        | told.ActorCheckpointed
        | told.CheckpointFailed
        | told.ActorRestored,
    ) -> None:
        """What was asked for shows when it happens, and what becomes of actors and placement groups in their tasks."""
        self._note_time(fact.at)

    def _on_output(self, fact: told.TaskOutput | told.WorkerOutput) -> None:
        text_bytes = len(fact.text.encode())
        self.output.add(fact.stream, text_bytes, fact.dropped_bytes)
        for record in self._known((fact.task_id,) if fact.task_id else ()):
            totals = self.outputs.setdefault(record.task_id, OutputTotals())
            totals.add(fact.stream, text_bytes, fact.dropped_bytes)
        self._note_time(fact.at)

    def _note_time(self, at: float) -> None:
        if at > self.last_at:
            self.last_at = at

    def _known(self, task_ids: Iterable[TaskId]) -> list[TaskRecord]:
        """Records of the tasks that are known; the others are counted."""
        found = []
        for task_id in task_ids:
            record = self.tasks.get(task_id)
            if record is None:
                self.unknown += 1
            else:
                found.append(record)
        return found

    def _end_tasks(self, records: list[TaskRecord], at: float, reason: str) -> None:
        """Tasks end without an outcome of their own; what stood behind them in the queues does not start by it."""
        doomed = {record for record in records if record.state not in ENDED}
        for key in {record.worker for record in doomed if record.queued and record.worker is not None}:
            self.queues.take_back(key, doomed, at)
        for record in records:
            if record in doomed:
                record.error = reason
                self.ledger.fail_returns(record, "inline")
                self.ledger.end(record, CANCELLED, record.started_at, at)


def _failed_state(error: ObjectValue) -> int:
    if error.kind != ValueKind.FAILURE:
        return FAILED
    try:
        kind = decode_failure(error.data).kind
    except msgspec.DecodeError:
        # The log keeps of a large value only its size; the summary still says what it was.
        return FAILED
    return {"object_lost": LOST, "cancelled": CANCELLED}.get(kind, FAILED)
