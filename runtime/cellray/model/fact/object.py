"""Facts about objects that are no results of tasks as they end, and about where objects are."""

from __future__ import annotations

import msgspec

from cellray.ids import ObjectId
from cellray.model.object import ObjectValue


class ObjectSealed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=18):
    """An object stored with `put` (a task's results are in its TaskFinished)."""

    object_id: ObjectId
    at: float
    value: ObjectValue


class ObjectsFreed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=19):
    """The node let go of objects that nobody refers to any more."""

    object_ids: list[ObjectId]
    at: float


class OutputDiverged(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=140):
    """A task that ran again gave another value for this object than the first time: `difference` is one line, such as
    `[3]['loss']: 0.31 != 0.29`, what was first."""

    object_id: ObjectId
    at: float
    difference: str


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
