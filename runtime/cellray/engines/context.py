"""Who submits: the driver's root task, or a task that a worker runs. Ids of children and puts come from here.

A process that does one thing at a time has one context. An actor that runs several calls at a time has one for each of
them, found by the thread or coroutine that asks (`SharedContext`).
"""

from __future__ import annotations

import itertools
import threading
from contextvars import ContextVar

from cellray.ids import PREFIX_BYTES, ObjectId, TaskId, children_prefix, put_object_id
from cellray.model.task import Cell, Function, TaskTemplate

NO_COUNT = itertools.count()
"""Of a task that has neither submitted nor stored anything; nobody counts with it."""
_beginning = threading.Lock()


class SubmitContext:
    """One parent's running counts. A task that runs again counts from zero again, and so makes the same ids.

    One is made for each task that a worker runs, and most tasks submit nothing: what costs is made when it is needed.
    `template` and `function` are None for a driver. `is_cancelled`: somebody asked to cancel the task; `minds_cancel`:
    the task asks about that itself, and is not interrupted therefore.
    """

    __slots__ = ("_indices", "_prefix", "_puts", "function", "is_cancelled", "minds_cancel", "task_id", "template")

    def __init__(self, task_id: TaskId, template: TaskTemplate | None, function: Function | None) -> None:
        self.task_id = task_id
        self.template = template
        self.function = function
        self.is_cancelled = False
        self.minds_cancel = False
        self._prefix = b""
        self._indices = self._puts = NO_COUNT

    @property
    def here(self) -> SubmitContext:
        """The context of whoever asks."""
        return self

    @property
    def cell(self) -> Cell | None:
        """The notebook cell that the task belongs to."""
        return self.template.cell if self.template is not None else None

    def take_child(self) -> tuple[int, TaskId]:
        """The next child's index and id."""
        if not self._prefix:
            self._begin()
        index = next(self._indices)
        task_id: TaskId = self._prefix + index.to_bytes(4, "big")  # type: ignore[assignment]
        return index, task_id

    def take_put(self) -> ObjectId:
        """The next `put` object's id."""
        if self._puts is NO_COUNT:
            self._begin()
        return put_object_id(self.task_id, next(self._puts))

    def _begin(self) -> None:
        """Taking the next number of a count is one step for all threads; they have to be the same counts for all."""
        with _beginning:
            if not self._prefix:
                self._indices, self._puts = itertools.count(), itertools.count()
                self._prefix = children_prefix(self.task_id)

    def index_of(self, task: TaskId) -> int:
        """The index of a child; -1 for any other task."""
        return int.from_bytes(task[PREFIX_BYTES:], "big") if self._prefix and task.startswith(self._prefix) else -1


_here: ContextVar[SubmitContext] = ContextVar("cellray_submit_context")


class SharedContext:
    """Stands for the context of the call that the running thread or coroutine belongs to.

    Coroutines that a call starts inherit it, threads that it starts do not: they belong to the actor's creation.
    """

    __slots__ = ("_creation",)

    def __init__(self, creation: SubmitContext) -> None:
        self._creation = creation

    def enter(self, task_id: TaskId, template: TaskTemplate, function: Function) -> SubmitContext:
        """The running thread or coroutine begins a call; that of the creation has begun before."""
        creation = self._creation
        context = creation if task_id == creation.task_id else SubmitContext(task_id, template, function)
        _here.set(context)
        return context

    @property
    def here(self) -> SubmitContext:
        """The context of whoever asks."""
        return _here.get(self._creation)

    @property
    def task_id(self) -> TaskId:
        """See `SubmitContext`."""
        return self.here.task_id

    @property
    def cell(self) -> Cell | None:
        """See `SubmitContext`."""
        return self.here.cell

    def take_child(self) -> tuple[int, TaskId]:
        """See `SubmitContext`."""
        return self.here.take_child()

    def take_put(self) -> ObjectId:
        """See `SubmitContext`."""
        return self.here.take_put()

    def index_of(self, task: TaskId) -> int:
        """See `SubmitContext`."""
        return self.here.index_of(task)
