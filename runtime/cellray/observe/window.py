"""A part of a session's time, and which tasks of a fold belong to it: what exports are limited to."""

from __future__ import annotations

from heapq import nlargest
from math import inf

import msgspec

from cellray.observe.fold import LogFold
from cellray.observe.records import TaskRecord


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """From `start` to `end`, in seconds since the epoch, and of the tasks that ran then the latest `limit`.

    Raises ValueError when there is no time between start and end, or the limit is below 1.
    """

    start: float | None = None
    end: float | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(f"start={self.start} is not before end={self.end}; both are seconds since the epoch")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit={self.limit}: at least 1 task")

    def overlaps(self, started_at: float, ended_at: float) -> bool:
        """Whether something that took from then to then is in the window, at least in part."""
        return started_at <= (self.end or inf) and ended_at >= (self.start or 0.0)

    def choose(self, fold: LogFold) -> tuple[list[TaskRecord], int]:
        """The tasks that ran in the window, in order of submission, and how many more there are that are left out."""
        ran = [
            record
            for record in fold.tasks.values()
            if record.worker is not None
            and record.started_at
            and self.overlaps(record.started_at, record.finished_at or fold.last_at)
        ]
        left_out = fold.folded
        if self.limit is not None and len(ran) > self.limit:
            left_out += len(ran) - self.limit
            latest = nlargest(self.limit, ran, key=lambda record: (record.started_at, record.ordinal))
            ran = sorted(latest, key=lambda record: record.ordinal)
        return ran, left_out
