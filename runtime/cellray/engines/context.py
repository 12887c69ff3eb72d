"""Who submits: the driver's root task, or the task that a worker runs. Ids of children and puts come from here."""

from __future__ import annotations

import threading

from cellray.ids import ObjectId, TaskId, children_prefix, put_object_id
from cellray.model.task import Cell


class SubmitContext:
    """One parent's running counts. A task that runs again counts from zero again, and so makes the same ids."""

    __slots__ = ("_lock", "cell", "next_index", "next_put", "prefix", "task_id")

    def __init__(self, task_id: TaskId, cell: Cell | None) -> None:
        self.task_id = task_id
        self.prefix = children_prefix(task_id)
        self.cell = cell
        self.next_index = 0
        self.next_put = 0
        self._lock = threading.Lock()

    def take_index(self) -> int:
        """The next child's index."""
        with self._lock:
            index = self.next_index
            self.next_index = index + 1
        return index

    def take_put(self) -> ObjectId:
        """The next `put` object's id."""
        with self._lock:
            index = self.next_put
            self.next_put = index + 1
        return put_object_id(self.task_id, index)
