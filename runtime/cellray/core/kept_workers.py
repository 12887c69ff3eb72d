"""Workers that are kept for a driver, which gives them ordinary tasks itself, one after another.

A driver that waits for each task before it submits the next asks for a direct line with one (`core/direct_calls.py`).
The worker that gets this task is kept then: its lease goes on when it has run it, with the resources. It is the
driver's until the driver submits anything by the node, by which it gives it back; until something is heard of a task
that is under way there, which is then like any other; or until another task needs what it holds. For that the worker
is asked, like one that is to return its tasks, since a task may have been sent to it of which we do not know.
"""

from __future__ import annotations

from typing import NamedTuple

from cellray.core.clients import Client
from cellray.core.dispatcher import Dispatcher
from cellray.core.outbox import Outbox
from cellray.core.task_table import TaskTable
from cellray.core.tasks import Task
from cellray.core.transitions import ASSIGNED
from cellray.core.workers import Worker, WorkerTable
from cellray.ids import ClientId, TaskId
from cellray.model.command import OpenDirectLine
from cellray.model.fact import DirectLineRequested, DirectLinesShut, TaskFinished, WorkerExited

ENDED_MAX = 64
"""Each concerns what was on its way when a worker was asked back."""


class Ended(NamedTuple):
    """A task that its worker has run, and which its driver may tell of as under way."""

    worker: Worker
    end: TaskFinished


class Death(NamedTuple):
    """Of a worker that was kept for a driver."""

    client: Client
    worker: Worker
    fact: WorkerExited


class KeptWorkers:
    """Who is kept (`WorkerTable.kept`), for whom (`Worker.kept_for`), and what is not certain about what they run.

    `asked` are requests of this `handle`. `died`: ends of workers whose driver may not have told of its last task;
    `ended`: last tasks of workers that were asked back.
    """

    def __init__(self, tasks: TaskTable, workers: WorkerTable, dispatcher: Dispatcher, outbox: Outbox) -> None:
        self.asked: list[tuple[DirectLineRequested, Client]] = []
        self.died: dict[ClientId, Death] = {}
        self.ended: dict[TaskId, Ended] = {}
        self._tasks = tasks
        self._workers = workers
        self._dispatcher = dispatcher
        self._outbox = outbox
        # Only their driver has told of these: their worker may not have read of them.
        self._unsure: dict[TaskId, Task] = {}

    def answer(self) -> None:
        """Keep the workers that have got the tasks with which somebody asked, if nobody else needs them."""
        for fact, client in self.asked:
            task = self._tasks.tasks.get(fact.last)
            worker = task.worker if task is not None else None
            if task is not None and worker is not None and self._may_keep(worker, task, client):
                assert worker.lease is not None, "it has a task"
                worker.lease.workers.pop(worker, None)
                worker.kept_for = client
                client.kept[worker] = self._workers.kept[worker] = None
                self._workers.settle(worker)
                self._outbox.send(
                    worker, OpenDirectLine(client.client_id, fact.address, fact.ticket, fact.line, is_for_tasks=True)
                )
        self.asked.clear()

    def _may_keep(self, worker: Worker, task: Task, client: Client) -> bool:
        spec = task.template.spec
        return (
            worker.open
            and len(worker.queue) == 1
            and task.owner_id == client.client_id
            and client.alive
            and not isinstance(client, Worker)
            and not (spec.max_calls or task.template.queue.uses_devices or task.template.is_special)
            and (spec.placement is None or not spec.placement.group_id)
            and not any(queue.count for queue in self._tasks.registry.queues.values())
        )

    def has(self, task: Task, worker: Worker, *, is_sure: bool) -> None:
        """A task has turned out to be with a worker that is kept: it is nobody's any more."""
        if not is_sure:
            self._unsure[task.task_id] = task
        self.let_go(worker)

    def confirm(self, task_id: TaskId) -> None:
        """Its worker tells of it too."""
        self._unsure.pop(task_id, None)

    def let_go_all(self, client: Client) -> None:
        """Their driver has given them back."""
        for worker in list(client.kept):
            self.let_go(worker)

    def let_go(self, worker: Worker) -> None:
        """The worker is like any other again."""
        self._forget(worker)
        if worker.lease is not None and not worker.blocked:
            worker.lease.workers[worker] = None
        self._workers.settle(worker)
        if not worker.queue:
            self._dispatcher.emptied.append(worker)

    def take_back(self, worker: Worker) -> None:
        """Ask a worker to take nothing more from its driver."""
        if worker.kept_for is not None:
            self._dispatcher.reclaim(worker)

    def on_shut(self, fact: DirectLinesShut, worker: Worker, at: float) -> None:
        """It does not take anything more. What it has not told of, and has not run before, it never gets to see."""
        ended = {end.task_id: Ended(worker, end) for end in fact.ended}
        for task in self._unsure_of(worker):
            del self._unsure[task.task_id]
            if task.state == ASSIGNED:
                worker.take_out(task, at)
                if task.task_id in ended:
                    self.finish(task, ended.pop(task.task_id))
                else:
                    self._tasks.give_back(task, at)
        self.ended.update(ended)
        while len(self.ended) > ENDED_MAX:
            del self.ended[next(iter(self.ended))]

    def finish(self, task: Task, ended: Ended) -> None:
        """A task that was thought to be under way; the log does not know of its end."""
        self._outbox.facts.append(ended.end)
        self._tasks.finish(task, ended.worker, ended.end)

    def end_job(self, client: Client) -> None:
        """A driver has left."""
        for worker in client.kept:
            self.take_back(worker)
        self.died = {key: death for key, death in self.died.items() if death.client is not client}

    def left(self, worker: Worker, fact: WorkerExited) -> None:
        """A worker is gone."""
        for task in self._unsure_of(worker):
            del self._unsure[task.task_id]
        client = worker.kept_for
        if client is not None:
            self._forget(worker)
            if client.alive:
                self.died[worker.client_id] = Death(client, worker, fact)

    def _unsure_of(self, worker: Worker) -> list[Task]:
        return [task for task in self._unsure.values() if task.worker is worker]

    def _forget(self, worker: Worker) -> None:
        client = worker.kept_for
        if client is not None:
            worker.kept_for = None
            del client.kept[worker]
            del self._workers.kept[worker]
