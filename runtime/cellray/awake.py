"""Waiting awake: looking again and again for what will be there within a moment, instead of going to sleep for it.

Who sleeps must be woken, on a core that may sleep too, and that can take longer than a task. But whoever stays awake
needs a core, though it offers it to others between two looks; when there is more to do than there are cores, those for
whom one waits come to run only after one has gone to sleep. So whoever has stayed awake in vain does not do so for a
while, for longer each time, and for less long again the more often it pays.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
CAN_YIELD: Final = hasattr(os, "sched_yield")
REST_S_MIN = 0.0002
REST_S_MAX = 0.064
EASE = 0.75
"""With twice as long after each failure: it pays when two of three looks find something."""


class Vigil:
    """What one process knows of whether it pays to stay awake."""

    __slots__ = ("_not_before", "_rest_s")

    def __init__(self) -> None:
        self._not_before = 0.0
        self._rest_s = REST_S_MIN

    def look(self, look: Callable[[], T], wait_s: float) -> T | None:
        """What `look` finds within `wait_s`, as soon as it is true; None when it finds nothing, or is not asked."""
        now = time.monotonic()
        if now < self._not_before:
            return None
        until = now + wait_s
        while now < until:
            if found := look():
                self._rest_s = max(REST_S_MIN, EASE * self._rest_s)
                return found
            os.sched_yield()
            now = time.monotonic()
        self._not_before = now + self._rest_s
        self._rest_s = min(2 * self._rest_s, REST_S_MAX)
        return None
