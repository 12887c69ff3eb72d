"""What the fold keeps: one mutable record for each task, object, worker, job, function and template of the log.

Only `LogFold` changes records; views read them under the follower's lock. No record points back to what points to it,
so those without `gc` can never be part of a cycle.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, get_args

import msgspec

from cellray.ids import ClientId, FunctionHash, JobId, ObjectId, TaskId, TemplateId
from cellray.model.actor import Checkpoint
from cellray.model.task import Cell, Resources
from cellray.observe.messages import ObjectStateName, TaskStateName

STATES: tuple[TaskStateName, ...] = get_args(TaskStateName)
"""Names by number: records hold the number, because counts by state are lists."""
WAITING, READY, FETCHING, RUNNING, FINISHED, FAILED, RETRIED, CANCELLED, LOST = range(len(STATES))
ENDED = frozenset({FINISHED, FAILED, CANCELLED, LOST})
ENDED_NAMES: frozenset[str] = frozenset(STATES[state] for state in ENDED)

ActorStateName = Literal["pending", "alive", "restarting", "dead"]
WorkerKey = tuple[str, ClientId]
"""A node and a client: client ids are unique within one node only."""


class FunctionRecord(msgspec.Struct, eq=False):
    """An entry of the function table without its pickle."""

    function_hash: FunctionHash
    name: str
    module: str
    source: str
    cell: Cell | None


class TemplateRecord(msgspec.Struct, eq=False):
    """What many tasks share; `function` is the function's name, `C.method` for calls of actors.

    `creates` says that its tasks are creations of actors, `calls` that they are calls of one. `group` is a call's
    concurrency group; `slots` how many calls of each group the actor runs at a time, None when it is one. `resources`
    is what a task takes of its node; `bundles` what it reserves, when it creates a placement group. With
    `streams` its tasks are generators; `recorded` are calls that an actor which
    `recovers` runs again to rebuild its state.
    """

    template_id: TemplateId
    function_hash: FunctionHash
    function: str
    name: str
    cell: Cell | None
    num_returns: int
    creates: bool = False
    calls: bool = False
    group: str = ""
    slots: dict[str, int] | None = None
    resources: Resources = ()
    bundles: tuple[Resources, ...] = ()
    streams: bool = False
    recorded: bool = False
    recovers: bool = False


class JobRecord(msgspec.Struct, eq=False):
    """A driver. `prefix` begins the ids of what it submits itself; `ended_at` is 0 while it is connected."""

    job_id: JobId
    client_id: ClientId
    root_task_id: TaskId
    prefix: bytes
    node_id: str
    started_at: float
    pid: int
    entrypoint: str
    ended_at: float = 0.0
    end_reason: str = ""


class TaskRecord(msgspec.Struct, eq=False, gc=False):
    """One task. Times are 0 while unknown; `ordinal` counts submissions, `attempt` from 0.

    `missing` counts dependencies that do not exist yet; `queued` says that the task is in `worker`'s queue, whose
    head runs; `nested` that its parent is a task, not a driver. `error` is the last attempt's; `index_max` the
    highest index among the task's children. `actor` (hex) is whose creation or call it is, `previous_call` what
    that actor was sent before it: the stateful edge. `items` counts what it has yielded as a generator. `diverged` is
    the first difference between what it gave and what it gave when it ran again.
    """

    task_id: TaskId
    ordinal: int
    template: TemplateRecord
    group: int
    job: JobRecord | None
    parent_id: TaskId
    submitted_at: float
    nested: bool = False
    dependencies: tuple[ObjectId, ...] = ()
    state: int = READY
    missing: int = 0
    attempt: int = 0
    queued: bool = False
    worker: WorkerKey | None = None
    started_at: float = 0.0
    finished_at: float = 0.0
    error: str = ""
    prefix: bytes = b""
    index_max: int = -1
    actor: str = ""
    previous_call: TaskId | None = None
    items: int = 0
    diverged: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more is expected of the task."""
        return self.state in ENDED

    @property
    def state_name(self) -> TaskStateName:
        """The state as views spell it."""
        return STATES[self.state]

    @property
    def duration_s(self) -> float | None:
        """Seconds of the last attempt, when it ran and ended."""
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None


class ActorRecord(msgspec.Struct, eq=False):
    """One actor, by the task that makes it. `since` is when it came into its state, `reason` its last death's.

    `checkpoint` is the newest of all that were kept, `replayed` counts calls that ran again to rebuild its state.
    """

    creation: TaskRecord
    since: float
    state: ActorStateName = "pending"
    restarts: int = 0
    reason: str = ""
    worker: WorkerKey | None = None
    checkpoint: Checkpoint | None = None
    checkpoints: int = 0
    replayed: int = 0


class ObjectRecord(msgspec.Struct, eq=False, gc=False):
    """One object that exists, or did. `is_error` says that reading it raises."""

    object_id: ObjectId
    state: ObjectStateName
    object_bytes: int
    is_error: bool = False


class WorkerRecord(msgspec.Struct, eq=False):
    """A worker process; the head of `queue` runs. `exited_at` is 0 while it lives."""

    key: WorkerKey
    started_at: float
    pid: int = 0
    queue: deque[TaskRecord] = msgspec.field(default_factory=deque)
    blocked: bool = False
    exited_at: float = 0.0
    signal: int = 0
    exit_code: int = 0
    intended: bool = False


class OutputTotals(msgspec.Struct, eq=False, gc=False):
    """How much was printed; `dropped_bytes` never reached the log."""

    stdout_bytes: int = 0
    stderr_bytes: int = 0
    dropped_bytes: int = 0

    def add(self, stream: str, text_bytes: int, dropped_bytes: int) -> None:
        """Count one piece of output."""
        if stream == "stderr":
            self.stderr_bytes += text_bytes
        else:
            self.stdout_bytes += text_bytes
        self.dropped_bytes += dropped_bytes
