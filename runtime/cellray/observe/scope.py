"""Which tasks a view shows: all, those of a job, of a cell or one run of it, or what led to an object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from cellray.ids import JobId, ObjectId, TaskId
from cellray.observe.ancestry import Ancestry
from cellray.observe.fold import LogFold
from cellray.observe.groups import GroupRecord, add_counts
from cellray.observe.nodes import EdgeKey, edges_into
from cellray.observe.records import TaskRecord


class GraphFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a view is restricted to; several conditions must all hold.

    `execution_count` (with `cell_id`) means one run of the cell. `ancestors_of` is a task's or an object's id: the
    view holds what it was made from, and excludes the other conditions.
    """

    job_id: JobId | None = None
    cell_id: str | None = None
    execution_count: int | None = None
    ancestors_of: TaskId | ObjectId | None = None


class Scope:
    """A filter applied to a fold: the groups and tasks inside, kept up to date by `refresh`.

    Ancestors are those that `Ancestry` finds; `dropped` counts those beyond and the tasks that the fold only counts.
    """

    def __init__(self, fold: LogFold, wanted: GraphFilter, tasks_max: int) -> None:
        self._fold = fold
        self._wanted = wanted
        self._groups: list[GroupRecord] = []
        self._inside: set[int] = set()
        self._seen = 0
        start = wanted.ancestors_of
        self._ancestry = Ancestry(fold, start, tasks_max) if start is not None else None
        self.refresh()

    @property
    def whole(self) -> bool:
        """Whether everything is inside."""
        wanted = self._wanted
        return wanted.ancestors_of is None and wanted.job_id is None and wanted.cell_id is None

    @property
    def has_groups(self) -> bool:
        """Whether groups of the fold are inside as a whole, so that their counts are the scope's."""
        return self._wanted.ancestors_of is None

    def refresh(self) -> bool:
        """Look at what is new in the fold; True when tasks that were known before came inside."""
        fold = self._fold
        if self._ancestry is not None:
            return self._ancestry.refresh()
        for group in fold.groups[self._seen :]:
            if self._matches_group(group):
                self._groups.append(group)
                self._inside.add(group.index)
        self._seen = len(fold.groups)
        return False

    def matches(self, record: TaskRecord) -> bool:
        """Whether a task is inside."""
        if self._ancestry is not None:
            return record.task_id in self._ancestry.tasks
        return record.group in self._inside

    def groups(self) -> list[GroupRecord]:
        """The groups inside."""
        return self._groups

    def inside(self, group: int) -> bool:
        """Whether a group is inside."""
        return group in self._inside

    def tasks(self) -> Iterator[TaskRecord]:
        """The tasks inside that the fold keeps in detail, in order of submission."""
        if self._ancestry is None:
            return (record for record in self._fold.tasks.values() if record.group in self._inside)
        known = [self._fold.tasks[each] for each in self._ancestry.tasks if each in self._fold.tasks]
        return iter(sorted(known, key=lambda record: record.ordinal))

    def totals(self) -> dict[str, int]:
        """Tasks inside by state, folded ones included."""
        if self._ancestry is None:
            return add_counts(self._groups)
        return dict(Counter(record.state_name for record in self.tasks()) + self._ancestry.beyond_states)

    def dropped(self) -> int:
        """Tasks inside that cannot be shown one by one."""
        if self._ancestry is None:
            return sum(group.folded for group in self._groups)
        return self._ancestry.beyond + sum(1 for each in self._ancestry.tasks if each not in self._fold.tasks)

    def size(self) -> int:
        """Boxes that showing everything one by one would take; puts count only where all of them are shown."""
        if self._ancestry is not None:
            return len(self._ancestry.tasks)
        return sum(group.total for group in self._groups) + (self._fold.ledger.puts if self.whole else 0)

    def edges_into(self, record: TaskRecord) -> Iterator[EdgeKey]:
        """Edges that end at a task inside, and one that stands for those of calls which are left out."""
        yield from edges_into(record)
        if self._ancestry is not None and record.task_id in self._ancestry.shortcuts:
            yield "stateful", self._ancestry.shortcuts[record.task_id], record.task_id

    def rate_per_s(self, now: float) -> float:
        """Tasks inside that ended a second, lately."""
        return round(sum(group.rate_per_s(now) for group in self._groups), 3)

    def _matches_group(self, group: GroupRecord) -> bool:
        wanted, cell = self._wanted, group.cell
        if wanted.job_id is not None and (group.job is None or group.job.job_id != wanted.job_id):
            return False
        if wanted.cell_id is None:
            return True
        if cell is None or cell.cell_id != wanted.cell_id:
            return False
        return wanted.execution_count is None or cell.execution_count == wanted.execution_count
