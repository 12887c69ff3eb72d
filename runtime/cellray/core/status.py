"""What the core tells the control service about itself. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cellray.core.transitions import CANCELLED, FAILED, FINISHED
from cellray.ids import ClientId, TaskId
from cellray.model.node import NodeState
from cellray.model.placement import GroupState
from cellray.model.task import TaskState

if TYPE_CHECKING:
    from cellray.core.objects import ObjectTable
    from cellray.core.resources import ResourcePool
    from cellray.core.task_table import TaskTable
    from cellray.core.tasks import Task
    from cellray.core.workers import Worker, WorkerTable


class RunningTask(NamedTuple):
    """A task at the head of a worker's queue, or one of several calls that an actor runs, there since `since` (seconds
    since the epoch)."""

    task_id: TaskId
    name: str
    worker_id: ClientId
    since: float
    attempt: int


class WorkerStatus(NamedTuple):
    """A worker; `state` is idle, busy, blocked, actor or ending; `task_count` what it holds, with the running one."""

    worker_id: ClientId
    pid: int
    state: str
    task_count: int


class NodeStatus:
    """Views of the core's state, each made when asked for; none costs more than
    the number of workers, of shapes of resources, or of objects in shared memory."""

    def __init__(self, tasks: TaskTable, workers: WorkerTable, objects: ObjectTable, pool: ResourcePool) -> None:
        self._tasks = tasks
        self._workers = workers
        self._objects = objects
        self._pool = pool

    @property
    def ready_count(self) -> int:
        """Tasks in state READY."""
        return sum(queue.count for queue in self._tasks.registry.queues.values()) + self._tasks.actors.calls.count

    @property
    def live_count(self) -> int:
        """How many tasks have not ended."""
        return self._tasks.live

    @property
    def available(self) -> dict[str, int]:
        """Free resources in ten-thousandths; negative while workers that left `get` oversubscribe the node."""
        free = dict(self._pool.available)
        for worker in self._workers.kept:
            if not worker.queue and worker.lease is not None:  # its driver gives it back when anybody needs it
                for name, units in worker.lease.demand:
                    free[name] += units
        return free

    def state(self, groups: tuple[GroupState, ...], namespace: str) -> NodeState:
        """For a client that asks from this namespace."""
        return NodeState(
            tuple(self._pool.total.items()),
            tuple(self.available.items()),
            self._objects.arena.arena_bytes,
            self._objects.arena.used_bytes,
            groups,
            namespace,
        )

    @property
    def object_bytes(self) -> int:
        """Arena space in use."""
        return self._objects.arena.used_bytes

    @property
    def spilled_bytes(self) -> int:
        """Disk space that objects moved out of the arena take."""
        return self._objects.space.disk_bytes

    @property
    def sources_given_up(self) -> int:
        """Values that were kept for making lost objects again, until there was no room for them."""
        return self._objects.lineage.given_up

    @property
    def object_count(self) -> int:
        """Objects that exist or will."""
        return len(self._objects.entries)

    @property
    def pin_count(self) -> int:
        """Views of clients and arguments of tasks that are with a worker: what keeps shared objects in their places."""
        return sum(block.pins for block in self._objects.space.blocks.values())

    def counts(self) -> dict[TaskState, int]:
        """Tasks by state; of the final states, all that ever ended so."""
        tasks = self._tasks
        assigned = sum(len(worker.queue) for worker in self._workers.workers.values())
        return {
            TaskState.WAITING: tasks.waiting,
            TaskState.READY: self.ready_count,
            TaskState.ASSIGNED: assigned,
            TaskState.FINISHED: tasks.ended[FINISHED],
            TaskState.FAILED: tasks.ended[FAILED],
            TaskState.CANCELLED: tasks.ended[CANCELLED],
        }

    def is_live(self, task_id: TaskId) -> bool:
        """Whether the task is known here and has not ended."""
        task = self._tasks.tasks.get(task_id)
        return task is not None and task.state < FINISHED

    def running(self) -> list[RunningTask]:
        """What runs now."""
        return [
            RunningTask(task.task_id, task.template.spec.name, worker.client_id, since, task.attempt)
            for worker in self._workers.workers.values()
            for task, since in _running_on(worker)
        ]

    def workers(self) -> list[WorkerStatus]:
        """The workers there are."""
        return [
            WorkerStatus(worker.client_id, worker.pid, _state(worker), len(worker.queue))
            for worker in self._workers.workers.values()
        ]


def _running_on(worker: Worker) -> list[tuple[Task, float]]:
    if worker.actor is not None and worker.actor.under_way is not None:
        return [(task, since) for task, since in worker.actor.under_way.since.items() if task.worker is worker]
    return [(worker.queue[0], worker.head_since)] if worker.queue else []


def _state(worker: Worker) -> str:
    if worker.ending:
        return "ending"
    if worker.blocked:
        return "blocked"
    if worker.actor is not None:
        return "actor"
    return "busy" if worker.queue else "idle"
