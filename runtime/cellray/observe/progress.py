"""How far a cell's tasks, or a set of tasks, have come: counts, rate, time left, and the one line that says so."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cellray.ids import JobId, TaskId
from cellray.observe.fold import LogFold
from cellray.observe.groups import GroupRecord
from cellray.observe.records import CANCELLED, ENDED, FAILED, LOST, RUNNING, STATES, TaskRecord
from cellray.observe.visual.format import count, duration, rate

WINDOW_ENDS_MIN = 3
"""Fewer tasks than this ended within the rate's window: the rate is that of the whole run instead."""


class ProgressReading(msgspec.Struct, frozen=True):
    """Where things stand. `ended` is in whatever way; `folded` of them left the fold before their outcome was read.

    `eta_s` is None while there is no rate, `elapsed_s` runs from the first submission to now or the last end.
    """

    total: int
    ended: int
    running: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    folded: int = 0
    rate_per_s: float = 0.0
    eta_s: float | None = None
    elapsed_s: float = 0.0

    @property
    def done(self) -> bool:
        """Whether there were tasks, and all have ended."""
        return self.total > 0 and self.ended == self.total


class CellProgress:
    """Progress of what a cell submitted (one run of it, with `execution_count`), or of the tasks in `task_ids`.

    `read` is called under the follower's lock.

        progress = CellProgress(follower.fold, cell_id="c1", execution_count=5)
        render_progress(progress.read(clock.now()))    # 37/64 done, 2 running, 1 retried, 8.2/s, 3 s left
    """

    def __init__(
        self,
        fold: LogFold,
        *,
        cell_id: str | None = None,
        execution_count: int | None = None,
        job_id: JobId | None = None,
        task_ids: Iterable[TaskId] | None = None,
    ) -> None:
        if (cell_id is None) == (task_ids is None):
            raise ValueError("progress is either of a cell or of tasks: give cell_id or task_ids")
        self._fold = fold
        self._cell_id = cell_id
        self._execution_count = execution_count
        self._job_id = job_id
        self._set = _TaskSet(fold, task_ids) if task_ids is not None else None

    def read(self, now: float) -> ProgressReading:
        """Where things stand at `now`."""
        if self._set is not None:
            return self._set.read(now)
        return _read_groups([group for group in self._fold.groups if self._matches(group)], now)

    def _matches(self, group: GroupRecord) -> bool:
        cell = group.cell
        if cell is None or cell.cell_id != self._cell_id:
            return False
        if self._execution_count is not None and cell.execution_count != self._execution_count:
            return False
        return self._job_id is None or (group.job is not None and group.job.job_id == self._job_id)


def render_progress(reading: ProgressReading) -> str:
    """One line: `37/64 done, 2 running, 1 retried, 8.2/s, 3 s left`; `64 done in 7.8 s` at the end.

    A state without tasks is not named, a rate only while something runs.
    """
    if not reading.total:
        return "nothing submitted yet"
    parts = [f"{count(reading.ended)}/{count(reading.total)} done"]
    if reading.done:
        parts = [f"{count(reading.total)} done in {duration(reading.elapsed_s)}"]
    for number, word in (
        (reading.running, "running"),
        (reading.failed, "failed"),
        (reading.cancelled, "cancelled"),
        (reading.retried, "retried"),
        (reading.folded, "folded"),
    ):
        if number:
            parts.append(f"{count(number)} {word}")
    if not reading.done and reading.rate_per_s:
        parts.append(rate(reading.rate_per_s))
        if reading.eta_s is not None:
            parts.append(f"{duration(reading.eta_s)} left")
    return ", ".join(parts)


class _TaskSet:
    """Tasks named one by one. Ended ones are tallied once and let go, so that a later folding loses nothing."""

    def __init__(self, fold: LogFold, task_ids: Iterable[TaskId]) -> None:
        self._fold = fold
        self._open = dict.fromkeys(task_ids, False)
        self._total = len(self._open)
        self._counts = [0] * len(STATES)
        self._retried = 0
        self._folded = 0
        self._first_at = 0.0
        self._last_at = 0.0

    def read(self, now: float) -> ProgressReading:
        running = retried = 0
        for task_id, seen in list(self._open.items()):
            record = self._fold.tasks.get(task_id)
            if record is None:
                if seen:
                    self._folded += 1
                    del self._open[task_id]
                continue
            self._open[task_id] = True
            if not self._first_at or record.submitted_at < self._first_at:
                self._first_at = record.submitted_at
            if record.state in ENDED:
                self._tally(record)
            else:
                running += record.state == RUNNING
                retried += record.attempt > 0
        ended = self._total - len(self._open)
        return _reading(
            total=self._total,
            ended=ended,
            running=running,
            failed=self._counts[FAILED] + self._counts[LOST],
            cancelled=self._counts[CANCELLED],
            retried=self._retried + retried,
            folded=self._folded,
            window=(0, 0.0),
            first_at=self._first_at,
            last_at=self._last_at,
            now=now,
        )

    def _tally(self, record: TaskRecord) -> None:
        del self._open[record.task_id]
        self._counts[record.state] += 1
        self._retried += record.attempt > 0
        self._last_at = max(self._last_at, record.finished_at)


def _read_groups(groups: list[GroupRecord], now: float) -> ProgressReading:
    counts = [sum(column) for column in zip(*(group.counts for group in groups), strict=True)] or [0] * len(STATES)
    return _reading(
        total=sum(counts),
        ended=sum(counts[state] for state in ENDED),
        running=counts[RUNNING],
        failed=counts[FAILED] + counts[LOST],
        cancelled=counts[CANCELLED],
        retried=sum(group.retried for group in groups),
        folded=0,
        window=(
            sum(group.ends_lately(now) for group in groups),
            sum(group.rate_per_s(now) for group in groups),
        ),
        first_at=min((group.first_submitted_at for group in groups), default=0.0),
        last_at=max((group.last_ended_at for group in groups), default=0.0),
        now=now,
    )


def _reading(
    *,
    total: int,
    ended: int,
    running: int,
    failed: int,
    cancelled: int,
    retried: int,
    folded: int,
    window: tuple[int, float],
    first_at: float,
    last_at: float,
    now: float,
) -> ProgressReading:
    """`window` is how many ended lately, and at what rate."""
    until = last_at if ended == total else now
    elapsed_s = max(0.0, until - first_at) if first_at else 0.0
    rate_per_s = window[1] if window[0] >= WINDOW_ENDS_MIN else ended / elapsed_s if elapsed_s else 0.0
    return ProgressReading(
        total=total,
        ended=ended,
        running=running,
        failed=failed,
        cancelled=cancelled,
        retried=retried,
        folded=folded,
        rate_per_s=rate_per_s,
        eta_s=(total - ended) / rate_per_s if rate_per_s else None,
        elapsed_s=elapsed_s,
    )
