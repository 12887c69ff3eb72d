"""What drivers are told that they should know now: mostly what may make them wait for ever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cellray.core.clients import Client
from cellray.core.outbox import Outbox
from cellray.core.ready_queue import ReadyQueue
from cellray.core.resources import format_resources
from cellray.core.tasks import Job
from cellray.core.workers import Worker, WorkerTable
from cellray.ids import ClientId
from cellray.model.command import Warn


class Warnings:
    """Each thing once, until it has been otherwise."""

    def __init__(self, clients: Mapping[ClientId, Client], workers: WorkerTable, outbox: Outbox) -> None:
        self._clients = clients
        self._workers = workers
        self._outbox = outbox
        self._is_exhausted = False

    def tell_all(self, message: str) -> None:
        """Every driver."""
        for client in self._clients.values():
            if not isinstance(client, Worker):
                self._outbox.send(client, Warn(message))

    def tell_driver_of(self, message: str, job: Job) -> None:
        """Its driver only; all, when that has left."""
        driver = self._clients.get(job.client_id)
        if driver is not None:
            self._outbox.send(driver, Warn(message))
        else:
            self.tell_all(message)

    def start_failed(self, output_tail: str) -> None:
        """A worker ended before it connected."""
        tail = f" The last lines of its output:\n{output_tail.rstrip()}" if output_tail else ""
        self.tell_all(f"A worker process ended before it was ready (it will be tried again).{tail}")

    def look(self, ready_count: int) -> None:
        """Say it when tasks are ready and every worker that may exist waits in `get`: that can be for ever."""
        workers = self._workers
        is_exhausted = workers.exhausted and ready_count > 0
        if is_exhausted and not self._is_exhausted:
            actors = f" (and {workers.dedicated} are actors)" if workers.dedicated else ""
            self.tell_all(
                f"All {workers.pooled} workers{actors} wait in get() or wait() for tasks that no worker is left to "
                f"run. Nest less deeply, or raise the limit: CELLRAY_WORKERS_MAX=..."
            )
        self._is_exhausted = is_exhausted

    def stuck(self, queues: Iterable[ReadyQueue]) -> None:
        """Tasks or actors wait for resources that only the end of other actors gives back."""
        holders = "actors" if self._workers.dedicated else "tasks that wait in get()"
        for queue in queues:
            if queue.count:
                others = f" and {queue.count - 1} more wait" if queue.count > 1 else " waits"
                self.tell_all(
                    f"{queue.head().template.spec.name}{others} for {format_resources(queue.demand)}, which {holders} "
                    "hold. End some (drop their handles, or cellray.kill() them), or start the session with more: "
                    "cellray.init(num_cpus=..., num_gpus=..., resources={...})."
                )
