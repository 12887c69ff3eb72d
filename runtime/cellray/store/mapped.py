"""The store as every process of a node has it: the arena mapped, values written to it and read where they lie.

Whoever reads gets a view whose end is noticed: an array over it, a slice of it, anything made from it holds the
ctypes object underneath, and a finalizer there says that the last of them is gone. A plain memoryview cannot do
that: its slices hold its memory, not itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from cellray.errors import InternalError
from cellray.store.copying import Copier


class MappedStore:
    """`ports.ObjectStore` over an arena's descriptor, which may be closed afterwards. All calls are thread-safe.

    >>> store = MappedStore(create_arena(64_000_000))
    """

    def __init__(self, fd: int, copy_threads: int | None = None) -> None:
        self.arena_bytes = os.fstat(fd).st_size
        self._map: mmap.mmap | None = mmap.mmap(fd, self.arena_bytes)
        # Whoever holds it keeps the mapping where it is, also after `close`.
        self._anchor: ctypes.c_ubyte | None = ctypes.c_ubyte.from_buffer(self._map)
        self._copier = Copier(copy_threads)
        self._exporter_types: dict[int, type[ctypes.Array[Any]]] = {}

    def write(self, offset: int, parts: Sequence[bytes | memoryview]) -> int:
        """Copy `parts` one after another to `offset`; bytes written."""
        anchor = self._anchor
        self._checked(offset, sum(part_bytes(part) for part in parts))
        assert anchor is not None
        at = offset
        for part in parts:
            self._copier.copy(ctypes.addressof(anchor) + at, part)
            at += part_bytes(part)
        return at - offset

    def read(self, offset: int, object_bytes: int, on_release: Callable[[], None]) -> memoryview:
        """A read-only view without a copy.

        `on_release` is called once, when the view and everything made from it are gone: by any thread, perhaps in the
        middle of a garbage collection, so it must neither block nor take a lock that is not re-entrant. It is not
        called when the process ends.
        """
        mapped = self._checked(offset, object_bytes)
        exporter, begin = self._exporter(mapped, offset, object_bytes)
        weakref.finalize(exporter, on_release).atexit = False
        return memoryview(exporter).cast("B")[begin : begin + object_bytes].toreadonly()

    def close(self) -> None:
        """Unmap, or leave that to the end of the last view. Reading and writing raise InternalError from now on."""
        mapped, self._map = self._map, None
        self._anchor = None
        self._copier.close()
        if mapped is not None:
            # Refused while views are out: they hold the mapping, and it goes with the last of them.
            with contextlib.suppress(BufferError):
                mapped.close()

    def _checked(self, offset: int, object_bytes: int) -> mmap.mmap:
        """The mapping, after a check that the range lies in it: an access elsewhere would end the process."""
        mapped = self._map
        if mapped is None:
            raise InternalError("the object store is closed")
        if offset < 0 or object_bytes < 0 or offset + object_bytes > self.arena_bytes:
            raise InternalError(
                f"{object_bytes} bytes at {offset} are outside of the arena of {self.arena_bytes} bytes"
            )
        return mapped

    def _exporter(self, mapped: mmap.mmap, offset: int, object_bytes: int) -> tuple[ctypes.Array[Any], int]:
        """A new object over memory that includes the one asked for, and where in it that begins.

        Types of ctypes have fixed sizes and are slow to make, so sizes are powers of two; near the end of the arena
        the object begins earlier.
        """
        size = min(1 << max(object_bytes - 1, 0).bit_length(), self.arena_bytes)
        exporter_type = self._exporter_types.get(size)
        if exporter_type is None:
            exporter_type = self._exporter_types[size] = ctypes.c_ubyte * size
        begin = min(offset, self.arena_bytes - size)
        return exporter_type.from_buffer(mapped, begin), offset - begin


def part_bytes(part: bytes | memoryview) -> int:
    """Length in bytes; that of a memoryview counts items."""
    return part.nbytes if isinstance(part, memoryview) else len(part)
