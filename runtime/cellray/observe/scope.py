"""Which tasks a view shows: all, those of a job, of a cell or one run of it, or what led to an object."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

import msgspec

from cellray.ids import TASK_ID_BYTES, JobId, ObjectId, TaskId, child_task_id, producer_of
from cellray.observe.fold import LogFold
from cellray.observe.groups import GroupRecord, add_counts
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

    Ancestors are the nearest `tasks_max`; `dropped` counts those beyond and the tasks that the fold only counts.
    """

    def __init__(self, fold: LogFold, wanted: GraphFilter, tasks_max: int) -> None:
        self._fold = fold
        self._wanted = wanted
        self._tasks_max = tasks_max
        self._groups: list[GroupRecord] = []
        self._inside: set[int] = set()
        self._seen = 0
        self._ancestors: dict[TaskId, None] | None = None
        self._complete = False
        self._beyond = 0
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
        if self._wanted.ancestors_of is not None:
            return self._find_ancestors(self._wanted.ancestors_of)
        for group in fold.groups[self._seen :]:
            if self._matches_group(group):
                self._groups.append(group)
                self._inside.add(group.index)
        self._seen = len(fold.groups)
        return False

    def matches(self, record: TaskRecord) -> bool:
        """Whether a task is inside."""
        if self._ancestors is not None:
            return record.task_id in self._ancestors
        return record.group in self._inside

    def groups(self) -> list[GroupRecord]:
        """The groups inside."""
        return self._groups

    def inside(self, group: int) -> bool:
        """Whether a group is inside."""
        return group in self._inside

    def tasks(self) -> Iterator[TaskRecord]:
        """The tasks inside that the fold keeps in detail, in order of submission."""
        if self._ancestors is None:
            return (record for record in self._fold.tasks.values() if record.group in self._inside)
        known = [self._fold.tasks[each] for each in self._ancestors if each in self._fold.tasks]
        return iter(sorted(known, key=lambda record: record.ordinal))

    def totals(self) -> dict[str, int]:
        """Tasks inside by state, folded ones included."""
        if self._ancestors is None:
            return add_counts(self._groups)
        return dict(Counter(record.state_name for record in self.tasks()))

    def dropped(self) -> int:
        """Tasks inside that cannot be shown one by one."""
        if self._ancestors is None:
            return sum(group.folded for group in self._groups)
        return self._beyond + sum(1 for each in self._ancestors if each not in self._fold.tasks)

    def size(self) -> int:
        """Boxes that showing everything one by one would take; puts count only where all of them are shown."""
        if self._ancestors is not None:
            return len(self._ancestors)
        return sum(group.total for group in self._groups) + (self._fold.ledger.puts if self.whole else 0)

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

    def _find_ancestors(self, start: TaskId | ObjectId) -> bool:
        """Producers of arguments, parents, and what producers had their children make for them.

        A child's result reaches its parent through `get`, which the log has no edge for: all children of a producer
        count. Those of a parent do not, unless it is a producer itself. While the first task runs it may still get
        children; once it ended the answer is final.
        """
        tasks = self._fold.tasks
        first = TaskId(start) if len(start) == TASK_ID_BYTES else producer_of(ObjectId(start))
        if self._ancestors and self._complete:
            return False
        known = self._ancestors or {}
        found: dict[TaskId, None] = {}
        self._beyond = 0
        self._complete = first in tasks and tasks[first].ended
        queue = deque([(first, True)])
        seen = {first}
        while queue:
            task_id, is_producer = queue.popleft()
            record = tasks.get(task_id)
            if record is None:
                continue
            if len(found) < self._tasks_max:
                found[record.task_id] = None
            else:
                self._beyond += 1
            near = [(producer_of(obj), True) for obj in record.dependencies]
            if is_producer:
                near += [(child_task_id(record.prefix, index), True) for index in range(record.index_max + 1)]
            near.append((record.parent_id, False))
            for each in near:
                if each[0] not in seen:
                    seen.add(each[0])
                    queue.append(each)
        self._ancestors = found
        return len(found) > len(known)
