"""The in-memory twins of the store: one bytearray, and a dict of spilled objects, for tests and the simulator."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Sequence

from cellray.errors import InternalError, SpillError


class MemoryStore:
    """`ports.ObjectStore` within one process."""

    def __init__(self, arena_bytes: int) -> None:
        self.arena_bytes = arena_bytes
        self._memory: bytearray | None = bytearray(arena_bytes)

    def write(self, offset: int, parts: Sequence[bytes | memoryview]) -> int:
        """Copy `parts` one after another to `offset`; bytes written."""
        data = b"".join(parts)
        memory = self._checked(offset, len(data))
        # Through a memoryview, because a bytearray with views refuses slice assignment that could resize it.
        memoryview(memory)[offset : offset + len(data)] = data
        return len(data)

    def read(self, offset: int, object_bytes: int, on_release: Callable[[], None]) -> memoryview:
        """A read-only view without a copy; `on_release` as in `ports.ObjectStore`."""
        memory = self._checked(offset, object_bytes)
        exporter = (ctypes.c_ubyte * object_bytes).from_buffer(memory, offset)
        weakref.finalize(exporter, on_release).atexit = False
        return memoryview(exporter).cast("B").toreadonly()

    def close(self) -> None:
        """Forget the memory; it stays as long as views are out."""
        self._memory = None

    def _checked(self, offset: int, object_bytes: int) -> bytearray:
        """The memory, after a check that the range lies in it."""
        if self._memory is None:
            raise InternalError("the object store is closed")
        if offset < 0 or object_bytes < 0 or offset + object_bytes > self.arena_bytes:
            raise InternalError(
                f"{object_bytes} bytes at {offset} are outside of the arena of {self.arena_bytes} bytes"
            )
        return self._memory


class MemorySpill:
    """`ports.SpillStore` over a `MemoryStore`: files are entries of a dict. `room_bytes` is how large the disk is."""

    def __init__(self, store: MemoryStore, room_bytes: int = 1 << 40) -> None:
        self.files: dict[int, bytes] = {}
        self.room_bytes = room_bytes
        self._store = store
        self._closed = False

    def write(self, spill_id: int, offset: int, object_bytes: int) -> None:
        """Copy a range of the arena to a new file."""
        if self._closed:
            raise SpillError("the session ends")
        if spill_id in self.files:
            raise SpillError("File exists")
        if sum(map(len, self.files.values())) + object_bytes > self.room_bytes:
            raise SpillError("No space left on device")
        self.files[spill_id] = bytes(self._store.read(offset, object_bytes, lambda: None))

    def read(self, spill_id: int, offset: int, object_bytes: int) -> None:
        """Copy a file to a range of the arena."""
        data = self.files.get(spill_id)
        if self._closed or data is None or len(data) < object_bytes:
            raise SpillError("the session ends" if self._closed else f"its file has {len(data or b'')} bytes")
        self._store.write(offset, [data[:object_bytes]])

    def drop(self, spill_id: int) -> None:
        """Remove a file; nothing when there is none."""
        self.files.pop(spill_id, None)

    def close(self) -> None:
        """Everything that comes fails."""
        self._closed = True
