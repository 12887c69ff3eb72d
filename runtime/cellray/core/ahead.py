"""What goes out before the books are kept: a lone task to a worker that has nothing to do, its result to who waits.

Whoever calls one task after another waits for the node twice a task, and most of what `handle` does then is for later.
Where it is plain at a look to whom a fact's task or result will go, it is sent first. `handle`, which gets the same
facts next, comes to the same decision and does not send it again; so nothing here may be plain that might come out
otherwise there (`tests/sim` compares the two).
"""

from __future__ import annotations

from collections.abc import Sequence

from cellray.core.actor_record import ALIVE
from cellray.core.actors import Actors
from cellray.core.clients import Client
from cellray.core.dispatcher import Dispatcher
from cellray.core.objects import SHARED, ObjectTable
from cellray.core.resources import ResourcePool
from cellray.core.task_table import TaskTable
from cellray.core.tasks import Template
from cellray.core.transitions import FINISHED
from cellray.core.workers import Worker, WorkerTable
from cellray.ids import TaskId, return_object_id
from cellray.model.command import ObjectsReady, Send, TasksAssigned
from cellray.model.fact import TaskFinished, TasksSubmitted
from cellray.model.task import TaskAssignment, TaskSpec


class Ahead:
    """Looks at the core's tables, and notes in them what has been sent."""

    def __init__(
        self,
        tasks: TaskTable,
        objects: ObjectTable,
        workers: WorkerTable,
        pool: ResourcePool,
        actors: Actors,
        dispatcher: Dispatcher,
    ) -> None:
        self._tasks = tasks
        self._objects = objects
        self._workers = workers
        self._pool = pool
        self._actors = actors
        self._dispatcher = dispatcher

    def of(self, facts: Sequence[object], client: Client) -> Send | None:
        """What to send at once, if anything, before `handle` gets these facts, and nothing else in between."""
        if len(facts) != 1:
            return None
        fact = facts[0]
        if type(fact) is TaskFinished:
            return self._result(fact, client)
        if type(fact) is TasksSubmitted and len(fact.tasks) == 1:
            return self._assignment(fact, fact.tasks[0], client)
        return None

    def _result(self, fact: TaskFinished, client: Client) -> Send | None:
        task = self._tasks.tasks.get(fact.task_id)
        if task is None or task.worker is not client or len(fact.values) != 1 or len(task.returns) != 1:
            return None
        entry, value = task.returns[0], fact.values[0]
        owner = entry.owner
        if entry.value is not None or owner is None or not owner.alive or value.kind == SHARED:
            return None
        if task.template.is_special and not _is_unrecorded_call(task.template):
            return None
        entry.owner = None  # it has the value now
        return Send(owner.client_id, ObjectsReady([(entry.object_id, value)]))

    def _assignment(self, fact: TasksSubmitted, spec: TaskSpec, client: Client) -> Send | None:
        tasks = self._tasks
        template = tasks.registry.usable.get(spec.template_id)
        if template is None or spec.dependencies or not client.alive or not self._may_run(fact.parent_id):
            return None
        if client.kept:
            return None  # it gives them back with this, and one of them gets it
        task_id = tasks.submissions.task_id(fact.parent_id, spec.index)
        if task_id in tasks.tasks or return_object_id(task_id, 0) in self._objects.entries:
            return None
        worker = self._of_actor(template, spec) if template.is_special else self._idle(template)
        if worker is None or spec.template_id not in worker.templates:
            return None
        self._dispatcher.sent_ahead = task_id
        return Send(worker.client_id, TasksAssigned([TaskAssignment(task_id, spec.template_id, spec.args)]))

    def _may_run(self, parent_id: TaskId) -> bool:
        """Whether what this parent submits is submitted for the first time, and is nothing that is being cancelled."""
        parent = self._tasks.tasks.get(parent_id)
        if parent is None:
            job = self._tasks.jobs.get(parent_id)
            return job is not None and not job.ended
        is_first = not parent.attempt and not parent.template.is_special
        return is_first and parent.cancel is None and parent.state < FINISHED and not parent.job.ended

    def _idle(self, template: Template) -> Worker | None:
        """Who gets an ordinary task when no other one is ready."""
        queue = template.queue
        worker = self._workers.next_idle(queue.environment)
        if worker is None or worker.devices_told or template.spec.max_calls or queue.uses_devices or queue.is_closed:
            return None
        for other in self._tasks.registry.queues.values():
            if other.count:
                return None
        return worker if self._pool.fits(queue.demand) else None

    def _of_actor(self, template: Template, spec: TaskSpec) -> Worker | None:
        """The process of the actor that is called, if the call goes to it at once."""
        if not _is_unrecorded_call(template) or not spec.contained:
            return None
        actor = self._actors.of_object(spec.contained[0])
        if actor is None or actor.state != ALIVE or actor.journal is not None or actor.lanes or not actor.takes_calls:
            return None
        return actor.worker


def _is_unrecorded_call(template: Template) -> bool:
    """Whether no journal of an actor has to hear of its tasks first."""
    return template.is_call and not template.spec.recorded
