"""Whose output is whose: what tasks print goes to the driver of their job, under their name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.core.clients import Client
from cellray.core.outbox import Outbox
from cellray.core.task_table import TaskTable
from cellray.core.workers import Worker, WorkerTable
from cellray.ids import ClientId, TaskId, TemplateId
from cellray.model import fact as f
from cellray.model.command import OutputForwarded

if TYPE_CHECKING:
    from cellray.core.tasks import Job, Template

LOOK_S = 0.2
"""How often the node looks at what processes have written past Python while a task runs for long."""


class Output:
    """Two sources: Python's streams in the worker, which know the task; and the process's descriptors 1 and 2, which C
    code and subprocesses write to. These are files that the node reads, when the worker says that they have grown,
    now and then while a task runs for long, and when the worker has ended."""

    def __init__(self, clients: dict[ClientId, Client], workers: WorkerTable, tasks: TaskTable, outbox: Outbox) -> None:
        self._clients = clients
        self._workers = workers
        self._tasks = tasks
        self._outbox = outbox
        self._next_look_at = 0.0

    def on_task_output(self, fact: f.TaskOutput, client: Client, at: float) -> None:
        """A task has printed."""
        self._forward(fact.task_id, client, fact.stream, fact.text, fact.dropped_bytes)

    def on_worker_wrote(self, fact: f.WorkerWrote, client: Client, at: float) -> None:
        """A worker's files have grown: have them read."""
        if isinstance(client, Worker):
            client.wrote_as = fact.template_id
            self._outbox.read_output(client.client_id, fact.task_id, to_the_end=True)

    def on_worker_output(self, fact: f.WorkerOutput, client: Client, at: float) -> None:
        """What was in them, as the shell found it."""
        worker = self._workers.workers.get(fact.worker_id)
        if worker is None:
            return
        task_id = fact.task_id or _running(worker)
        self._forward(task_id, worker, fact.stream, fact.text, fact.dropped_bytes, worker.wrote_as)

    def look(self, at: float) -> None:
        """Have the files of workers read whose task runs for long; called at ticks."""
        if at < self._next_look_at:
            return
        self._next_look_at = at + LOOK_S
        for worker in self._workers.workers.values():
            if worker.queue and at - worker.head_since > LOOK_S:
                self._outbox.read_output(worker.client_id, worker.queue[0].task_id, to_the_end=False)

    def _forward(
        self,
        task_id: TaskId,
        source: Client,
        stream: str,
        text: str,
        dropped_bytes: int,
        template_id: TemplateId | None = None,
    ) -> None:
        task = self._tasks.tasks.get(task_id)
        template = task.template if task is not None else self._template(template_id)
        if task is None and isinstance(source, Worker) and source.actor is not None:
            task = source.actor.creation  # of a call that is forgotten, a thread of the actor's own, its last words
            template = template or task.template
        job: Job | None = task.job if task is not None else source.job
        driver = self._clients.get(job.client_id) if job is not None else None
        if driver is None:
            return
        spec = template.spec if template is not None else None
        name, cell = (spec.name, spec.cell) if spec is not None else ("worker", None)
        pid = source.pid if isinstance(source, Worker) else 0
        self._outbox.send(driver, OutputForwarded(task_id, stream, text, dropped_bytes, name, cell, pid))

    def _template(self, template_id: TemplateId | None) -> Template | None:
        return self._tasks.registry.templates.get(template_id) if template_id is not None else None


def _running(worker: Worker) -> TaskId:
    return worker.queue[0].task_id if worker.queue else TaskId(b"")
