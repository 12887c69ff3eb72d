"""Waiting awake: looking again and again for what will be there within a moment, instead of going to sleep for it.

Who sleeps must be woken, on a core that may sleep too, and that can take longer than a task. But whoever stays awake
needs a core. Between two looks it is offered to others; when somebody has then kept it for long, there is more to do
than there are cores, and staying awake would hold up those for whom one waits: so nobody does for a while.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
CAN_YIELD: Final = hasattr(os, "sched_yield")
KEPT_S = 0.0005
"""Our own processes hand a core on sooner; others keep it for milliseconds."""
REST_S = 0.05


class Vigil:
    """What one process knows of whether it pays to stay awake."""

    __slots__ = ("_not_before",)

    def __init__(self) -> None:
        self._not_before = 0.0

    def look(self, look: Callable[[], T], wait_s: float) -> T | None:
        """What `look` finds within `wait_s`, as soon as it is true; None when it finds nothing, or is not asked."""
        now = time.monotonic()
        if now < self._not_before:
            return None
        until = now + wait_s
        while now < until:
            if found := look():
                return found
            os.sched_yield()
            after = time.monotonic()
            if after - now > KEPT_S:
                self._not_before = after + REST_S
                return None
            now = after
        return None
