"""Looks at the machine's memory a few times a second, and says so while too much of it is in use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from cellray.model.fact import MemoryMeasured
from cellray.ports import Clock
from cellray.store import memory_use, oom_kills

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
KERNEL = "by the kernel"
"""Why a worker ended, as far as it can be told when the kernel ended it."""


class MemoryWatch:
    """`threshold` is a share of the memory there is; with 1 and more, or an interval of 0, nothing is looked at."""

    def __init__(
        self,
        threshold: float,
        refresh_ms: float,
        worker_pids: Callable[[], Iterable[int]],
        report: Callable[[MemoryMeasured], None],
        clock: Clock,
    ) -> None:
        self._threshold = threshold
        self._refresh_s = refresh_ms / 1000
        self._worker_pids = worker_pids
        self._report = report
        self._clock = clock
        self._oom_kills = oom_kills()
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look."""
        if self._threshold < 1 and self._refresh_s > 0:
            self._next = asyncio.get_running_loop().call_later(self._refresh_s, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()

    def has_kernel_killed(self) -> bool:
        """Whether the kernel has killed processes for want of memory since this was asked last."""
        before, self._oom_kills = self._oom_kills, oom_kills()
        return self._oom_kills > before

    def _look(self) -> None:
        used_bytes, total_bytes = memory_use()
        if used_bytes > self._threshold * total_bytes:
            sizes = [(pid, resident_bytes(pid)) for pid in self._worker_pids()]
            self._report(MemoryMeasured(self._clock.now(), used_bytes, total_bytes, sizes))
        self.start()


def resident_bytes(pid: int) -> int:
    """Memory that a process has of its own, pages of shared memory not counted; 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(fields[1]) - int(fields[2])) * PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
