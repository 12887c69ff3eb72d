"""The record of one object in the store: where its bytes are, and who keeps them from being moved.

    RESIDENT ──> SPILLING ──> SPILLED ──> RESTORING ──> RESIDENT
        ^            │           ^            │
        └────────────┘           └────────────┘  not again: a file that cannot be read makes the object LOST
     the disk refused, or somebody began to read

    any ──> LOST ──> RESIDENT, when its task has run again (`core/recovery.py`)

A block that is freed while its bytes travel is `doomed`: its memory and its file go when the disk has answered. One
that is lost while it is read is doomed too, and the object has another one; its memory goes with the last reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cellray.core.clients import Client
    from cellray.core.objects import ObjectEntry

RESIDENT: Final = 0
SPILLING: Final = 1
SPILLED: Final = 2
RESTORING: Final = 3
LOST: Final = 4
READABLE: Final = (RESIDENT, SPILLING)
NOWHERE: Final = -1


class Block:
    """`offset` is NOWHERE while the bytes are on disk only, or nowhere; `loss` says why. `pins` counts clients that
    read it and tasks that are with a worker; `staged` tasks that are about to be; `used` is the number of its last use,
    the highest the latest. `viewers` wait for it to be there again, each with the ticket of its request. `put_by` is
    the attempt that has put it last, as the order and attempt of its task; None if no task has.
    """

    __slots__ = (
        "doomed",
        "entry",
        "loss",
        "object_bytes",
        "offset",
        "pins",
        "put_by",
        "spill_id",
        "staged",
        "state",
        "used",
        "viewers",
    )

    def __init__(self, entry: ObjectEntry, offset: int, object_bytes: int, used: int) -> None:
        self.entry = entry
        self.offset = offset
        self.object_bytes = object_bytes
        self.used = used
        self.state: int = RESIDENT
        self.pins = 0
        self.staged = 0
        self.spill_id = 0
        self.doomed = False
        self.loss = ""
        self.put_by: tuple[int, int] | None = None
        self.viewers: dict[Client, int] | None = None

    @property
    def is_readable(self) -> bool:
        """Whether its bytes are in the arena, all of them."""
        return self.state in READABLE
