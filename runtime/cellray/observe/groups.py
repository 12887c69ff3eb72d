"""Totals of many tasks: one `GroupRecord` for each function, run of a cell and job, kept by the fold as facts come.

It is what progress lines and the folded level of detail read, whatever the number of tasks; a task that the fold no
longer keeps in detail stays counted here.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Sequence
from hashlib import blake2b
from statistics import median

import msgspec

from cellray.model.task import Cell
from cellray.observe.messages import CellLabel, TaskGroup
from cellray.observe.nodes import cell_label, task_node
from cellray.observe.records import ENDED, FAILED, FINISHED, STATES, JobRecord, TaskRecord

RATE_WINDOW_S = 5
"""Rates are of the tasks that ended within this time."""
RATE_SPAN_S_MIN = 0.25
"""Shorter spans are taken for this long, so that the first task of all does not look like a million a second."""
SAMPLES_MAX = 255
"""The median duration is that of this many tasks, the latest."""
EXAMPLES_MAX = 5
"""Latest and slowest tasks shown of a group."""

ViewKey = tuple[str, str]
"""Function name and cell id (empty when no cell submitted it): what a view shows as one box."""


class GroupRecord(msgspec.Struct, eq=False):
    """All tasks of one function, submitted by one run of one cell, of one job. `counts` is by state number.

    `folded` of the counted tasks are no longer kept in detail; `retried` were attempted more than once. `slowest`
    holds (seconds, ordinal, task), ascending.
    """

    index: int
    function: str
    cell: Cell | None
    job: JobRecord | None
    counts: list[int] = msgspec.field(default_factory=lambda: [0] * len(STATES))
    folded: int = 0
    retried: int = 0
    busy_s: float = 0.0
    first_submitted_at: float = 0.0
    first_started_at: float = 0.0
    last_ended_at: float = 0.0
    durations_s: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))
    ends_by_second: dict[int, int] = msgspec.field(default_factory=dict)
    latest: deque[TaskRecord] = msgspec.field(default_factory=lambda: deque(maxlen=EXAMPLES_MAX))
    slowest: list[tuple[float, int, TaskRecord]] = msgspec.field(default_factory=list)
    slowest_s_min: float = -1.0

    @property
    def view_key(self) -> ViewKey:
        """The box that shows this group."""
        return self.function, self.cell.cell_id if self.cell is not None else ""

    @property
    def total(self) -> int:
        """Tasks of the group, in any state."""
        return sum(self.counts)

    def note_started(self, record: TaskRecord, at: float) -> None:
        """A task of the group began to run."""
        self.latest.append(record)
        if not self.first_started_at:
            self.first_started_at = at

    def note_ended(self, record: TaskRecord) -> None:
        """A task of the group ended: its state and times are final."""
        at = record.finished_at
        if at > self.last_ended_at:
            self.last_ended_at = at
        second = int(at)
        ends = self.ends_by_second
        if second in ends:
            ends[second] += 1
        else:
            ends[second] = 1
            if len(ends) > 2 * RATE_WINDOW_S:
                for old in [each for each in ends if each < second - RATE_WINDOW_S]:
                    del ends[old]
        if not record.started_at or (record.state != FINISHED and record.state != FAILED):
            return
        seconds = at - record.started_at
        self.busy_s += seconds
        self.durations_s.append(seconds)
        if seconds > self.slowest_s_min:
            self._note_slow(seconds, record)

    def ends_lately(self, now: float) -> int:
        """Tasks ended within the rate's window."""
        since = now - RATE_WINDOW_S
        return sum(count for second, count in self.ends_by_second.items() if since < second <= now)

    def rate_per_s(self, now: float) -> float:
        """Tasks ended a second, lately."""
        ended = self.ends_lately(now)
        if not ended:
            return 0.0
        began = max(self.first_started_at or self.first_submitted_at, now - RATE_WINDOW_S)
        return ended / max(now - began, RATE_SPAN_S_MIN)

    def _note_slow(self, seconds: float, record: TaskRecord) -> None:
        slowest = [entry for entry in self.slowest if entry[2] is not record]
        insort(slowest, (seconds, -record.ordinal, record))
        self.slowest = slowest[-EXAMPLES_MAX:]
        if len(self.slowest) == EXAMPLES_MAX:
            self.slowest_s_min = self.slowest[0][0]


def add_counts(groups: Sequence[GroupRecord]) -> dict[str, int]:
    """Tasks by name of state, those there are."""
    sums = [sum(column) for column in zip(*(group.counts for group in groups), strict=True)]
    return {name: count for name, count in zip(STATES, sums, strict=False) if count}


def ended_count(group: GroupRecord) -> int:
    """Tasks of the group that ended, in whatever way."""
    return sum(group.counts[state] for state in ENDED)


def group_id(key: ViewKey) -> str:
    """A stable id for a box: 16 hexadecimal digits, which no task's or object's id has."""
    return blake2b("\0".join(key).encode(), digest_size=8, person=b"cellray-group").hexdigest()


def task_group(key: ViewKey, members: Sequence[GroupRecord], now: float) -> TaskGroup:
    """The box that shows `members`: the runs of one cell come together, under the number of the latest."""
    durations = [seconds for group in members for seconds in group.durations_s]
    latest = {record: None for group in members for record in group.latest}
    slowest = sorted((entry for group in members for entry in group.slowest), key=lambda entry: entry[:2])
    newest = max(members, key=lambda group: (group.first_submitted_at, group.index))
    label = cell_label(newest.cell)
    return TaskGroup(
        id=group_id(key),
        function=key[0],
        cell=CellLabel(label.cell_id, label.label) if label is not None else None,
        counts=add_counts(members),
        rate_per_s=round(sum(group.rate_per_s(now) for group in members), 3),
        duration_p50_s=median(durations) if durations else None,
        latest=[
            task_node(record)
            for record in sorted(latest, key=lambda record: (-record.started_at, -record.ordinal))[:EXAMPLES_MAX]
        ],
        slowest=[task_node(record) for _, _, record in reversed(slowest[-EXAMPLES_MAX:])],
    )
