"""Commands: what the node's core decided; `node/perform.py` carries them out in the order given.

Those addressed to a client travel to it as they are (a frame from the node is a msgpack list of them). Facts that a
core derives go into the log's buffer before anything is sent (`AppendFacts` comes first in the list), or, where a lone
task or its result is sent ahead (`core/ahead.py`), before the node reads what comes next. Nothing on one node waits for
the GCS to have written them, because the log is what recovery after a *node's* loss reads, and with the node its
buffer, its workers and its objects are lost alike.
"""

from __future__ import annotations

import msgspec

from cellray.ids import ClientId, JobId, ObjectId, TaskId
from cellray.model.actor import Checkpoint
from cellray.model.fact import LoggedFact
from cellray.model.node import NodeState
from cellray.model.object import ObjectValue
from cellray.model.task import Cell, Function, TaskAssignment, TaskTemplate


class TasksAssigned(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """To a worker: run these, in order. Functions and templates that it has not seen yet come along.

    `devices` are the GPUs that they may use, by number; None stands for those that the worker was told last.
    `expected` are values that some of the tasks made when they ran before, for the worker to compare. `restore` is the
    state that an actor is to have after its constructor; with `is_replay` these are calls that have run before, and run
    again for the sake of what they do to the actor.
    """

    tasks: list[TaskAssignment]
    templates: list[TaskTemplate] = []
    functions: list[Function] = []
    devices: tuple[int, ...] | None = None
    expected: list[tuple[ObjectId, ObjectValue]] = []
    restore: Checkpoint | None = None
    is_replay: bool = False


class ObjectsReady(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """To a client: values of objects that it owns or asked for."""

    objects: list[tuple[ObjectId, ObjectValue]]


class ReturnTasks(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """To a worker: give back what you have not begun (answered by TasksReturned)."""


class InterruptTask(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """To a worker: raise in this task if it still runs, drop it if it has not begun."""

    task_id: TaskId


class SpaceGranted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """To a client: write the object at `offset`; `error` says why there is no room instead."""

    object_id: ObjectId
    offset: int
    error: str = ""


class OutputForwarded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """To a driver: what one of its tasks printed."""

    task_id: TaskId
    stream: str
    text: str
    dropped_bytes: int = 0
    name: str = ""
    cell: Cell | None = None
    pid: int = 0


class Warn(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """To a driver: something the user should know now, such as workers that will not start."""

    message: str


class Exit(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """To a client: the session ends."""

    reason: str


class ActorNamed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """To a client: who has the name that it asked for; nobody has it when `object_id` is None.

    The client holds the object from now on. Without `template` the name was free and is the asking candidate's now.
    """

    request: int
    object_id: ObjectId | None = None
    template: TaskTemplate | None = None


class ActorNamesListed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """To a client: the names that are taken, each as namespace and name, in the order of their being taken."""

    request: int
    names: list[tuple[str, str]]


class TaskDescribed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """To a client: whose task it asked for. Of a task that is not known any more, what holds for the client itself."""

    request: int
    job_id: JobId
    namespace: str
    is_call: bool = False


class ItemsReady(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """To a generator's reader: its next items, the first of them the `index`-th (from 0). The client holds each from
    now on. With `has_ended` there will be no more."""

    task_id: TaskId
    index: int
    values: list[ObjectValue]
    has_ended: bool = False


class ItemsRead(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=21):
    """To a worker: the reader of a generator has taken `count` items; -1: nobody reads on."""

    task_id: TaskId
    count: int


class ReaderLeft(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=22):
    """To a client that dropped a generator: all that it was sent for that reader is behind it."""

    task_id: TaskId


class ViewsGranted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=16):
    """To a client: where objects lie that it asked to read. They stay there until it says ViewsReleased.

    A value that is no shared one says why there is nothing to be read. `ticket` is that of the request.
    """

    objects: list[tuple[ObjectId, ObjectValue]]
    ticket: int


class NodeStateTold(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=40):
    """To a client: the answer to NodeStateRequested."""

    request: int
    state: NodeState


class FaultDone(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=110):
    """To a client: the fault that it wanted has happened; or `error` says why it cannot."""

    request: int
    error: str = ""


class RecallViews(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=17):
    """To a client: somebody waits for room; say ViewsReleased for what you keep only because you may read it again."""


class OpenDirectLine(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=120):
    """To an actor's process, or to a worker that is kept for a driver (`is_for_tasks`): a caller of yours wants to talk
    to you itself. Connect to it, unless you are connected by this `line` of its, and say its ticket."""

    caller: ClientId
    address: str
    ticket: int
    line: int = 0
    is_for_tasks: bool = False


ClientCommand = (
    TasksAssigned
    | ObjectsReady
    | ReturnTasks
    | InterruptTask
    | SpaceGranted
    | OutputForwarded
    | Warn
    | Exit
    | ActorNamed
    | ActorNamesListed
    | TaskDescribed
    | ViewsGranted
    | ItemsReady
    | ItemsRead
    | ReaderLeft
    | NodeStateTold
    | RecallViews
    | FaultDone
    | OpenDirectLine
)
"""What a node says to a driver or worker."""


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send one command to one client; the shell gathers those for one client into one frame."""

    client_id: ClientId
    command: ClientCommand


class AppendFacts(msgspec.Struct, frozen=True, gc=False):
    """Log facts that the core derived (those that came in are logged by the ingress)."""

    facts: list[LoggedFact]


class RegisterFunctions(msgspec.Struct, frozen=True, gc=False):
    """Enter functions that are new here into the GCS's function table."""

    functions: list[Function]


class StartWorkers(msgspec.Struct, frozen=True, gc=False):
    """Fork this many workers more."""

    count: int


class KillWorker(msgspec.Struct, frozen=True, gc=False):
    """End a worker's process with SIGKILL."""

    worker_id: ClientId
    reason: str


class ReadOutput(msgspec.Struct, frozen=True, gc=False):
    """Read what a worker's process has written past Python, and tell it as WorkerOutput of this task: whole lines only,
    or all of it when `to_the_end`."""

    worker_id: ClientId
    task_id: TaskId
    to_the_end: bool


class FindHistory(msgspec.Struct, frozen=True, gc=False):
    """Look these tasks up in the event log; answered by HistoryFound, which comes when the log has been written as far
    as it was when this was asked."""

    task_ids: tuple[TaskId, ...]


class Spill(msgspec.Struct, frozen=True, gc=False):
    """One object between the arena and its file: `object_bytes` at `offset`, and the file `spill_id`."""

    spill_id: int
    object_id: ObjectId
    offset: int
    object_bytes: int


class SpillObjects(msgspec.Struct, frozen=True, gc=False):
    """Write objects to files; each is answered by ObjectSpilled or SpillFailed. Until then the memory stays theirs."""

    objects: list[Spill]


class RestoreObjects(msgspec.Struct, frozen=True, gc=False):
    """Read objects from their files; each is answered by ObjectRestored or SpillFailed."""

    objects: list[Spill]


class DropSpilled(msgspec.Struct, frozen=True, gc=False):
    """Remove files that nobody will read any more."""

    spill_ids: list[int]


class DropCheckpoints(msgspec.Struct, frozen=True, gc=False):
    """Remove files of checkpoints that nobody will restore any more."""

    files: list[str]


Command = (
    Send
    | AppendFacts
    | RegisterFunctions
    | StartWorkers
    | KillWorker
    | SpillObjects
    | RestoreObjects
    | DropSpilled
    | ReadOutput
    | DropCheckpoints
    | FindHistory
)

command_encoder = msgspec.msgpack.Encoder()
command_decoder = msgspec.msgpack.Decoder(list[ClientCommand])
