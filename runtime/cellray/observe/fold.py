"""The state of a session, folded from the facts of its event log: the one reading of the log behind every face.

The fold is a function of the facts alone: it reads no clock, and how facts are cut into batches makes no difference.
Rules for what the log does not say in so many words:

- A task waits while one of its dependencies does not exist. A dependency of which nothing is known is taken as
  missing only while the fold knows the log from its start and has forgotten nothing; otherwise as present.
- A worker runs the head of what it was dispatched; when that ends the next starts, at that moment, until
  `TaskFinished.started_at` says it exactly.
- The end of a session ends all its tasks: nothing stays "running" in a history.
- What a worker reports of a task that it does not have, because it was given to another, is passed over as by the core.
- What an actor is sent it runs in that order: each call follows the one sent before it, the first one the creation.
- Facts that were already applied change nothing where that can be seen from the state (a task submitted or ended
  twice); a whole record is applied once, which the caller ensures by its sequence.
- Above `FoldLimits` the oldest ended tasks are kept as counts only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cellray.ids import ClientId, TaskId
from cellray.model import fact as told
from cellray.model.fact import Fact
from cellray.model.history import Told
from cellray.observe.actor_facts import ActorFacts
from cellray.observe.changes import Changes
from cellray.observe.groups import GroupRecord, add_counts
from cellray.observe.ledger import FoldLimits, TaskLedger
from cellray.observe.object_facts import ObjectFacts
from cellray.observe.records import (
    CANCELLED,
    ENDED,
    OutputTotals,
    TaskRecord,
)
from cellray.observe.registry import Registry
from cellray.observe.session_facts import SessionFacts
from cellray.observe.spans import Spans
from cellray.observe.task_facts import TaskFacts
from cellray.observe.workers import WorkerQueues

ENTRIES_BETWEEN = 1000


class LogFold:
    """Everything a log's facts say so far. `apply` changes it; everything else only reads.

    `unknown` counts facts about tasks that are not known (the log began earlier, or they were folded), `folded` the
    tasks that are kept as counts only, `forgotten_records` what the log itself had to give up. `last_at` is the time of
    the latest fact. `placement_groups` were created, or are to be, and nobody has removed them.

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
        self.stories = self.ledger.stories
        self.spans = Spans(self.ledger.limits.spans_max)
        self.workers = self.queues.workers
        self.registry = Registry()
        self.jobs = self.registry.jobs
        self.drivers = self.registry.drivers
        self.functions = self.registry.functions
        self.templates = self.registry.templates
        self.nodes: dict[str, told.NodeJoined] = {}
        self.placement_groups: dict[TaskId, None] = {}
        self.output = OutputTotals()
        self.session_id = ""
        self.session_started_at = 0.0
        self.session_ended_at = 0.0
        self.forgotten_records = 0
        self.facts = 0
        self.unknown = 0
        self.last_at = 0.0
        self.source = 0
        self.node_id = ""
        self._actors = ActorFacts(self)
        self.actors = self._actors.actors
        self._handlers: dict[type, Callable[[Any], None]] = {
            **SessionFacts(self).handlers(),
            **TaskFacts(self, self._actors).handlers(),
            **self._actors.handlers(),
            **ObjectFacts(self.ledger, self.note_time).handlers(),
            told.TaskOutput: self._on_output,
            told.WorkerOutput: self._on_output,
            told.GroupRemoved: self._on_group_removed,
            told.SpanEnded: self._on_span_ended,
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
        self.source, self.node_id = source, node_id
        handlers = self._handlers
        for fact in facts:
            handler = handlers.get(type(fact))
            if handler is not None:
                self.facts += 1
                handler(fact)

    def read(self, entries: Iterable[Told]) -> int:
        """Apply entries of a log while nobody looks at the changes, which would hold every task; the sequence of the
        last one, 0 when there was none."""
        last = 0
        for number, entry in enumerate(entries, 1):
            self.apply([entry.fact], entry.source, entry.node_id)
            last = entry.sequence
            if not number % ENTRIES_BETWEEN:
                self.take_changes()
        self.take_changes()
        return last

    def asker(self) -> TaskId | None:
        """Whose the facts are that are being applied: the task that their worker runs, or their driver's root task."""
        worker = self.workers.get((self.node_id, ClientId(self.source)))
        if worker is not None:
            return worker.queue[0].task_id if worker.queue else None
        jobs = (job for job in self.jobs.values() if job.client_id == self.source and job.node_id == self.node_id)
        return next((job.root_task_id for job in jobs), None)

    def _on_group_removed(self, fact: told.GroupRemoved) -> None:
        """What becomes of those that run in a placement group shows in their tasks."""
        self.placement_groups.pop(TaskId(fact.group_id), None)
        self.note_time(fact.at)

    def _on_span_ended(self, fact: told.SpanEnded) -> None:
        self.spans.note(fact, (self.node_id, ClientId(self.source)))
        self.note_time(fact.at)

    def _on_output(self, fact: told.TaskOutput | told.WorkerOutput) -> None:
        text_bytes = len(fact.text.encode())
        self.output.add(fact.stream, text_bytes, fact.dropped_bytes)
        for record in self.known((fact.task_id,) if fact.task_id else ()):
            totals = self.outputs.setdefault(record.task_id, OutputTotals())
            totals.add(fact.stream, text_bytes, fact.dropped_bytes)
        self.note_time(fact.at)

    def note_time(self, at: float) -> None:
        """A fact is of this time."""
        if at > self.last_at:
            self.last_at = at

    def known(self, task_ids: Iterable[TaskId]) -> list[TaskRecord]:
        """Records of the tasks that are known; the others are counted."""
        found = []
        for task_id in task_ids:
            record = self.tasks.get(task_id)
            if record is None:
                self.unknown += 1
            else:
                found.append(record)
        return found

    def end_actors(self, at: float, reason: str) -> None:
        """No actor lives any more."""
        self._actors.end_all(at, reason)

    def end_tasks(self, records: list[TaskRecord], at: float, reason: str) -> None:
        """Tasks end without an outcome of their own; what stood behind them in the queues does not start by it."""
        doomed = {record for record in records if record.state not in ENDED}
        for key in {record.worker for record in doomed if record.queued and record.worker is not None}:
            self.queues.take_back(key, doomed, at)
        for record in records:
            if record in doomed:
                record.error = reason
                self.ledger.fail_returns(record, "inline")
                self.ledger.end(record, CANCELLED, record.started_at, at)
