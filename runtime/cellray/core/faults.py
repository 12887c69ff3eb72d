"""Faults that tests ask for (`cellray.testing`): an object is lost, the worker of a task or an actor is killed.

What happens then is what happens when it is no test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cellray.core.blocks import LOST
from cellray.ids import ActorId, is_put, producer_of
from cellray.model.command import FaultDone, RecallViews
from cellray.model.fact import FaultRequested

if TYPE_CHECKING:
    from cellray.core.actors import Actors
    from cellray.core.clients import Client
    from cellray.core.objects import ObjectEntry, ObjectTable
    from cellray.core.outbox import Outbox
    from cellray.core.task_table import TaskTable
    from cellray.core.workers import WorkerTable
    from cellray.ids import ClientId, ObjectId, TaskId

LOST_ON_PURPOSE = "cellray.testing.drop_object() was called"
KILLED_ON_PURPOSE = "cellray.testing.kill_worker() was called"


class Faults:
    """Carries them out, or says why not."""

    def __init__(
        self,
        tasks: TaskTable,
        objects: ObjectTable,
        actors: Actors,
        workers: WorkerTable,
        clients: Mapping[ClientId, Client],
        outbox: Outbox,
    ) -> None:
        self._tasks = tasks
        self._objects = objects
        self._actors = actors
        self._workers = workers
        self._clients = clients
        self._outbox = outbox

    def on_requested(self, fact: FaultRequested, client: Client, at: float) -> None:
        """Handler for `node_scheduler`."""
        error = ""
        if fact.lose is not None:
            error = self._lose(fact.lose, at)
        if fact.kill is not None:
            error = self._kill(fact.kill)
        self._outbox.send(client, FaultDone(fact.request, error))

    def _lose(self, object_id: ObjectId, at: float) -> str:
        entry = self._objects.entries.get(object_id)
        if entry is None:
            return "nobody refers to the object any more: there is nothing to lose"
        if entry.value is None:
            return "the object does not exist yet; wait for it first: cellray.wait([ref])"
        if entry.value.is_error:
            return "the object has no value: its task failed"
        if not is_put(object_id) and ActorId(producer_of(object_id)) in self._actors.known:
            return "the object stands for an actor; cellray.testing.kill_worker(actor) kills its process"
        space = self._objects.space
        block = space.blocks.get(object_id)
        if block is None:
            self._lose_small(entry)
        elif block.state != LOST:
            for reader in self._clients.values():
                if reader.views.get(object_id) is block:
                    self._outbox.send(reader, RecallViews())
            space.lose(block, LOST_ON_PURPOSE)
        self._objects.recovery.lost(object_id, at)
        return ""

    def _lose_small(self, entry: ObjectEntry) -> None:
        """From now on it has to be asked for, as if it lay in shared memory; those who have it forget it."""
        assert entry.value is not None, "only what has a value can be lost"
        self._objects.space.shelve_lost(entry, len(entry.value.data), LOST_ON_PURPOSE)
        for client in self._clients.values():
            if entry.object_id in client.held:
                self._outbox.deliver(client, entry.object_id, entry.value)

    def _kill(self, task_id: TaskId) -> str:
        actor = self._actors.known.get(ActorId(task_id))
        task = self._tasks.tasks.get(task_id)
        worker = actor.worker if actor is not None else task.worker if task is not None else None
        if worker is None:
            return f"the {'actor' if actor is not None else 'task'} has no process: it has not begun, or has ended"
        if actor is None and worker.actor is None and worker.queue[0] is not task:
            return "the task has not begun: another one runs before it on its worker; wait until it runs"
        worker.ending = True
        self._workers.settle(worker)
        self._outbox.kill(worker.client_id, KILLED_ON_PURPOSE)
        return ""
