"""Actors: what a class asks for when one is made of it, the states one passes through, and how calls name theirs.

An actor is made by a task, its creation, and has its id. The creation's one return is the object that handles hold: as
long as anybody holds it, passes it on or has a call under way, the actor lives. A call is a task whose template names a
method and whose first `contained` reference is that object, so that a call keeps its actor as it keeps its arguments.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from cellray.ids import ActorId, ObjectId, TaskId, producer_of
from cellray.model.object import ObjectValue


class ActorState(IntEnum):
    """Where an actor is in its node's core; `core/actor_record.py` holds the legal moves."""

    PENDING = 0
    """Its constructor has not returned."""
    ALIVE = 1
    RESTARTING = 2
    """Its process died; its constructor runs, or will run, once more."""
    DEAD = 3


Parameter = tuple[str, int, bool]
"""One parameter of a method: its name, its kind (the value of `inspect`'s), and whether it has a default."""


class MethodOptions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One method of a class as `cellray.method` has it. None stands for what the actor says.

    `streams`: it is a generator, and its items are objects as they come; so many may be unread. `retry_only` as in task
    templates. `read_only`: it leaves the actor's state as it is. `parameters`: those of a call; None: not known."""

    name: str
    num_returns: int = 1
    max_task_retries: int | None = None
    retry_exceptions: bool = False
    concurrency_group: str = ""
    streams: bool = False
    unread_max: int = -1
    retry_only: bytes = b""
    read_only: bool = False
    parameters: tuple[Parameter, ...] | None = None


class ActorOptions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What makes a task template one of an actor's creation. `name` is empty for most; -1 means without end.

    An empty `namespace` is that of the driver's job, as in Ray: other drivers do not find the name. `max_concurrency`
    calls run at a time, in threads or, with `is_async`, on an event loop; those of methods with a concurrency group are
    counted apart, up to the limit in `concurrency_groups`. With `recovers` a crash costs it no state: its calls are
    recorded, and those since its last checkpoint run again. `checkpoint_every` so many recorded calls one is made; 0:
    only when somebody asks, -1: its class cannot. `forgets`: its user knows that a restart loses its state.
    """

    class_name: str
    methods: tuple[MethodOptions, ...] = ()
    name: str = ""
    namespace: str = ""
    max_restarts: int = 0
    max_task_retries: int = 0
    detached: bool = False
    max_concurrency: int = 1
    is_async: bool = False
    concurrency_groups: tuple[tuple[str, int], ...] = ()
    max_pending_calls: int = -1
    recovers: bool = False
    checkpoint_every: int = -1
    forgets: bool = False

    @property
    def is_concurrent(self) -> bool:
        """Whether more than one call may be under way."""
        return self.is_async or self.max_concurrency > 1 or bool(self.concurrency_groups)

    @property
    def slots(self) -> dict[str, int]:
        """How many calls of each concurrency group run at a time; the empty name is that of all other calls."""
        return {"": self.max_concurrency, **dict(self.concurrency_groups)}


class Checkpoint(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state of an actor after so many recorded calls, as its `__checkpoint__` gave it.

    `task_id` is the call after which it was made, or that asked for it. A large `state` has only its size, and is in
    `file`, in the session's folder of checkpoints.
    """

    calls: int
    task_id: TaskId
    state: ObjectValue
    file: str = ""


def actor_of_call(contained: tuple[ObjectId, ...]) -> ActorId:
    """The actor that a call is for, by its spec's `contained`; an empty id when there is none."""
    return ActorId(producer_of(contained[0])) if contained else ActorId(producer_of(ObjectId(b"")))
