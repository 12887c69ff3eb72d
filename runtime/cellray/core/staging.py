"""Arguments in shared memory: they are in their places, and stay there, while their task is with a worker.

A task that is about to be given to a worker and has arguments on disk waits once more, until they are read back. They
are its own then (`Block.staged`), but only against other tasks that have not begun: a client that stands still for
want of room may have them moved out again, because tasks that have not begun can wait and those that have cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.core import failures
from cellray.core.arena import align
from cellray.core.dependencies import ERROR
from cellray.core.transitions import WAITING, move

if TYPE_CHECKING:
    from cellray.core.blocks import Block
    from cellray.core.objects import ObjectTable
    from cellray.core.task_table import TaskTable
    from cellray.core.tasks import Task
    from cellray.model.object import ObjectValue


class Staging:
    """Asked by the dispatcher before it gives a task to a worker."""

    def __init__(self, tasks: TaskTable, objects: ObjectTable) -> None:
        self._tasks = tasks
        self._objects = objects
        self.space = objects.space

    @property
    def is_short(self) -> bool:
        """Whether somebody stands still for want of room: nothing should be read ahead then."""
        return bool(self._objects.admission.urgent)

    def pin(self, task: Task, at: float) -> bool:
        """Whether the task, just taken from its queue, may go to a worker: its arguments are pinned then.

        Otherwise it is in state WAITING until they are back in memory, or has failed because they never can be.
        """
        known = self.space.blocks
        entries = task.pinned[: len(task.spec.dependencies)]
        lost = next((entry.value for entry in entries if entry.value is not None and entry.value.kind >= ERROR), None)
        if lost is not None:
            self._refuse(task, lost, "a dependency failed", at)
            return False
        blocks = [known[entry.object_id] for entry in entries if entry.object_id in known]
        if all(block.is_readable for block in blocks):
            self.space.unpin_arguments(task)
            for block in blocks:
                self.space.pin(block)
            task.views = tuple(blocks)
            return True
        self._wait(task, blocks, at)
        return False

    def _wait(self, task: Task, blocks: list[Block], at: float) -> None:
        move(task, WAITING)
        self._tasks.waiting += 1
        if task.views != tuple(blocks):
            self.space.unpin_arguments(task)
            for block in blocks:
                block.staged += 1
            task.views = tuple(blocks)
        for block in blocks:
            if not block.is_readable:
                task.missing += 1
                if block.entry.waiters is None:
                    block.entry.waiters = []
                block.entry.waiters.append(task)
                self._objects.bring_back(block, task.job, at, urgent=False)
        arena_bytes = self.space.arena.arena_bytes
        wanted_bytes = sum(align(block.object_bytes) for block in set(blocks))
        if wanted_bytes > arena_bytes:
            error = failures.arguments_too_large(task.template.spec.name, wanted_bytes, arena_bytes)
            self._tasks.fail(task, error, "its arguments do not fit into shared memory together", at)

    def _refuse(self, task: Task, error: ObjectValue, summary: str, at: float) -> None:
        """The task will not run: an argument was lost on disk after the task had become ready."""
        move(task, WAITING)
        self._tasks.waiting += 1
        task.missing = 1
        self._tasks.fail(task, error, summary, at)
