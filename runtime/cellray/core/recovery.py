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
from cellray.ids import ClientId, ObjectId, TaskId, producer_of, return_object_id
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

NODE = ClientId(0)
"""Owns what runs again: who waits for it has its own part in it."""
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
        for job in _jobs_of(block):
            self.want(block, job)

    def want(self, block: Block, job: Job) -> None:
        """Somebody of this job waits for a lost object."""
        task_id = producer_of(block.entry.object_id)
        if task_id in self.under_way:
            return
        task = self._tasks.tasks.get(task_id)
        if task is not None and task.state < FINISHED:
            # Lost while the task that made it goes on, an item or an object that it put: after its end.
            task.orphans += self._objects.pin((block.entry.object_id,))
            return
        self.under_way[task_id] = Attempt(job)
        self._histories.ask((task_id,), self._on_history)

    def ended(self, task: Task, error: ObjectValue | None, at: float) -> None:
        """A task is final that ran again, or that held what others wait for."""
        attempt = self.under_way.pop(task.task_id, None)
        for block in self._wanted_of(task.task_id):
            others = [job for job in _jobs_of(block) if not job.ended] if attempt is None or task.job.ended else []
            if others:
                self.want(block, others[0])
            else:
                self._give_up(block, reasons.after_running(block, task, error), at)

    def found(self, block: Block, value: ObjectValue, at: float) -> None:
        """Here is what was missing."""
        object_bytes = value.object_bytes or len(value.data)
        self._outbox.facts.append(ObjectReconstructed(block.entry.object_id, at, object_bytes))
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
            self._space.shelve_lost(entry, value.object_bytes, FREED)
            assert entry.value is not None, "`shelve_lost` says that it is lost"
            self._objects.seal(entry, entry.value)

    def _on_history(self, fact: HistoryFound, at: float) -> None:
        (task_id,) = fact.task_ids
        job = self.under_way[task_id].job
        history = fact.found.get(task_id)
        if history is not None:
            for block in self._wanted_of(task_id):
                value = logged_value(history, block.entry.object_id)
                if value is not None:
                    self._recall(block, value, at)
        wanted = self._wanted_of(task_id)
        if not wanted:
            del self.under_way[task_id]
            return
        why_not = reasons.why_not(history, fact.error)
        if why_not or history is None:
            del self.under_way[task_id]
            for block in wanted:
                self._give_up(block, reasons.not_possible(block, history, why_not), at)
        else:
            self._run(history, wanted, job, at)

    def _recall(self, block: Block, value: ObjectValue, at: float) -> None:
        for inner in value.contained:
            self._enter(inner)
        self._outbox.facts.append(ObjectReconstructed(block.entry.object_id, at, len(value.data), True))
        self._replace(block, value)

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
        return [
            block
            for object_id, block in self._space.lost.items()
            if producer_of(object_id) == task_id and _jobs_of(block)
        ]

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
    jobs = [client.job or NOBODY for client in block.viewers or ()]
    return jobs + [task.job for task in block.entry.waiters or () if task.state == WAITING]
