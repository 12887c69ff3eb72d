"""Whom to end when the machine's memory runs out, before the kernel ends somebody: it might be the node or the driver.

The policy is Ray's: the newest of the tasks that can run again, because it loses least and what runs longer gets to its
end; of actors and of what cannot run again one only when there is nothing else. One at a time: memory comes back when
the process has gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from cellray.core.failures import megabytes
from cellray.model.fact import MemoryMeasured, WorkerExited

if TYPE_CHECKING:
    from cellray.core.outbox import Outbox
    from cellray.core.workers import Worker, WorkerTable

WARN_S = 60.0
"""Drivers are told at most so often."""


class MemoryGuard:
    """Told how much memory is in use while that is too much. `doomed` is who is to go, with the reason."""

    def __init__(self, workers: WorkerTable, outbox: Outbox, warn: Callable[[str], None]) -> None:
        self._workers = workers
        self._outbox = outbox
        self._warn = warn
        self._warned_at = -WARN_S
        self._doomed: dict[Worker, str] = {}

    def on_measured(self, fact: MemoryMeasured, at: float) -> None:
        """Too much is in use."""
        if self._doomed:
            return
        state = f"{megabytes(fact.used_bytes)} of {megabytes(fact.total_bytes)} were in use"
        victim = choose(self._workers.workers.values())
        if victim is None:
            self._tell(f"Memory runs out: {state}, and no task runs here that could be ended. End other programs.", at)
            return
        own_bytes = dict(fact.worker_bytes).get(victim.pid, 0)
        self._doomed[victim] = f"{state}, {megabytes(own_bytes)} of them by it"
        self._tell(
            f"Memory runs out: {state}. {_what_runs(victim)} is ended, because it was the newest to be ended with the "
            "least loss. Let fewer such tasks run at a time with .options(num_cpus=...), or make each smaller.",
            at,
        )
        victim.ending = True
        self._workers.settle(victim)
        self._outbox.kill(victim.client_id, f"memory runs out: {state}")

    def explain(self, worker: Worker, fact: WorkerExited) -> WorkerExited:
        """The end of a worker, with the reason if that is ours."""
        reason = self._doomed.pop(worker, "")
        return msgspec.structs.replace(fact, out_of_memory=reason) if reason else fact

    def _tell(self, message: str, at: float) -> None:
        if at - self._warned_at >= WARN_S:
            self._warned_at = at
            self._warn(message)


def choose(workers: Iterable[Worker]) -> Worker | None:
    """The one that is to go; None when nothing runs."""
    running = [worker for worker in workers if not worker.ending and (worker.queue or worker.actor is not None)]
    return max(running, key=_cheapness, default=None)


def _cheapness(worker: Worker) -> tuple[bool, bool, float]:
    """The higher, the less is lost with it."""
    if worker.actor is not None:
        return worker.actor.may_restart, False, worker.head_since
    task = worker.queue[0]
    return task.template.may_retry(task.attempt), True, worker.head_since


def _what_runs(worker: Worker) -> str:
    if worker.actor is not None:
        return f"The actor of class {worker.actor.options.class_name} (process {worker.pid})"
    return f"{worker.queue[0].template.spec.name} (process {worker.pid})"
