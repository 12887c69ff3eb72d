"""The live tasks of one node and everything that changes one: submitted, ready, given back, retried, ended.

A task's record goes when it is final and its descendants are: memory does not grow with what has run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.core import dependencies, failures
from cellray.core.actor_journal import REPLAYER
from cellray.core.expectations import Expectations
from cellray.core.generators import Generators
from cellray.core.objects import SHARED, ObjectEntry, ObjectTable
from cellray.core.outbox import Outbox
from cellray.core.resources import ResourcePool
from cellray.core.submissions import Submissions
from cellray.core.tasks import Job, Task
from cellray.core.template_table import TemplateTable
from cellray.core.transitions import ASSIGNED, CANCELLED, FAILED, FINISHED, READY, WAITING, move
from cellray.ids import (
    TaskId,
    is_put,
    producer_of,
)
from cellray.model.fact import TaskCancelled, TaskFailed, TaskFinished, TaskRetried
from cellray.model.object import ObjectValue, ValueKind

if TYPE_CHECKING:
    from cellray.core.actors import Actors
    from cellray.core.holds import Holds
    from cellray.core.placement_groups import PlacementGroups
    from cellray.core.recovery import Recovery
    from cellray.core.workers import Worker


class TaskTable:
    """Tasks by id; `registry` has the templates, functions and ready queues that they need.

    `live` counts tasks that are not final, `waiting` those in state WAITING, `ended` (by state) all that became final.
    """

    actors: Actors
    groups: PlacementGroups
    recovery: Recovery
    holds: Holds
    """Set by whoever puts the core's parts together."""

    def __init__(self, objects: ObjectTable, pool: ResourcePool, outbox: Outbox, node_id: str = "") -> None:
        self.tasks: dict[TaskId, Task] = {}
        self.registry = TemplateTable(pool, node_id)
        self.jobs: dict[TaskId, Job] = {}
        self.generators = Generators(objects, outbox)
        self.expectations = Expectations()
        self.live = 0
        self.waiting = 0
        self.ended = [0] * (CANCELLED + 1)
        self.submissions = Submissions(self, objects, outbox)
        self._objects = objects
        self._outbox = outbox

    def recall(self, task: Task, values: tuple[ObjectValue, ...], at: float) -> None:
        """A task that waits has ended before, with these values, and does not run."""
        self.waiting -= 1
        move(task, FINISHED)
        for entry, value in zip(task.returns, values, strict=True):
            self.recovery.seal_logged(entry, value)
        if task.actor is not None:
            self.actors.calls.changed[task.actor] = None
        self._conclude(task, None, at)

    def end_quietly(self, task: Task, at: float) -> None:
        """A call that was to run again does not, which changes nothing of how it ended before.

        What it returned then and nobody kept is lost until somebody wants to read it.
        """
        for entry in task.returns:
            if entry.value is None:
                self.recovery.seal_lost(entry, 0)
        self._end(
            task, CANCELLED, failures.cancelled(task.template.spec.name, task.task_id, "its actor died again"), at
        )

    def settle(self, at: float) -> None:
        """Move on the tasks that waited for objects that now exist, until no more follow."""
        while self._objects.resolved:
            settled = dependencies.settle(self._objects)
            for task, error in settled.failed:
                if task.state == WAITING:
                    self.fail(task, error, "a dependency failed", at)
            for task in settled.ready:
                self.make_ready(task)

    def finish(self, task: Task, worker: Worker, fact: TaskFinished) -> None:
        """A worker returned values for a task that it had, and that it has no more."""
        values = fact.values
        returns = task.returns
        if len(values) != len(returns):
            text = f"The worker returned {len(values)} values for {len(returns)} of {task.template.spec.name}."
            self._drop_grants(task, worker)
            self.fail(task, failures.internal(text), text, fact.finished_at)
            return
        template = task.template
        template.observe(fact.finished_at - fact.started_at)
        yields = False
        if template.is_special:
            yields = template.spec.stream is not None
            if yields and self._restarted(task, worker, fact.finished_at):
                return
            if template.spec.recorded:
                self.actors.rebuilds.executed(task)
        if task.state == ASSIGNED:
            task.state = FINISHED  # the move that nearly all make, without a call
        else:
            move(task, FINISHED)
        objects = self._objects
        for entry, value in zip(returns, values):  # noqa: B905 - checked above, and strict costs more than this
            if entry.value is None and value.kind != SHARED:
                objects.seal(entry, value)
            else:
                self._finish_return(task, entry, value, worker, fact.finished_at)
        if worker.granted or worker.wanted:
            self._drop_grants(task, worker)
        if yields:
            self.generators.ended(task)
        self._conclude(task, None, fact.finished_at)

    def _finish_return(self, task: Task, entry: ObjectEntry, value: ObjectValue, worker: Worker, at: float) -> None:
        """One value that lies in the arena, or that a task made which ran before: the older one stays."""
        claimed = value.kind != SHARED or self._objects.space.claim(entry.object_id, value.offset, worker)
        if claimed and value.kind == SHARED and (entry.value is None or entry.object_id in self._objects.space.lost):
            self._objects.lineage.note(entry, task)
        if entry.value is not None:
            if claimed:
                self._objects.come_again(entry, value, at)
        elif claimed:
            if value.kind == SHARED:
                self._objects.space.shelve(entry, value)
            self._objects.seal(entry, value)
        else:
            text = f"The worker wrote {entry.object_id.hex()} where it was granted no space."
            self._objects.seal(entry, failures.internal(text))

    def finish_here(self, task: Task, value: ObjectValue, at: float) -> None:
        """A task that runs nowhere: the node itself has done what it stands for."""
        move(task, FINISHED)
        for entry in task.returns:
            if entry.value is None:
                self._objects.seal(entry, value)
        self._conclude(task, None, at)

    def fail(self, task: Task, error: ObjectValue, summary: str, at: float) -> None:
        """The task ends with an error that the core decided; the log is told, unless it has ended before."""
        if task.owner_id != REPLAYER:
            self._outbox.facts.append(TaskFailed(task.task_id, 0.0, at, error, failures.one_line(summary)))
        self._end(task, FAILED, error, at)

    def raised(self, task: Task, worker: Worker, fact: TaskFailed) -> None:
        """A worker reports that a task's code raised; the task is tried again when it asks for that."""
        template = task.template
        if template.is_special and self._restarted(task, worker, fact.finished_at):
            return
        # What the runtime cannot do it cannot do the next time either.
        is_users = fact.error.kind == ValueKind.ERROR and fact.retryable
        if is_users and template.spec.retry_exceptions and task.cancel is None and template.may_retry(task.attempt):
            self._drop_grants(task, worker)
            self.try_again(task, fact.summary, fact.finished_at)
            return
        if template.spec.recorded:
            self.actors.rebuilds.executed(task)
        for entry, value in zip(task.returns, fact.values, strict=False):
            self._finish_return(task, entry, value, worker, fact.finished_at)
        self._drop_grants(task, worker)
        self._end(task, FAILED, fact.error, fact.finished_at)

    def dropped(self, task: Task, worker: Worker, fact: TaskCancelled) -> None:
        """A worker reports that it interrupted the task or let it fall; the log has that."""
        self._drop_grants(task, worker)
        if task.cancel is None and task.template.is_special and self._restarted(task, worker, fact.at, True):
            return
        reason = fact.reason or (task.cancel.reason if task.cancel is not None else "")
        self._cancelled(task, reason, fact.at)

    def cancel(self, task: Task, reason: str, at: float) -> None:
        """The task ends cancelled by decision of the core; the log is told."""
        self._outbox.facts.append(TaskCancelled(task.task_id, at, reason))
        self._cancelled(task, reason, at)

    def retry(self, task: Task, reason: str, at: float, pause_s: float = 0.0) -> None:
        """Another attempt, behind those that are ready: if this task is what kills workers, others go on."""
        task.attempt += 1
        if task.template.spec.stream is not None:
            self.expectations.note(task.task_id, self.generators.kept(task))
        task.notes += (f"attempt {task.attempt} since {at:.6f}: {failures.one_line(reason)}",)
        self._outbox.facts.append(TaskRetried(task.task_id, task.attempt, at, failures.one_line(reason), pause_s))
        if task.views:
            self._objects.space.unpin_arguments(task)
        task.worker = None
        if pause_s:
            self.holds.hold_until(task, at + pause_s)
        else:
            move(task, READY)
            task.template.queue.push(task)

    def try_again(self, task: Task, reason: str, at: float) -> None:
        """Another attempt after one that has failed; after a pause, unless it is the first."""
        self.retry(task, reason, at, self.holds.pause_s(task.attempt + 1))

    def give_back(self, task: Task, at: float) -> None:
        """A worker had the task and did not begin it. To give several back in order, begin with the last."""
        if task.cancel is not None:
            self.cancel(task, task.cancel.reason, at)
            return
        move(task, READY)
        if task.views:
            self._objects.space.unpin_arguments(task)
        task.worker = None
        task.template.queue.push_front(task)

    def end_job(self, job: Job) -> None:
        """No more submissions of this job are taken; its record goes with its last task."""
        job.ended = True
        if not job.live:
            self.jobs.pop(job.root_task_id, None)

    def make_ready(self, task: Task) -> None:
        """It waits for nothing more."""
        move(task, READY)
        self.waiting -= 1
        task.template.queue.push(task)

    def _cancelled(self, task: Task, reason: str, at: float) -> None:
        self._end(task, CANCELLED, failures.cancelled(task.template.spec.name, task.task_id, reason), at)

    def _end(self, task: Task, state: int, error: ObjectValue, at: float) -> None:
        before = task.state
        move(task, state)
        if before == READY:
            task.template.queue.withdraw()
        elif before == WAITING and task.missing:
            self.waiting -= 1
            self.holds.drop(task)
        for entry in task.returns:
            if entry.value is None:
                self._objects.seal(entry, error)
        if task.template.is_special:
            self.generators.ended(task)
            if task.template.spec.group is not None:
                self.groups.ended_badly(task)
            else:
                self.actors.ended_badly(task, error)
        self._conclude(task, error, at)

    def _conclude(self, task: Task, error: ObjectValue | None, at: float) -> None:
        """The task is final: what it kept alive goes, and its record unless descendants are under way."""
        self.ended[task.state] += 1
        self.live -= 1
        if self.expectations.of:
            self.expectations.forget(task.task_id)
        if task.views:
            self._objects.space.unpin_arguments(task)
        task.worker = None
        task.returns = ()
        if task.pinned:
            for entry in task.pinned:
                if entry.refs > 1:  # as is every actor's whose handle made the call
                    entry.refs -= 1
                else:
                    self._objects.unpin(entry)
            task.pinned = ()
        if task.orphans:
            self.recovery.ended(task, error, at)
            for entry in task.orphans:
                self._objects.unpin(entry)
            task.orphans = ()
        job = task.job
        job.live -= 1
        if job.ended and not job.live:
            self.jobs.pop(job.root_task_id, None)
        # Its record goes, and so do those above it that waited only for this. A loop: nesting may be deep.
        while not task.children:
            del self.tasks[task.task_id]
            parent = task.parent
            if parent is None:
                break
            assert parent.children is not None
            del parent.children[task]
            if parent.state < FINISHED:
                break
            task = parent

    def _restarted(self, task: Task, worker: Worker, at: float, was_interrupted: bool = False) -> bool:
        """Whether the task, at its end, is sent on its way once more."""
        if not self.generators.take_restart(task, was_interrupted=was_interrupted):
            return False
        self._drop_grants(task, worker)
        self.retry(task, "its reader began anew", at)
        return True

    def _drop_grants(self, task: Task, worker: Worker) -> None:
        """Free the space for results that this attempt did not seal. (Its `put` space the worker returns itself.)"""
        if worker.granted or worker.wanted:
            for object_id in [*worker.granted, *worker.wanted]:
                if producer_of(object_id) == task.task_id and not is_put(object_id):
                    self._objects.ungrant(object_id, worker)
