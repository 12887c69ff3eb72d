"""What to move out of the arena so that a block of some size fits: neighbours whose last use lies furthest back.

Plain least-recently-used order would free pieces all over the arena and room for a large block nowhere. So this looks
at stretches of neighbouring blocks and gaps without anything that must stay, and takes the one whose latest use is the
oldest, of those the one with the fewest bytes to move.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Stretch(NamedTuple):
    """A piece of the arena, `key` names the block there (None: a gap); `used` is None when it must stay."""

    offset: int
    piece_bytes: int
    key: int | None
    used: int | None


def stretches(blocks: dict[int, int], gaps: Iterable[tuple[int, int]], movable: dict[int, int]) -> list[Stretch]:
    """All of the arena in order: `blocks` are offset -> bytes, `movable` offset -> last use of those that may go."""
    pieces = [Stretch(offset, size, offset, movable.get(offset)) for offset, size in blocks.items()]
    pieces += [Stretch(offset, size, None, -1) for offset, size in gaps]
    pieces.sort()
    return pieces


def choose(pieces: Sequence[Stretch], wanted_bytes: int, moved_bytes_max: int) -> list[int]:
    """Keys of blocks to move so that `wanted_bytes` lie free in one piece, at most `moved_bytes_max` of them.

    Empty when there is no such stretch. The cost is that of one pass, whatever the answer.
    """
    best: tuple[int, int] | None = None
    found = (0, 0)
    begin = span = moved = 0
    latest: deque[int] = deque()  # indices in the window, last uses falling: the first is the latest use of all
    for end, piece in enumerate(pieces):
        if piece.used is None:
            begin, span, moved = end + 1, 0, 0
            latest.clear()
            continue
        while latest and _used(pieces[latest[-1]]) <= piece.used:
            latest.pop()
        latest.append(end)
        span += piece.piece_bytes
        moved += _moved(piece)
        while span - pieces[begin].piece_bytes >= wanted_bytes:
            span -= pieces[begin].piece_bytes
            moved -= _moved(pieces[begin])
            begin += 1
        while latest[0] < begin:
            latest.popleft()
        if span >= wanted_bytes and moved <= moved_bytes_max:
            cost = (_used(pieces[latest[0]]), moved)
            if best is None or cost < best:
                best, found = cost, (begin, end + 1)
    return [piece.key for piece in pieces[found[0] : found[1]] if piece.key is not None]


def _used(piece: Stretch) -> int:
    return -1 if piece.used is None else piece.used


def _moved(piece: Stretch) -> int:
    return 0 if piece.key is None else piece.piece_bytes
