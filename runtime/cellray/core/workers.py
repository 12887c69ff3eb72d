"""Workers: who is there, who is idle, how many are starting, and when to start more.

The shell starts as many workers as the node has CPUs; the core learns of each by WorkerStarted, and asks for more
only to replace dead ones or because others block in `get` and have lent their resources out.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cellray.config import Config
from cellray.core.accelerators import Devices
from cellray.core.clients import Client
from cellray.ids import ClientId, FunctionHash, TemplateId

if TYPE_CHECKING:
    from cellray.core.actor_record import Actor
    from cellray.core.ready_queue import ReadyQueue
    from cellray.core.tasks import Job, Task

BACKOFF_S_FIRST = 0.1
BACKOFF_S_MAX = 10.0


class Worker(Client):
    """A worker process. `queue` holds what was sent to it, the head running since `head_since`.

    `lease` is the shape it serves: it has the shape's resources (unless `blocked`) while its queue holds tasks.
    `returning`: asked for its unbegun tasks, has not answered. `ending`: killed or told to exit. `actor`: whose process
    it is for the rest of its life, with the resources of its lease. `open`: none of all these, so that it may be given
    tasks. `environment`: the one that it has taken on, for the rest of its life; None while it has run nothing.
    `devices`: the GPUs that its lease has, `devices_told` the numbers of those that it was told. `wrote_as`: what it
    ran when it said that it had written past Python; a short task is forgotten when that is read. `runs` counts
    functions with `max_calls`; `is_worn`: its last task is with it, after which it ends. `kept_for`: the driver that
    may give it tasks itself (`core/kept_workers.py`), while it keeps its lease.
    """

    __slots__ = (
        "actor",
        "blocked",
        "devices",
        "devices_told",
        "ending",
        "environment",
        "functions",
        "head_reported",
        "head_since",
        "is_worn",
        "kept_for",
        "lease",
        "open",
        "pid",
        "queue",
        "retired",
        "returning",
        "runs",
        "templates",
        "wrote_as",
    )

    def __init__(self, client_id: ClientId, pid: int) -> None:
        super().__init__(client_id)
        self.pid = pid
        self.queue: deque[Task] = deque()
        self.lease: ReadyQueue | None = None
        self.actor: Actor | None = None
        self.kept_for: Client | None = None
        self.head_since = 0.0
        self.head_reported = False
        self.blocked = False
        self.returning = False
        self.wrote_as: TemplateId | None = None
        self.ending = False
        self.retired = False
        self.is_worn = False
        self.runs: dict[FunctionHash, int] = {}
        self.open = True
        self.environment: str | None = None
        self.devices: Devices = ()
        self.devices_told: tuple[int, ...] = ()
        self.templates: set[TemplateId] = set()
        self.functions: set[FunctionHash] = set()

    def take_out(self, task: Task, at: float) -> None:
        """`task` is no longer with this worker; if it was the head, the next one runs since `at`."""
        if self.queue[0] is task:
            self.queue.popleft()
            self.head_since = at
            self.head_reported = False
        elif self.queue[-1] is task:
            self.queue.pop()
        else:
            self.queue.remove(task)


class WorkerTable:
    """The workers of one node. `idle` are those that are open and have no tasks, the last one to become so last; `kept`
    those that are kept for a driver.

    `dedicated` of them are actors and not of the pool; `blocked` counts the pool's only. `is_mixed` says that there are
    several environments, so that not everybody who is idle will do.
    """

    def __init__(self, cpus: int, config: Config) -> None:
        self.base = max(1, min(cpus, config.workers_max))
        self.workers: dict[ClientId, Worker] = {}
        self.idle: dict[Worker, None] = {}
        self.kept: dict[Worker, None] = {}
        self.blocked = 0
        self.dedicated = 0
        self.starting = self.base
        self.is_mixed = False
        self.start_failures = 0
        self._start_not_before = 0.0
        self._workers_max = config.workers_max
        self._spare_max = config.workers_spare_max

    def add(self, worker: Worker) -> None:
        """A worker connected."""
        self.workers[worker.client_id] = worker
        self.starting = max(0, self.starting - 1)
        self.start_failures = 0
        self.settle(worker)

    def remove(self, worker: Worker) -> None:
        """A worker is gone."""
        del self.workers[worker.client_id]
        self.idle.pop(worker, None)
        if worker.actor is not None:
            self.dedicated -= 1
        elif worker.blocked:
            self.blocked -= 1

    def dedicate(self, worker: Worker, actor: Actor) -> None:
        """An idle worker becomes an actor's process and leaves the pool."""
        worker.actor = actor
        self.dedicated += 1
        self.settle(worker)

    def start_failed(self, at: float) -> None:
        """A worker that was starting ended before it connected. Start no other one at once, or it never ends."""
        self.starting = max(0, self.starting - 1)
        self.start_failures += 1
        delay_s = min(BACKOFF_S_MAX, BACKOFF_S_FIRST * 2.0 ** min(self.start_failures, 20))
        self._start_not_before = at + delay_s

    def set_blocked(self, worker: Worker, blocked: bool) -> None:
        """Note that a worker entered or left `get`."""
        if worker.blocked != blocked:
            worker.blocked = blocked
            if worker.actor is None:
                self.blocked += 1 if blocked else -1
        self.settle(worker)

    def settle(self, worker: Worker) -> None:
        """Bring `open` and `idle` in line with the worker's other fields, after any of them changed."""
        worker.open = not (
            worker.blocked
            or worker.returning
            or worker.ending
            or worker.is_worn
            or worker.actor is not None
            or worker.kept_for is not None
        )
        if worker.open and not worker.queue:
            self.idle[worker] = None
        else:
            self.idle.pop(worker, None)

    def has_idle(self, environment: str) -> bool:
        """Whether somebody idle has this environment, or none yet."""
        if not self.is_mixed:
            return bool(self.idle)
        return any(worker.environment in (environment, None) for worker in self.idle)

    def next_idle(self, environment: str) -> Worker | None:
        """The one that has become idle last, of this environment if there is such a one, else one that has none yet."""
        if not self.is_mixed:
            return next(reversed(self.idle), None)
        chosen: Worker | None = None
        for worker in reversed(self.idle):
            if worker.environment == environment:
                return worker
            if worker.environment is None:
                chosen = chosen or worker
        return chosen

    def take_idle(self, environment: str) -> Worker | None:
        """`next_idle`, which is idle no more and takes the environment on."""
        worker = self.next_idle(environment)
        if worker is not None:
            del self.idle[worker]
            worker.environment = environment
        return worker

    def moving(self, environment: str) -> int:
        """Workers of the pool that are not blocked, and have this environment or none yet."""
        if not self.is_mixed:
            return self.pooled - self.blocked
        return sum(
            worker.actor is None and not worker.blocked and worker.environment in (environment, None)
            for worker in self.workers.values()
        )

    def startable(self, wanted: int, at: float) -> int:
        """How many of `wanted` further workers may start now, those that are starting already counted in.

        The caller starts them: `starting` includes them from now on.
        """
        if at < self._start_not_before:
            return 0
        room = self._workers_max - len(self.workers) - self.starting
        count = max(0, min(wanted - self.starting, room))
        self.starting += count
        return count

    @property
    def short(self) -> int:
        """How many workers are missing from the base pool, those starting counted as missing still."""
        return max(0, self.base - self.pooled)

    @property
    def pooled(self) -> int:
        """Workers that run tasks of anybody."""
        return len(self.workers) - self.dedicated

    @property
    def exhausted(self) -> bool:
        """No worker may be started any more, and none that is there can take a task."""
        return self.starting == 0 and len(self.workers) >= self._workers_max and self.blocked == self.pooled

    def in_the_way(self) -> Worker | None:
        """The one that has been idle longest, if no worker may be started because of those that there are."""
        is_full = len(self.workers) + self.starting >= self._workers_max
        if not is_full or any(worker.retired for worker in self.workers.values()):
            return None
        return next(iter(self.idle), None)

    def surplus(self) -> list[Worker]:
        """Idle workers beyond what is kept in reserve, the longest idle first."""
        count = min(self.pooled - self.base, len(self.idle) - self._spare_max)
        return [worker for worker, _ in zip(self.idle, range(count), strict=False)] if count > 0 else []


def job_of(client: Client) -> Job | None:
    """The job of a driver, of the actor that a worker is, or of the task that it runs, or ran last."""
    if isinstance(client, Worker):
        if client.actor is not None:
            return client.actor.creation.job
        if client.queue:
            return client.queue[0].job
    return client.job
