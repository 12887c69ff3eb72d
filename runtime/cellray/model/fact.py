"""Facts: what happened. The node's core consumes them and the event log keeps them; one vocabulary for both.

A frame from a driver or worker, and a record of the log, is a msgpack list of these. Tags never change their
meaning; a field is only ever added at the end, with a default. Times (`at`, `*_at`) are seconds since the epoch.
Facts in `UNLOGGED` concern connections, not history: the core consumes them and the log does not keep them.
"""

from __future__ import annotations

import msgspec

from cellray.ids import ActorId, ClientId, GroupId, JobId, NodeId, ObjectId, SessionId, TaskId, TemplateId
from cellray.model.object import ObjectValue
from cellray.model.task import Function, Resources, TaskSpec, TaskTemplate

LOG_SCHEMA_VERSION = 1


class SessionStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """First fact of a log."""

    session_id: SessionId
    at: float
    schema: int = LOG_SCHEMA_VERSION


class SessionEnded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """Last fact of a log that was closed properly."""

    at: float
    reason: str


class NodeJoined(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """A node with its total resources."""

    node_id: NodeId
    at: float
    pid: int
    resources: Resources
    object_store_bytes: int


class WorkerStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """A worker connected and takes tasks."""

    worker_id: ClientId
    at: float
    pid: int


class WorkerExited(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """A worker is gone. `signal` is 0 when it exited with `exit_code`; `output_tail` its last lines.

    `out_of_memory` says how it is known that it was ended because memory ran out; it is empty otherwise.
    """

    worker_id: ClientId
    at: float
    exit_code: int = 0
    signal: int = 0
    output_tail: str = ""
    intended: bool = False
    out_of_memory: str = ""


class JobStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """A driver connected."""

    client_id: ClientId
    job_id: JobId
    root_task_id: TaskId
    at: float
    pid: int
    entrypoint: str
    namespace: str = ""


class JobEnded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """A driver disconnected; its unfinished tasks are cancelled."""

    client_id: ClientId
    job_id: JobId
    at: float
    reason: str


class FunctionRegistered(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """A function, content-addressed; registering it again changes nothing."""

    function: Function
    at: float


class TemplateRegistered(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """A template, content-addressed; registering it again changes nothing."""

    template: TaskTemplate
    at: float


class TasksSubmitted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """Tasks of one parent, with everything that is needed to run them again."""

    parent_id: TaskId
    at: float
    tasks: list[TaskSpec]


class TasksDispatched(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """The node's core sent tasks to a worker, which runs them in this order."""

    worker_id: ClientId
    at: float
    task_ids: list[TaskId]


class TasksReturned(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """A worker gave back tasks that it had not begun."""

    worker_id: ClientId
    at: float
    task_ids: list[TaskId]


class TaskStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=13):
    """A task that has been running for a while; short ones say `started_at` only when they end."""

    task_id: TaskId
    worker_id: ClientId
    at: float


class TaskFinished(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=14):
    """A task returned; one value for each of its returns."""

    task_id: TaskId
    started_at: float
    finished_at: float
    values: tuple[ObjectValue, ...]


class TaskFailed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=15):
    """A task raised, or could not run. `error` becomes the value of each of its returns, unless `will_retry`.

    `summary` is one line for views, such as `ValueError: bad seed`; `started_at` is 0 when it never ran. `values` are
    its first returns as far as it had made them. `retryable`: the exception is one that the template retries on.
    """

    task_id: TaskId
    started_at: float
    finished_at: float
    error: ObjectValue
    summary: str
    will_retry: bool = False
    values: tuple[ObjectValue, ...] = ()
    retryable: bool = True


class TaskCancelled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=16):
    """A task was cancelled before it ended; its returns raise TaskCancelledError."""

    task_id: TaskId
    at: float
    reason: str = ""


class CancelRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=17):
    """Somebody asks to cancel tasks (with `recursive`, their unfinished descendants too)."""

    task_ids: list[TaskId]
    at: float
    force: bool = False
    recursive: bool = True
    reason: str = ""


class ObjectSealed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=18):
    """An object stored with `put` (a task's results are in its TaskFinished)."""

    object_id: ObjectId
    at: float
    value: ObjectValue


class ObjectsFreed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=19):
    """The node let go of objects that nobody refers to any more."""

    object_ids: list[ObjectId]
    at: float


class TaskOutput(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """What a task printed. `stream` is "stdout" or "stderr"; `dropped_bytes` counts what the cap kept out."""

    task_id: TaskId
    at: float
    stream: str
    text: str
    dropped_bytes: int = 0


class WorkerOutput(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=28):
    """What a worker's process wrote past Python: C code, subprocesses, its last words. `task_id` is what it ran, if it
    is known; `dropped_bytes` counts what the cap kept out."""

    worker_id: ClientId
    at: float
    stream: str
    text: str
    dropped_bytes: int = 0
    task_id: TaskId = TaskId(b"")


class WorkerBlocked(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=21):
    """A worker waits in `get` or `wait`: its resources are lent out, its prefetched tasks come back."""

    worker_id: ClientId
    at: float


class WorkerUnblocked(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=22):
    """A worker goes on after `get` or `wait`."""

    worker_id: ClientId
    at: float


class TaskRetried(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=23):
    """An attempt failed and the core put the task back in its queue; `attempt` (from 0) is the one to come."""

    task_id: TaskId
    attempt: int
    at: float
    reason: str


class ActorStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=24):
    """An actor's constructor returned; `restarts` counts how often it ran before."""

    actor_id: ActorId
    worker_id: ClientId
    at: float
    restarts: int = 0


class ActorDied(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=25):
    """An actor's process is gone, or is told to go. `reason` is one line."""

    actor_id: ActorId
    at: float
    reason: str
    will_restart: bool = False


class ActorKillRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=26):
    """Somebody asks to end an actor at once."""

    actor_id: ActorId
    at: float
    no_restart: bool = True


class ActorExited(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=27):
    """An actor ended itself with `exit_actor()`."""

    actor_id: ActorId
    at: float


class ItemsYielded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=44):
    """A generator yielded items, the first of them as its `index`-th (from 0); each is an object from now on."""

    task_id: TaskId
    index: int
    at: float
    values: list[ObjectValue]


class ObjectSpilled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=40):
    """An object was moved out of shared memory. `spill_id` names its file, as long as the node runs."""

    object_id: ObjectId
    spill_id: int
    object_bytes: int
    at: float


class ObjectRestored(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=41):
    """A spilled object was read back into shared memory."""

    object_id: ObjectId
    spill_id: int
    object_bytes: int
    at: float


class SpillFailed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=42):
    """An object could not be written to disk, and stays in memory; or, with `restoring`, not be read: it is lost."""

    object_id: ObjectId
    spill_id: int
    at: float
    reason: str
    restoring: bool = False


class GroupRemoved(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=50):
    """Somebody removed a placement group; what ran in it ends, and its resources are free again."""

    group_id: GroupId
    at: float


class ObjectsRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=64):
    """A client wants the values of objects that it did not submit itself, now or once they exist."""

    object_ids: list[ObjectId]


class ObjectsHeld(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=65):
    """A client's count of these references went from none to some."""

    object_ids: list[ObjectId]


class ObjectsReleased(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=66):
    """A client's count of these references went back to none."""

    object_ids: list[ObjectId]


class SpaceRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=67):
    """A client wants `object_bytes` of the arena to write `object_id` into; answered by SpaceGranted, in its turn."""

    object_id: ObjectId
    object_bytes: int


class SpaceReturned(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=68):
    """A client does not need granted space after all: writing failed before sealing."""

    object_id: ObjectId


class ClockTicked(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=69):
    """Time passed; how cores learn of it."""

    at: float


class ActorNameRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=70):
    """Who has this name? Answered by ActorNamed. A `candidate` that is about to be created takes it if it is free."""

    request: int
    name: str
    namespace: str = ""
    candidate: ActorId | None = None


class ActorNamesRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=71):
    """Which names of actors are taken, in the client's namespace or in all? Answered by ActorNamesListed."""

    request: int
    all_namespaces: bool = False


class TaskRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=72):
    """What is this task? Answered by TaskDescribed."""

    request: int
    task_id: TaskId


class ItemsTaken(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=76):
    """A client has taken `count` items of a generator whose worker waits for that."""

    task_id: TaskId
    count: int


class GeneratorDropped(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=77):
    """A client reads a generator no more, of which it has taken `count` items."""

    task_id: TaskId
    count: int


class ViewsRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=80):
    """A client wants to read shared objects where they lie; answered by ViewsGranted, once each is in memory.

    `ticket` is the client's number of the request. It comes back with the answer, so that one which was on its way when
    the client let go of the object and asked anew is not taken for the new one.
    """

    object_ids: list[ObjectId]
    ticket: int


class ViewsHeld(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=81):
    """A client reads these on after the task that they were arguments of; it says so before the task's end."""

    object_ids: list[ObjectId]


class ViewsReleased(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=82):
    """A client no longer reads these, or no longer wants to: they may be moved."""

    object_ids: list[ObjectId]


class WorkerWrote(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=83):
    """The files behind a worker's descriptors 1 and 2 have grown since it said so last; the task is what it ran."""

    at: float
    task_id: TaskId
    template_id: TemplateId | None = None


class NodeStateRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=90):
    """What is there, and what of it is free? Answered by NodeStateTold."""

    request: int


class MemoryMeasured(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=96):
    """More of the memory is in use than may be; `worker_bytes` has the workers' own, by process id."""

    at: float
    used_bytes: int
    total_bytes: int
    worker_bytes: list[tuple[int, int]] = []


UNLOGGED = (
    ObjectsRequested,
    ObjectsHeld,
    ObjectsReleased,
    SpaceRequested,
    SpaceReturned,
    ClockTicked,
    MemoryMeasured,
    ActorNameRequested,
    ActorNamesRequested,
    TaskRequested,
    ItemsTaken,
    GeneratorDropped,
    ViewsRequested,
    ViewsHeld,
    ViewsReleased,
    WorkerWrote,
    NodeStateRequested,
)

LoggedFact = (
    SessionStarted
    | SessionEnded
    | NodeJoined
    | WorkerStarted
    | WorkerExited
    | JobStarted
    | JobEnded
    | FunctionRegistered
    | TemplateRegistered
    | TasksSubmitted
    | TasksDispatched
    | TasksReturned
    | TaskStarted
    | TaskFinished
    | TaskFailed
    | TaskCancelled
    | CancelRequested
    | ObjectSealed
    | ObjectsFreed
    | TaskOutput
    | WorkerBlocked
    | WorkerUnblocked
    | TaskRetried
    | ActorStarted
    | ActorDied
    | ActorKillRequested
    | ActorExited
    | ItemsYielded
    | ObjectSpilled
    | ObjectRestored
    | SpillFailed
    | WorkerOutput
    | GroupRemoved
)
Fact = (
    LoggedFact
    | ObjectsRequested
    | ObjectsHeld
    | ObjectsReleased
    | SpaceRequested
    | SpaceReturned
    | ClockTicked
    | MemoryMeasured
    | ActorNameRequested
    | ActorNamesRequested
    | TaskRequested
    | ItemsTaken
    | GeneratorDropped
    | ViewsRequested
    | ViewsHeld
    | ViewsReleased
    | WorkerWrote
    | NodeStateRequested
)

fact_encoder = msgspec.msgpack.Encoder()
fact_decoder = msgspec.msgpack.Decoder(list[Fact])


def encode_facts(facts: list[Fact]) -> bytes:
    """A frame's payload, or a log record."""
    return fact_encoder.encode(facts)


def decode_facts(data: bytes | memoryview) -> list[Fact]:
    """Back from `encode_facts`. Raises msgspec.DecodeError or ValidationError for anything else."""
    return fact_decoder.decode(data)
