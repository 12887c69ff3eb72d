"""What a fold's facts changed since somebody last looked: the one dirty set behind every live view."""

from __future__ import annotations

from cellray.ids import ObjectId, TaskId
from cellray.observe.records import ObjectRecord, TaskRecord

REMOVED_MAX = 20_000
"""More removals than this between two looks are not listed: `overflow` is set, and views begin anew."""


class Changes:
    """Records that changed (each once, in order of first change) and ids that left the fold's detail.

    `groups_folded` are the groups of tasks that left: they may have changed before, and no record says so any more.
    """

    __slots__ = ("groups_folded", "objects", "overflow", "removed", "tasks")

    def __init__(self) -> None:
        self.tasks: dict[TaskRecord, None] = {}
        self.objects: dict[ObjectId, ObjectRecord] = {}
        self.groups_folded: set[int] = set()
        self.removed: list[TaskId | ObjectId] = []
        self.overflow = False

    def __bool__(self) -> bool:
        return bool(self.tasks or self.objects or self.removed or self.overflow)

    def forget_task(self, record: TaskRecord) -> None:
        """The task is no longer kept in detail."""
        self.tasks.pop(record, None)
        self.groups_folded.add(record.group)
        self._remove(record.task_id)

    def forget_object(self, object_id: ObjectId) -> None:
        """The object is no longer kept in detail."""
        self.objects.pop(object_id, None)
        self._remove(object_id)

    def _remove(self, key: TaskId | ObjectId) -> None:
        if self.overflow:
            return
        self.removed.append(key)
        if len(self.removed) > REMOVED_MAX:
            self.removed.clear()
            self.overflow = True
