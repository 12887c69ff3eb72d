"""Facts that concern a connection, the clock or the machine: the core consumes them and the log does not keep them."""

from __future__ import annotations

import msgspec

from cellray.ids import ActorId, ObjectId, TaskId, TemplateId


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
