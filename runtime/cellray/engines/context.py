"""Who submits: the driver's root task, or the task that a worker runs. Ids of children and puts come from here."""

from __future__ import annotations

import itertools

from cellray.ids import PREFIX_BYTES, ObjectId, TaskId, child_task_id, children_prefix, put_object_id
from cellray.model.task import Cell


class SubmitContext:
    """One parent's running counts. A task that runs again counts from zero again, and so makes the same ids.

    One is made for each task that a worker runs, and most tasks submit nothing: what costs is made when it is needed.
    """

    __slots__ = ("_indices", "_prefix", "_puts", "cell", "task_id")

    def __init__(self, task_id: TaskId, cell: Cell | None) -> None:
        self.task_id = task_id
        self.cell = cell
        self._prefix = b""
        # Taking the next number of a count is one step for all threads.
        self._indices = itertools.count()
        self._puts = itertools.count()

    def take_child(self) -> tuple[int, TaskId]:
        """The next child's index and id."""
        if not self._prefix:
            self._prefix = children_prefix(self.task_id)
        index = next(self._indices)
        return index, child_task_id(self._prefix, index)

    def take_put(self) -> ObjectId:
        """The next `put` object's id."""
        return put_object_id(self.task_id, next(self._puts))

    def index_of(self, task: TaskId) -> int:
        """The index of a child; -1 for any other task."""
        return int.from_bytes(task[PREFIX_BYTES:], "big") if self._prefix and task.startswith(self._prefix) else -1
