"""The allocator of the shared-memory arena: which offsets are free. It sees no bytes; clients write them.

Best fit, lowest offset among equals, neighbours joined when freed. Best fit keeps large gaps whole, low offsets reuse
pages that are already faulted in. Free gaps stand in one list sorted by (bytes, offset): finding one is a bisection;
inserting moves pointers, which at the number of gaps that best fit leaves costs less than any tree in Python.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from cellray.errors import InternalError

ALIGNMENT_BYTES = 64
"""Offsets and sizes are multiples of a cache line, which is also what NumPy and Arrow like best."""


class Arena:
    """`arena_bytes` of space, allocated in blocks. Offsets are from 0."""

    def __init__(self, arena_bytes: int) -> None:
        self.arena_bytes = arena_bytes - arena_bytes % ALIGNMENT_BYTES
        self.used_bytes = 0
        self._blocks: dict[int, int] = {}
        self._gap_bytes: dict[int, int] = {}
        self._gap_ending: dict[int, int] = {}
        self._gaps: list[tuple[int, int]] = []
        if self.arena_bytes:
            self._add_gap(0, self.arena_bytes)

    def allocate(self, wanted_bytes: int) -> int | None:
        """Offset of a block of at least `wanted_bytes`, or None when no gap is large enough."""
        block_bytes = align(wanted_bytes)
        place = bisect_left(self._gaps, (block_bytes, 0))
        if place == len(self._gaps):
            return None
        gap_bytes, offset = self._gaps[place]
        self._remove_gap(offset, gap_bytes, place)
        if gap_bytes > block_bytes:
            self._add_gap(offset + block_bytes, gap_bytes - block_bytes)
        self._blocks[offset] = block_bytes
        self.used_bytes += block_bytes
        return offset

    def free(self, offset: int) -> None:
        """Free the block at `offset`. Raises InternalError when there is none."""
        block_bytes = self._blocks.pop(offset, None)
        if block_bytes is None:
            raise InternalError(f"arena offset {offset} is not an allocated block")
        self.used_bytes -= block_bytes
        start, end = offset, offset + block_bytes
        before = self._gap_ending.get(start)
        if before is not None:
            self._remove_gap(before, start - before)
            start = before
        after_bytes = self._gap_bytes.get(end)
        if after_bytes is not None:
            self._remove_gap(end, after_bytes)
            end += after_bytes
        self._add_gap(start, end - start)

    @property
    def largest_gap_bytes(self) -> int:
        """The largest block that could be allocated now."""
        return self._gaps[-1][0] if self._gaps else 0

    def blocks(self) -> dict[int, int]:
        """Allocated blocks: offset -> bytes. A copy."""
        return dict(self._blocks)

    def gaps(self) -> list[tuple[int, int]]:
        """Free gaps, (offset, bytes), by offset."""
        return sorted((offset, gap_bytes) for gap_bytes, offset in self._gaps)

    def _add_gap(self, offset: int, gap_bytes: int) -> None:
        self._gap_bytes[offset] = gap_bytes
        self._gap_ending[offset + gap_bytes] = offset
        insort(self._gaps, (gap_bytes, offset))

    def _remove_gap(self, offset: int, gap_bytes: int, place: int | None = None) -> None:
        del self._gap_bytes[offset]
        del self._gap_ending[offset + gap_bytes]
        del self._gaps[bisect_left(self._gaps, (gap_bytes, offset)) if place is None else place]


def align(wanted_bytes: int) -> int:
    """The bytes of the block that holds `wanted_bytes`."""
    return max(ALIGNMENT_BYTES, -(-wanted_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES)
