"""Ready tasks of one resource shape, first in, first out within a job, the jobs taking turns."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cellray.core.accelerators import uses_devices
from cellray.core.transitions import READY
from cellray.errors import InternalError
from cellray.model.placement import original_name
from cellray.model.task import Resources

if TYPE_CHECKING:
    from cellray.core.tasks import Job, Task
    from cellray.core.workers import Worker


class ReadyQueue:
    """The shape's ready tasks, `count` of them, and the `workers` that hold a lease of the shape.

    A shape is what is asked for and in which environment. `lent` is what of it a worker that blocks in `get` lends out:
    its CPUs, and nothing that it keeps in use meanwhile. `told`: drivers know that actors hold what it asks for.
    `is_closed`: what it asks for is not there yet.

    A cancelled task stays where it is until its turn comes and is passed over then: taking one out of the middle of a
    long queue would cost its length. Creations of actors have queues of their own: each takes a worker for good. So
    have those of placement groups, which take none.
    """

    __slots__ = (
        "by_job",
        "count",
        "demand",
        "environment",
        "for_actors",
        "for_groups",
        "is_closed",
        "lent",
        "starved_since",
        "told",
        "uses_devices",
        "workers",
    )

    def __init__(
        self, demand: Resources, environment: str = "", *, for_actors: bool = False, for_groups: bool = False
    ) -> None:
        self.demand = demand
        self.environment = environment
        self.lent: Resources = tuple(pair for pair in demand if original_name(pair[0]) == "CPU")
        self.uses_devices = uses_devices(demand)
        self.for_actors = for_actors
        self.for_groups = for_groups
        self.is_closed = False
        self.count = 0
        self.by_job: dict[Job, deque[Task]] = {}
        self.workers: dict[Worker, None] = {}
        self.starved_since: float | None = None
        self.told = False

    @property
    def kept(self) -> Resources:
        """What of the shape a worker that blocks in `get` does not lend out."""
        return tuple(pair for pair in self.demand if pair not in self.lent)

    def push(self, task: Task) -> None:
        """Add a task that is READY at the end of its job's turn."""
        self.count += 1
        try:
            self.by_job[task.job].append(task)
        except KeyError:
            self.by_job[task.job] = deque((task,))

    def push_front(self, task: Task) -> None:
        """Add a task that is READY before all others of its job."""
        self.count += 1
        self.by_job.setdefault(task.job, deque()).appendleft(task)

    def take_back(self, task: Task) -> None:
        """The task that was pushed last was sent by its submitter itself."""
        self.by_job[task.job].remove(task)
        self.withdraw()

    def withdraw(self) -> None:
        """One of the tasks in the queue has left the state READY."""
        self.count -= 1
        if not self.count:
            self.by_job.clear()
            self.starved_since = None

    def head(self) -> Task:
        """The task whose turn it is. The queue must not be empty."""
        while self.by_job:
            job, queue = next(iter(self.by_job.items()))
            while queue:
                if queue[0].state == READY:
                    return queue[0]
                queue.popleft()
            del self.by_job[job]
        raise InternalError(f"a queue that counts {self.count} ready tasks has none; demand {self.demand}")

    def take(self, limit: int) -> list[Task]:
        """The task whose turn it is and up to `limit` - 1 of its job after it that share its template.

        While several jobs wait, one task at a time, so that they take turns. The tasks are READY still; the caller
        moves them.
        """
        head = self.head()
        job = head.job
        queue = self.by_job[job]
        if len(self.by_job) > 1:
            taken = [queue.popleft()]
            del self.by_job[job]
            if queue:
                self.by_job[job] = queue
        else:
            taken = _take_alike(queue, limit, head) if limit > 1 else [queue.popleft()]
            if not queue:
                del self.by_job[job]
        self.count -= len(taken)
        if not self.count:
            self.by_job.clear()
        return taken


def _take_alike(queue: deque[Task], limit: int, head: Task) -> list[Task]:
    """Up to `limit` tasks from the front, as long as they are READY, of the template of `head`, and first attempts."""
    template = head.template
    taken = [queue.popleft()]
    limit = min(limit, len(queue) + 1)
    while len(taken) < limit:
        task = queue[0]
        if task.template is not template or task.state != READY or task.attempt:
            break
        taken.append(queue.popleft())
    return taken
