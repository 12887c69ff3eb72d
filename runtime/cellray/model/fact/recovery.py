"""Facts about objects that were lost and what became of them, and about faults that somebody asks for."""

from __future__ import annotations

import msgspec

from cellray.ids import ObjectId, TaskId


class ObjectLost(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=110):
    """An object's value is gone, everywhere; whoever wants to read it has it made again. `reason` is one line."""

    object_id: ObjectId
    at: float
    reason: str


class ObjectReconstructed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=111):
    """A lost object has its value again: its task ran again (TaskRetried told of that), or `from_log`, where it was."""

    object_id: ObjectId
    at: float
    object_bytes: int
    from_log: bool = False


class ReconstructionFailed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=112):
    """A lost object cannot be made again. `reason` is the chain of reasons, one a line."""

    object_id: ObjectId
    at: float
    reason: str


class ResultRecalled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=113):
    """A task that had ended was submitted again, by a parent that runs again. It does not: its results are those that
    the log tells of."""

    task_id: TaskId
    at: float


class FaultRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=118):
    """A test wants something to break; answered by FaultDone. Exactly one of `lose` and `kill` is set: an object that
    is to be lost, or a task (an actor: its creation) whose worker is to be killed."""

    request: int
    lose: ObjectId | None = None
    kill: TaskId | None = None
