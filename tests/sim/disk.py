"""The virtual disk, and the virtual memory that it is filled from: which object's bytes lie where."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cellray.ids import ClientId, ObjectId
from cellray.model import command as c
from cellray.model import fact as f

if TYPE_CHECKING:
    from tests.sim.world import World

SHELL = ClientId(0)


class VirtualDisk:
    """Carries orders out one after another, late; some fail. `memory` tells what each offset is filled with."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.memory: dict[int, ObjectId] = {}
        self.files: dict[int, ObjectId] = {}
        self.orders: deque[tuple[str, c.Spill | None, list[int]]] = deque()

    def take(self, command: c.SpillObjects | c.RestoreObjects | c.DropSpilled) -> None:
        """An order of the core."""
        if isinstance(command, c.DropSpilled):
            self.orders.append(("drop", None, command.spill_ids))
        else:
            kind = "spill" if isinstance(command, c.SpillObjects) else "restore"
            self.orders.extend((kind, order, []) for order in command.objects)

    def act(self) -> None:
        """Carry out the oldest order."""
        if not self.orders:
            return
        kind, order, dropped = self.orders.popleft()
        if order is None:
            for spill_id in dropped:
                self.files.pop(spill_id, None)
            return
        fails = self.world.random.random() < (0.05 if kind == "spill" else 0.02)
        fact: f.Fact
        if fails:
            fact = f.SpillFailed(order.object_id, order.spill_id, self.world.at, "disk error", kind == "restore")
        elif kind == "spill":
            assert self.memory[order.offset] == order.object_id, "memory was given away before its file was complete"
            assert order.spill_id not in self.files, "a file's number was used twice"
            self.files[order.spill_id] = order.object_id
            fact = f.ObjectSpilled(order.object_id, order.spill_id, order.object_bytes, self.world.at)
        else:
            assert self.files[order.spill_id] == order.object_id, "a file was dropped that is still needed"
            self.memory[order.offset] = order.object_id
            fact = f.ObjectRestored(order.object_id, order.spill_id, order.object_bytes, self.world.at)
        self.world._handle([fact], SHELL)
