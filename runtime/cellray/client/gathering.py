"""How long results may be left to gather when many are waited for and they come one by one.

To be woken for each takes time from the very tasks that are waited for. So whoever is far from having all leaves
what arrives alone for a moment, which is short beside the time that the rest will take: near the end there is none, and
the last result is seen when it comes. Should the rest be there all at once, it is seen that moment later.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE_S_MIN = 0.002
PAUSE_S_MAX = 0.02
SHARE_OF_REST = 1 / 16
ENOUGH = 8
"""Where one read brings so many, nothing is gained by waiting for more."""


class Gathering:
    """One wait for several results. `missing` says how many more it needs."""

    __slots__ = ("_began", "_clock", "_first", "_left", "_missing", "_read_at")

    def __init__(self, missing: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._missing = missing
        self._clock = clock
        self._first = self._left = missing()
        self._began = self._read_at = clock()

    def pause_s(self) -> float:
        """After a read: how long to leave the next results alone; 0 when they are wanted as they come."""
        left, now = self._missing(), self._clock()
        came, took_s = self._left - left, now - self._read_at
        self._left, self._read_at = left, now
        if not 0 < came < ENOUGH:
            return 0.0
        # By whichever was faster, all of it or the last: what has sped up is not to be slept through.
        result_s = min(took_s / came, (now - self._began) / (self._first - left))
        pause_s = left * result_s * SHARE_OF_REST
        return min(pause_s, PAUSE_S_MAX) if pause_s >= PAUSE_S_MIN else 0.0
