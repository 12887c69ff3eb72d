"""What a dead worker leaves behind: its tasks, begun and unbegun, what it held and read, and what it was writing."""

from __future__ import annotations

from cellray.core import failures
from cellray.core.actors import Actors
from cellray.core.dispatcher import Dispatcher
from cellray.core.kept_workers import KeptWorkers
from cellray.core.objects import ObjectTable
from cellray.core.task_table import TaskTable
from cellray.core.tasks import Task
from cellray.core.transitions import FINISHED
from cellray.core.views import Views
from cellray.core.workers import Worker, WorkerTable
from cellray.model.fact import WorkerExited


class WorkerExit:
    """Settles the affairs of workers that ended."""

    def __init__(
        self,
        tasks: TaskTable,
        objects: ObjectTable,
        views: Views,
        workers: WorkerTable,
        dispatcher: Dispatcher,
        actors: Actors,
        kept: KeptWorkers,
    ) -> None:
        self._tasks = tasks
        self._objects = objects
        self._views = views
        self._workers = workers
        self._dispatcher = dispatcher
        self._actors = actors
        self._kept = kept

    def settle(self, worker: Worker, fact: WorkerExited, at: float) -> None:
        """The worker is gone. Its running task is tried again or fails; the others are as if never sent."""
        left = list(worker.queue)
        worker.queue.clear()
        worker.alive = False
        self._dispatcher.end_lease(worker)
        self._workers.remove(worker)
        self._actors.names.forget(worker)
        self._tasks.generators.forget(worker)
        self._kept.left(worker, fact)
        if worker.actor is not None:
            self._actors.worker_left(worker, left, fact, at)
            self._objects.release_all(worker)
            self._views.release_all(worker)
            return
        for task in reversed(left[1:]):
            self._tasks.give_back(task, at)
        head = left[0] if left else None
        if head is not None:
            self.settle_head(head, worker, fact, at)
        if head is not None and head.state < FINISHED:
            # A retry submits and puts the same objects again; until it has ended they must not be freed and remade.
            head.orphans += self._objects.hand_over(worker)
        self._objects.release_all(worker)
        self._views.release_all(worker)

    def settle_head(self, task: Task, worker: Worker, fact: WorkerExited, at: float) -> None:
        """The task that it ran."""
        if task.cancel is not None:
            self._tasks.cancel(task, task.cancel.reason, at)
        elif fact.intended or worker.retired:
            self._tasks.give_back(task, at)
        elif task.template.may_retry(task.attempt):
            self._tasks.try_again(task, f"worker {worker.pid} {failures.death(fact)}", at)
        else:
            spec = task.template.spec
            error = failures.worker_crashed(spec.name, task.task_id, worker.pid, task.attempt + 1, fact)
            self._tasks.fail(task, error, f"worker {worker.pid} {failures.death(fact)}", at)
