"""Lost objects are made again when somebody wants to read them: by running the task again that had made them.

A lost object keeps its entry, with a block that says LOST (`core/blocks.py`). Whoever wants to read it waits as for one
that is on disk, however many they are, and the first one to want it sets this in motion: the event log is asked for the
task, which runs once more with the same id and so makes the same objects again. What it needs and nobody referred to
any more is entered as lost too. So the chain is followed as far as it has to be and no further, by the very rules by
which tasks wait for arguments, and what was only needed on the way is freed again behind it.

What the log has kept itself, small results, is taken from there and nothing runs. A task counts its attempts on from
where they were: what may not be retried is not run again (Ray's rule), and calls of actors are not, because their
effect would be doubled. What cannot be made again fails, with the chain of reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cellray.core import reconstruction_failures as reasons
from cellray.core.objects import SHARED, ObjectEntry
from cellray.core.outcome import has_bytes, last_attempt, logged_value, outputs_of
from cellray.core.tasks import NOBODY, Task
from cellray.core.transitions import FINISHED, WAITING
from cellray.core.workers import job_of
from cellray.ids import NODE, ObjectId, TaskId, is_put, producer_of, return_index_of, return_object_id
from cellray.model.fact import ObjectLost, ObjectReconstructed, ReconstructionFailed

if TYPE_CHECKING:
    from cellray.core.blocks import Block
    from cellray.core.histories import Histories
    from cellray.core.objects import ObjectTable
    from cellray.core.outbox import Outbox
    from cellray.core.task_table import TaskTable
    from cellray.core.tasks import Job
    from cellray.core.views import Views
    from cellray.model.history import HistoryFound, TaskHistory
    from cellray.model.object import ObjectValue

FREED = "nobody referred to it any more and it was freed"


class Attempt(NamedTuple):
    """A task of which lost objects are wanted, and for whose sake: `task` is None until the log has answered."""

    job: Job
    task: Task | None = None


class Recovery:
    """Costs nothing while nothing is lost. `under_way` are the tasks that are asked for, or run again."""

    def __init__(
        self, tasks: TaskTable, objects: ObjectTable, views: Views, histories: Histories, outbox: Outbox
    ) -> None:
        self.under_way: dict[TaskId, Attempt] = {}
        self._tasks = tasks
        self._objects = objects
        self._space = objects.space
        self._views = views
        self._histories = histories
        self._outbox = outbox

    def lost(self, object_id: ObjectId, at: float) -> None:
        """The object's block says so from now on; somebody may be waiting for it."""
        block = self._space.lost[object_id]
        self._outbox.facts.append(ObjectLost(object_id, at, block.loss))
        jobs = _jobs_of(block)
        if jobs:
            self.want(block, jobs[0])

    def want(self, block: Block, job: Job) -> None:
        """Somebody of this job waits for a lost object."""
        task_id = producer_of(block.entry.object_id)
        task = self._live(task_id)
        if task is not None and self._makes(task, block):
            self._keep_for(task, block)
        elif task_id not in self.under_way:
            self.under_way[task_id] = Attempt(job)
            self._histories.ask((task_id,), self._on_history)
        elif task is not None and self.under_way[task_id].task is task:
            # It has made the object again, which was lost again, and may wait for whoever waits for that.
            self._histories.ask((task_id,), self._on_history)

    def was_put(self, object_id: ObjectId) -> None:
        """A client has put an object into shared memory."""
        task, block = self._tasks.tasks.get(producer_of(object_id)), self._space.blocks.get(object_id)
        if task is not None and block is not None:
            block.put_by = task.order, task.attempt

    def ended(self, task: Task, error: ObjectValue | None, at: float) -> None:
        """A task is final that ran again, or that held what others wait for."""
        attempt = self.under_way.get(task.task_id)
        if attempt is not None:
            if attempt.task is not task:
                return  # the log is asked, and its answer is for all that is wanted then
            del self.under_way[task.task_id]
        for block in self._wanted_of(task.task_id):
            others = [job for job in _jobs_of(block) if not job.ended] if attempt is None or task.job.ended else []
            if others:
                self.want(block, others[0])
            else:
                self._give_up(block, reasons.after_running(block, task, error), at)

    def found(self, block: Block, value: ObjectValue, at: float, *, from_log: bool = False) -> None:
        """Here is what was missing."""
        object_bytes = value.object_bytes or len(value.data)
        self._outbox.facts.append(ObjectReconstructed(block.entry.object_id, at, object_bytes, from_log))
        self._replace(block, value)

    def seal_logged(self, entry: ObjectEntry, value: ObjectValue) -> None:
        """The object exists, as the log tells: here is its value, or it is lost until somebody wants to read it."""
        if entry.value is not None:
            return
        if has_bytes(value):
            for inner in value.contained:
                self._enter(inner)
            self._objects.seal(entry, value)
        else:
            self.seal_lost(entry, value.object_bytes)

    def seal_lost(self, entry: ObjectEntry, object_bytes: int) -> None:
        """The object was made before and has gone: it is lost until somebody wants to read it."""
        self._space.shelve_lost(entry, object_bytes, FREED)
        assert entry.value is not None, "`shelve_lost` says that it is lost"
        self._objects.seal(entry, entry.value)

    def _on_history(self, fact: HistoryFound, at: float) -> None:
        (task_id,) = fact.task_ids
        attempt = self.under_way.get(task_id)
        if attempt is None:
            return  # asked twice
        history = fact.found.get(task_id)
        if history is not None:
            self._recall(history, at)
        wanted = self._wanted_of(task_id)
        task = self._live(task_id)
        if task is None or task is not attempt.task:
            del self.under_way[task_id]
        if task is not None:
            self._leave_to(task, wanted, at)
        elif wanted:
            why_not = reasons.why_not(history, fact.error)
            if not why_not and history is not None:
                self._run(history, wanted, attempt.job, at)
                return
            for block in wanted:
                self._give_up(block, reasons.not_possible(block, history, why_not), at)

    def _recall(self, history: TaskHistory, at: float) -> None:
        """What the log has kept itself."""
        for block in self._wanted_of(history.task_id):
            value = logged_value(history, block.entry.object_id)
            if value is not None:
                for inner in value.contained:
                    self._enter(inner)
                self.found(block, value, at, from_log=True)

    def _leave_to(self, task: Task, wanted: list[Block], at: float) -> None:
        """Objects of a task that is under way, perhaps because its parent runs again."""
        for block in wanted:
            if self._makes(task, block):
                self._keep_for(task, block)
            else:
                self._give_up(block, reasons.still_running(block, task), at)

    def _keep_for(self, task: Task, block: Block) -> None:
        """The task will make it, or run again after its end: until then nobody else need hold it."""
        if task.task_id not in self.under_way:
            task.orphans += self._objects.pin((block.entry.object_id,))

    def _live(self, task_id: TaskId) -> Task | None:
        task = self._tasks.tasks.get(task_id)
        return task if task is not None and task.state < FINISHED else None

    def _makes(self, task: Task, block: Block) -> bool:
        """Whether the task, which is under way, will have made the object by its end.

        An attempt puts an object once, and a generator does not go back. Its end, after which the task could run again,
        is not waited for: it may itself wait for whoever wants to read the object.
        """
        object_id = block.entry.object_id
        if is_put(object_id):
            return block.put_by is not None and block.put_by != (task.order, task.attempt)
        stream = self._tasks.generators.streams.get(task.task_id) if return_index_of(object_id) else None
        return stream is None or stream.remakes

    def _run(self, history: TaskHistory, wanted: list[Block], job: Job, at: float) -> None:
        tasks, spec = self._tasks, history.spec
        assert history.template is not None, "`why_not` has looked"
        if history.function is not None:
            tasks.registry.register_function(history.function)
        tasks.registry.register_template(history.template)
        template = tasks.registry.of(spec)
        returns = tuple(
            [self._entry(return_object_id(history.task_id, index)) for index in range(template.num_returns)]
        )
        task = Task(history.task_id, spec, template, NODE, job, None, tasks.submissions.next_order(), at, returns)
        task.attempt = last_attempt(history) + 1
        # Until it has ended nobody else need hold what it is to make, or has made before.
        kept = {block.entry.object_id: None for block in wanted}
        kept |= {entry.object_id: None for entry in returns if entry.value is not None}
        self.under_way[history.task_id] = Attempt(job, task)
        for object_id in (*spec.dependencies, *spec.contained):
            self._enter(object_id)
        tasks.expectations.note(history.task_id, outputs_of(history).items())
        tasks.submissions.run_again(task, tuple(kept), f"its result was lost: {wanted[0].loss}", at)

    def _entry(self, object_id: ObjectId) -> ObjectEntry:
        """The object's entry; one that has gone is there again until the task has ended."""
        entries = self._objects.entries
        if object_id not in entries:
            entries[object_id] = ObjectEntry(object_id)
        return entries[object_id]

    def _enter(self, object_id: ObjectId) -> None:
        """Somebody will refer to the object: if it has gone, it is lost from now on."""
        if object_id not in self._objects.entries:
            entry = self._objects.entries[object_id] = ObjectEntry(object_id)
            self._space.shelve_lost(entry, 0, FREED)

    def _wanted_of(self, task_id: TaskId) -> list[Block]:
        """The lost objects of this task that somebody waits for."""
        return [block for block in self._space.lost_of.get(task_id, {}).values() if _jobs_of(block)]

    def _give_up(self, block: Block, value: ObjectValue, at: float) -> None:
        self._space.losses += 1
        text = reasons.text_of(value)
        self._outbox.facts.append(ReconstructionFailed(block.entry.object_id, at, text))
        self._replace(block, value)

    def _replace(self, block: Block, value: ObjectValue) -> None:
        """The object has a value again, or what says why it never will."""
        entry = block.entry
        self._space.found(block, value)
        if value.kind != SHARED:
            self._objects.forget_lineage(entry.object_id)
        self._objects.contain(entry, value.contained)
        if entry.waiters is not None:
            self._objects.resolved.append(entry)
        self._views.arrived(block)


def _jobs_of(block: Block) -> list[Job]:
    """The jobs of those who wait to read the block."""
    jobs = [job_of(client) or NOBODY for client in block.viewers or ()]
    return jobs + [task.job for task in block.entry.waiters or () if task.state == WAITING]
