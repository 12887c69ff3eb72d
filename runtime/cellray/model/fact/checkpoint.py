"""Facts of actors that recover their state: checkpoints, and what was done with them."""

from __future__ import annotations

import msgspec

from cellray.ids import ActorId, TaskId
from cellray.model.actor import Checkpoint
from cellray.model.object import ObjectValue


class CheckpointTaken(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=120):
    """An actor's process has its state as a checkpoint, after the call `task_id` or because that one asked for it.

    It is unlogged: after how many calls that is, the core knows, which says ActorCheckpointed or CheckpointFailed.
    """

    task_id: TaskId
    at: float
    state: ObjectValue
    file: str = ""


class ActorCheckpointed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=121):
    """The actor has a checkpoint from which it can be rebuilt; what is older than the one before is dropped."""

    actor_id: ActorId
    at: float
    checkpoint: Checkpoint


class CheckpointFailed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=122):
    """A checkpoint could not be made, kept or restored; the actor has those that it had before."""

    actor_id: ActorId
    at: float
    task_id: TaskId
    reason: str


class ActorRestored(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=123):
    """A process that replaces an actor's has the state after `calls` recorded calls; `replayed` run again in it now.

    Their results are not delivered a second time.
    """

    actor_id: ActorId
    at: float
    calls: int
    replayed: list[TaskId]
