"""The seams: what the faces and the node need of the world, as Protocols. Real things and in-memory twins implement
them in the L3 folders and in `engines/`; one contract suite runs on every twin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from cellray.ids import ActorId, FunctionHash, GroupId, ObjectId, TaskId
from cellray.model.actor import ActorOptions
from cellray.model.environment import Environment
from cellray.model.history import TaskHistory, Told
from cellray.model.node import NodeState
from cellray.model.object import ObjectValue
from cellray.model.placement import GroupOptions, Placement
from cellray.model.task import Cell, Resources, StreamOptions


class Clock(Protocol):
    """Where time enters."""

    def now(self) -> float:
        """Seconds since the epoch."""


class LogRecord(NamedTuple):
    """One batch of facts in the event log, as one process wrote it.

    `sequence` is the writer's own count from 1; `source` the client the facts came from, 0 for the node itself;
    `facts` what `model.fact.decode_facts` reads. `keys` are what the record is to be found under (`gcs.log_index`);
    readers do not get them back.
    """

    sequence: int
    node_id: str
    source: int
    facts: bytes
    keys: Collection[bytes] = ()


class LogWriter(Protocol):
    """One node's end of the event log."""

    async def append(self, records: Sequence[LogRecord]) -> None:
        """Write records, whose sequences go on where the last ones ended, in one write.

        Idempotent: a record whose sequence is already in the log is passed over, so that a write whose answer was lost
        may be repeated. Raises GcsUnavailableError when the GCS does not answer; nothing or a prefix is written then.
        """

    async def close(self) -> None:
        """Close connections."""


class LogReader(Protocol):
    """A follower's end of the event log; any number of them, in any process. Blocking."""

    def read(self, after: int, limit: int) -> list[LogRecord]:
        """Up to `limit` records with sequences greater than `after`, in order; empty at the end."""

    def find(self, keys: Sequence[bytes], *, first_only: bool = False) -> list[LogRecord]:
        """All records under any of these keys, each once, in order; `first_only`: the first one of each is enough.

        It costs as much in a long log as in a short one.
        """

    def wait(self, after: int, timeout_s: float) -> bool:
        """Until there is a record after `after` (True), or `timeout_s` has passed (False)."""

    def last_sequence(self) -> int:
        """Sequence of the newest record, 0 when there is none."""

    def close(self) -> None:
        """Close connections. A `wait` in another thread ends."""


class History(Protocol):
    """An event log as questions are put to it, however long it is; that of a running session grows meanwhile. Blocking,
    for any number of threads, one at a time.

    All raise GcsUnavailableError when a running session's log cannot be reached, and LogError for one that is damaged.
    """

    def find(self, task_ids: Iterable[TaskId]) -> dict[TaskId, TaskHistory]:
        """What became of these tasks; those whose submission is not in the log are left out."""

    def find_puts(self, object_ids: Iterable[ObjectId]) -> dict[ObjectId, tuple[Told, ...]]:
        """The facts about objects that were stored with `put`, in order; those that the log does not know are left
        out."""

    def iter(self, after: int = 0) -> Iterator[Told]:
        """All facts of records with sequences greater than `after`, up to the end there is now, in order."""

    def last_sequence(self) -> int:
        """Of the newest record."""

    def close(self) -> None:
        """Close connections and files."""


class ObjectStore(Protocol):
    """One process's mapping of its node's shared-memory arena. The node's core allocates; clients write and read."""

    arena_bytes: int

    def write(self, offset: int, parts: Sequence[bytes | memoryview]) -> int:
        """Copy `parts` one after another to `offset`; bytes written. The space must have been granted."""

    def read(self, offset: int, object_bytes: int, on_release: Callable[[], None]) -> memoryview:
        """A read-only view without a copy. `on_release` is called once, when the view and everything made from it
        are gone."""

    def close(self) -> None:
        """Unmap, as far as no views are left."""


class SpillStore(Protocol):
    """Where a node keeps objects that were moved out of its arena. Blocking; one call at a time, but for `close`."""

    def write(self, spill_id: int, offset: int, object_bytes: int) -> None:
        """Copy a range of the arena to a new file, wholly or not at all. Raises SpillError."""

    def read(self, spill_id: int, offset: int, object_bytes: int) -> None:
        """Copy a file to a range of the arena. Raises SpillError."""

    def drop(self, spill_id: int) -> None:
        """Remove a file; nothing when there is none."""

    def close(self) -> None:
        """From any thread: what is under way ends soon, with SpillError."""


class WorkerPool(Protocol):
    """How the node gets workers and learns that they ended."""

    def start(self, count: int) -> None:
        """Fork `count` workers from the warm template; they connect when they are ready."""

    def kill(self, pid: int) -> None:
        """SIGKILL to the worker with its process group."""


class SubmitOptions(NamedTuple):
    """Options of one task, resolved: defaults, decorator, `.options()`.

    `retry_only` pickles the exceptions that `retry_exceptions` is limited to, if it is.
    """

    name: str
    resources: Resources
    num_returns: int
    max_retries: int
    retry_exceptions: bool
    cell: Cell | None
    actor: ActorOptions | None = None
    method: str = ""
    concurrency_group: str = ""
    max_pending_calls: int = -1
    environment: str = ""
    placement: Placement | None = None
    retry_only: bytes = b""
    stream: StreamOptions | None = None
    max_calls: int = 0
    recorded: bool = False


class ActorEngine(Protocol):
    """What the public API needs for actors. An actor is named by the object that its handles hold."""

    def create(
        self, actor_class: type, options: SubmitOptions, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Created:
        """Create an actor, or find one that has its name already. The object is retained once. Waits only for names."""

    def prepare_method(self, class_hash: FunctionHash, options: SubmitOptions) -> Any:
        """Calls of a method with these options; what `call` takes."""

    def call(self, prepared: Any, actor: ObjectId, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[ObjectId]:
        """Submit a call; the ids of its returns, each retained once."""

    def find(self, name: str, namespace: str) -> Created | None:
        """The actor of this name; its object is retained once."""

    def kill(self, actor: ObjectId, *, no_restart: bool) -> None:
        """End an actor at once."""

    def names(self, *, all_namespaces: bool) -> list[tuple[str, str]]:
        """Namespace and name of each named actor; without `all_namespaces` those of the asking job's namespace."""


class RuntimeEngine(Protocol):
    """What `get_runtime_context` stands on; asked in a call of an actor, it tells of that call."""

    is_worker: bool

    @property
    def session_id(self) -> str:
        """The session's name."""

    @property
    def node_id(self) -> str:
        """The node's id, hexadecimal."""

    @property
    def worker_id(self) -> str:
        """This process, hexadecimal; a driver too."""

    @property
    def gcs_url(self) -> str:
        """Where the session's Redis is, with its secret."""

    @property
    def actor(self) -> CurrentActor | None:
        """The actor that this process is."""

    @property
    def task_id(self) -> TaskId:
        """The task that runs here; a driver's root task."""

    @property
    def task_name(self) -> str:
        """As it was given, or that of the function; empty in a driver."""

    @property
    def function_name(self) -> str:
        """Module and qualified name of the function; empty in a driver."""

    @property
    def resources(self) -> dict[str, float]:
        """What the task, or the actor as long as it lives, has for itself."""

    def job(self) -> tuple[str, str]:
        """The job's id, hexadecimal, and its namespace."""

    def record_span(self, name: str, started_at: float, extra: dict[str, str], error: str) -> None:
        """A stretch of time that the running task or driver has named is over; nothing when the session is."""

    def is_cancelled(self) -> bool:
        """Whether somebody asked to cancel the running task, which is not interrupted from now on."""

    def this_actor(self) -> Created | None:
        """What a handle of this process's actor holds, retained once; None outside of actors."""


class CurrentActor(Protocol):
    """An actor as its own process knows it."""

    @property
    def actor_id(self) -> ActorId:
        """Its id."""

    @property
    def options(self) -> ActorOptions:
        """With which it was created."""

    @property
    def restarts(self) -> int:
        """How often its process was replaced."""


class StreamEngine(Protocol):
    """What the public API needs to read generators. A reader is read by one thread at a time."""

    def opened(self, task: TaskId) -> Any:
        """The reader of a generator that was just submitted."""

    def next_id(self, stream: Any) -> ObjectId:
        """What to wait for: exists once there is a next item, or the end."""

    def take(self, stream: Any) -> ObjectId | None:
        """The next item, retained once; None when it has not come, or there is none."""

    def is_at_end(self, stream: Any) -> bool:
        """Whether all items have been taken and there will be no more."""

    def drop(self, stream: Any) -> None:
        """Nobody will read on; never blocks (it is called from `__del__`)."""


class GroupEngine(Protocol):
    """What the public API needs for placement groups."""

    def create(self, options: GroupOptions, make_handle: Callable[[GroupId], Any], cell: Cell | None) -> GroupId:
        """Ask for a group. `make_handle` gives what its creation is to return, by its id."""

    def remove(self, group_id: GroupId) -> None:
        """End a group."""


class FaultEngine(Protocol):
    """What `cellray.testing` needs. Each says why it is not possible, or nothing when it was done."""

    def lose(self, obj: ObjectId) -> str:
        """Lose an object's value."""

    def kill_worker(self, task: TaskId) -> str:
        """Kill the process that runs the task, or that is the actor which the task created."""


class Created(NamedTuple):
    """An actor as its handles know it. `is_new` is False when it was there before."""

    object_id: ObjectId
    class_hash: FunctionHash
    options: ActorOptions
    is_new: bool


class ObjectLook(NamedTuple):
    """What a process knows of an object without asking anybody.

    `object_bytes` is 0 while it is not known; `submission` is the place of the task that makes it among the submissions
    of this process, -1 when it is somebody else's, or the object was stored with `put`.
    """

    is_resolved: bool
    is_expected: bool
    is_error: bool
    object_bytes: int
    submission: int


class Resolved(Protocol):
    """Objects that exist or failed."""

    @property
    def arrivals(self) -> int:
        """Another number each time this process is told of objects; as long as it is the same, none has come."""

    def __contains__(self, obj: object, /) -> bool:
        """Whether the object exists or failed, as far as this process has been told."""


class Engine(Protocol):
    """What the public API stands on; `engines/native.py` is this runtime. All calls are thread-safe."""

    last_submitted: TaskId | None
    """The task that this process submitted last."""
    node_id: str
    """Of the node that this process talks to."""
    environment: Environment
    """What tasks run in that say nothing else: the driver's, in a worker its own."""
    placement: Placement | None
    """Where the running task or actor was placed."""

    @property
    def actors(self) -> ActorEngine:
        """What concerns actors."""

    @property
    def runtime(self) -> RuntimeEngine:
        """Who and where the code is that asks."""

    @property
    def streams(self) -> StreamEngine:
        """What concerns generators."""

    @property
    def groups(self) -> GroupEngine:
        """What concerns placement groups."""

    @property
    def faults(self) -> FaultEngine:
        """What tests may break."""

    def node_state(self) -> NodeState:
        """Resources and placement groups as they are now. Waits for the node's answer."""

    def prepare(self, function: Callable[..., Any], options: SubmitOptions) -> Any:
        """Export the function as it is now with these options; what `submit` takes as its first argument."""

    def submit(self, prepared: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[ObjectId]:
        """Submit one task; the ids of its returns, each retained once. Never waits for the task."""

    def put(self, value: Any) -> ObjectId:
        """Store a value; its id, retained once."""

    def get(self, ids: Sequence[ObjectId], timeout_s: float | None) -> list[Any]:
        """The values, in order; raises what producing the first failed one raised, or GetTimeoutError."""

    def get_one(self, obj: ObjectId) -> Any:
        """The value of one object, waited for without end."""

    def look(self, obj: ObjectId) -> ObjectLook:
        """What is known of the object here."""

    def load_into(self, future: Future[Any], obj: ObjectId, value: ObjectValue) -> None:
        """Resolve the future with what `get` returns or raises, as soon as it can be read; never blocks."""

    @property
    def resolved(self) -> Resolved:
        """The objects that exist or failed, as far as this process refers to them and has been told so."""

    def wait(self, ids: Iterable[ObjectId], count: int, timeout_s: float | None) -> bool:
        """Until `count` of these objects, none of them `resolved`, are; whether they are in time."""

    def cancel(self, task: TaskId, *, force: bool, recursive: bool) -> None:
        """Cancel a task."""

    def is_call(self, task: TaskId) -> bool:
        """Whether the task is a call of an actor that has not ended."""

    def mark(self) -> int:
        """A point in the order of this process's own submissions, for `cancel_since`."""

    def cancel_since(self, mark: int, reason: str) -> int:
        """Cancel what this process submitted after the mark and has not ended; how many tasks."""

    def retain(self, obj: ObjectId) -> None:
        """A reference to the object came to be in this process."""

    def retain_all(self, objects: Sequence[ObjectId]) -> None:
        """One to each of these."""

    def release(self, obj: ObjectId) -> None:
        """A reference went; never blocks (it is called from `__del__`)."""

    def add_done_callback(self, obj: ObjectId, callback: Callable[[ObjectValue], None]) -> None:
        """Call once when the object exists or failed, on any thread, at once if it does already. It must not wait."""

    def run_later(self, action: Callable[[], object]) -> None:
        """Run it soon on a thread that may wait for values; never blocks."""

    @property
    def is_lost(self) -> bool:
        """Whether the session has ended without us: nothing can be done with this engine any more."""

    def close(self) -> None:
        """Disconnect."""
