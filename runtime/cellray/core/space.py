"""The shared memory of one node: who may write where, which objects lie in it, and those that were moved to disk.

Space is granted to a client, which writes and then names it in a value; from then on a block owns it. A block is moved
only while nobody reads it: clients say what they read (`core/views.py`), tasks read their arguments while they are with
a worker (`core/staging.py`). Who waits for room stands in `core/admission.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cellray.core.arena import Arena
from cellray.core.blocks import LOST, NOWHERE, RESIDENT, RESTORING, SPILLED, SPILLING, Block
from cellray.ids import producer_of
from cellray.model.command import Spill
from cellray.model.object import ObjectValue, ValueKind

if TYPE_CHECKING:
    from cellray.core.clients import Client
    from cellray.core.objects import ObjectEntry
    from cellray.core.outbox import Outbox
    from cellray.core.tasks import Task
    from cellray.ids import ObjectId, TaskId
    from cellray.model.fact import ObjectRestored, ObjectSpilled, SpillFailed


class SharedSpace:
    """The arena and its blocks. `travelling` are those being written or read, by the number of their file, `lost` those
    without bytes, and `lost_of` the same by the tasks that make them.

    `disk_bytes` is what files take, those being written included; `losses` counts objects that could not be had back.
    """

    def __init__(self, arena_bytes: int, outbox: Outbox) -> None:
        self.arena = Arena(arena_bytes)
        self.blocks: dict[ObjectId, Block] = {}
        self.travelling: dict[int, Block] = {}
        self.lost: dict[ObjectId, Block] = {}
        self.lost_of: dict[TaskId, dict[ObjectId, Block]] = {}
        self.disk_bytes = 0
        self.spilling = 0
        self.losses = 0
        self._outbox = outbox
        self._last_use = 0
        self._last_spill_id = 0

    # What lies in memory

    def claim(self, object_id: ObjectId, offset: int, client: Client) -> bool:
        """Whether the space at `offset` was granted to `client` for the object; from now on the value owns it."""
        if client.granted.get(object_id) != offset:
            return False
        del client.granted[object_id]
        return True

    def shelve(self, entry: ObjectEntry, value: ObjectValue) -> None:
        """The object lies at the value's offset, which `claim` took over."""
        self._last_use += 1
        self.blocks[entry.object_id] = Block(entry, value.offset, value.object_bytes, self._last_use)

    def free(self, offset: int) -> None:
        """Give space back that no block owns."""
        self.arena.free(offset)

    def drop(self, object_id: ObjectId) -> None:
        """The object is gone; so are its memory and its file, as soon as they do not travel."""
        self._abandon(self.blocks.pop(object_id))

    def touch(self, block: Block) -> None:
        """The object is used now."""
        self._last_use += 1
        block.used = self._last_use

    def pin(self, block: Block) -> None:
        """Somebody reads it now: it stays where it is until `unpin`."""
        assert block.is_readable, "only what is in memory can be read"
        block.pins += 1
        self.touch(block)

    def unpin(self, block: Block) -> None:
        """One reader less."""
        block.pins -= 1
        if block.doomed and not block.pins and block.state == RESIDENT:
            self.arena.free(block.offset)

    def unpin_arguments(self, task: Task) -> None:
        """The task is with no worker any more, or will never be: before `task.worker` is forgotten."""
        blocks, task.views = task.views, ()
        if task.worker is not None:
            for block in blocks:
                self.unpin(block)
            return
        for block in blocks:
            block.staged -= 1

    # To the disk and back

    def spill(self, block: Block) -> None:
        """Have the block written to a file."""
        self._last_spill_id += 1
        block.spill_id = self._last_spill_id
        block.state = SPILLING
        self.travelling[block.spill_id] = block
        self.spilling += 1
        self.disk_bytes += block.object_bytes
        self._outbox.spills.append(self._order(block))

    def restore(self, block: Block, offset: int) -> None:
        """Have the block read from its file to `offset`, which is its own from now on."""
        block.state, block.offset = RESTORING, offset
        self.travelling[block.spill_id] = block
        self._outbox.restores.append(self._order(block))

    def on_spilled(self, fact: ObjectSpilled) -> Block | None:
        """The file is complete: now, and not before, the memory is free. The block, None when it was gone already."""
        block = self._arrived(fact.spill_id)
        self.spilling -= 1
        if block.doomed:
            self._drop_file(block)
            block.state = RESIDENT
            self._abandon(block)
            return None
        if block.pins:
            block.state = RESIDENT
            self._drop_file(block)
            return block
        self.arena.free(block.offset)
        block.state, block.offset = SPILLED, NOWHERE
        self._place_value(block)
        return block

    def on_restored(self, fact: ObjectRestored) -> Block | None:
        """The bytes are in memory again. The block, None when it was gone already."""
        block = self._arrived(fact.spill_id)
        self._drop_file(block)
        if block.doomed:
            self.arena.free(block.offset)
            return None
        block.state = RESIDENT
        self.touch(block)
        self._place_value(block)
        return block

    def on_failed(self, fact: SpillFailed) -> Block | None:
        """The disk failed. A block that was to be written stays; one that was to be read is lost, and returned."""
        block = self._arrived(fact.spill_id)
        if block.state == SPILLING:
            self.spilling -= 1
            self.disk_bytes -= block.object_bytes
            block.state = RESIDENT
            if block.doomed:
                self._abandon(block)
            return None
        self.arena.free(block.offset)
        self._drop_file(block)
        if block.doomed:
            return None
        self._mark_lost(
            block, f"it was moved to disk for want of shared memory, and cannot be read back: {fact.reason}"
        )
        return block

    # Losses

    def lose(self, block: Block, reason: str) -> None:
        """The object's bytes are given up, wherever they are; whoever reads them now goes on doing so."""
        fresh = Block(block.entry, NOWHERE, block.object_bytes, block.used)
        fresh.viewers, block.viewers = block.viewers, None
        fresh.put_by = block.put_by
        for client in fresh.viewers or ():
            client.views[block.entry.object_id] = fresh
        self.blocks[block.entry.object_id] = fresh
        self._abandon(block)
        self._mark_lost(fresh, reason)

    def shelve_lost(self, entry: ObjectEntry, object_bytes: int, reason: str) -> Block:
        """The object has no bytes, and may be made again when somebody wants to read it."""
        block = self.blocks[entry.object_id] = Block(entry, NOWHERE, object_bytes, self._last_use)
        entry.value = ObjectValue(
            ValueKind.SHARED, b"", NOWHERE, object_bytes, entry.value.contained if entry.value else ()
        )
        self._mark_lost(block, reason)
        return block

    def found(self, block: Block, value: ObjectValue) -> None:
        """What was lost has a value again, whose space `claim` took over if it is a shared one."""
        self._end_loss(block)
        block.entry.value = value
        if value.kind != ValueKind.SHARED:
            del self.blocks[block.entry.object_id]
            return
        block.state, block.offset, block.object_bytes, block.loss = RESIDENT, value.offset, value.object_bytes, ""
        self.touch(block)

    def _mark_lost(self, block: Block, reason: str) -> None:
        block.state, block.offset, block.loss = LOST, NOWHERE, reason
        object_id = block.entry.object_id
        self.lost[object_id] = self.lost_of.setdefault(producer_of(object_id), {})[object_id] = block
        self._place_value(block)

    def _end_loss(self, block: Block) -> None:
        object_id = block.entry.object_id
        task_id = producer_of(object_id)
        del self.lost[object_id], self.lost_of[task_id][object_id]
        if not self.lost_of[task_id]:
            del self.lost_of[task_id]

    def _abandon(self, block: Block) -> None:
        """Nobody will want to read the block who does not do so now."""
        if block.state == SPILLED:
            self._drop_file(block)
        elif block.state == LOST:
            self._end_loss(block)
        elif block.state == RESIDENT and not block.pins:
            self.arena.free(block.offset)
        else:
            block.doomed = True

    def _arrived(self, spill_id: int) -> Block:
        return self.travelling.pop(spill_id)

    def _drop_file(self, block: Block) -> None:
        self.disk_bytes -= block.object_bytes
        self._outbox.dropped_files.append(block.spill_id)

    def _place_value(self, block: Block) -> None:
        assert block.entry.value is not None, "what has a block has a value"
        block.entry.value = msgspec.structs.replace(block.entry.value, offset=block.offset)

    def _order(self, block: Block) -> Spill:
        return Spill(block.spill_id, block.entry.object_id, block.offset, block.object_bytes)
