"""Clocks: where time enters. Cores never read one; the shells that feed them do."""

from __future__ import annotations

import time


class SystemClock:
    """Wall clock in seconds since the epoch, as every fact's `at`."""

    now = staticmethod(time.time)
    """Seconds since the epoch."""


class ManualClock:
    """A clock that moves only when told; for tests and the simulator."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def now(self) -> float:
        """Seconds since the epoch, as set."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds` (not negative)."""
        if seconds < 0:
            raise ValueError(f"a clock cannot go back ({seconds} s)")
        self._now += seconds
