"""One run as a log tells it, its tasks named by their way from their driver, so that two runs can be laid side by side.

Ids are deterministic below a driver's root task, and that differs from session to session: a task's path is the number
of its driver in the log, and then the indices of the submissions that lead to it. In everything that is compared, ids
are replaced by paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from cellray.ids import PUT_INDEX_BASE, ObjectId, TaskId, child_task_id, producer_of, return_index_of
from cellray.model import fact as told
from cellray.model.about import prefix_of
from cellray.model.actor import actor_of_call
from cellray.model.history import Told
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.task import Function, TaskSpec, TaskTemplate

Path = tuple[int, ...]
"""`(0, 3, 1)`: the second submission of the fourth submission of the first driver."""
Seen = tuple[object, ...]
"""What two runs must agree on."""


class RunTask(msgspec.Struct, eq=False):
    """One task of a run. `returned` and `yielded` are its values, comparable.

    `inputs` are its arguments as bytes; `sources` the tasks and puts that its other arguments come from. Times are 0
    while unknown.
    """

    path: Path
    task_id: TaskId
    name: str
    function: str
    code: Seen
    source: str
    inputs: Seen
    sources: tuple[tuple[Path | None, int], ...]
    submitted_at: float
    order: int
    started_at: float = 0.0
    finished_at: float = 0.0
    state: str = "unfinished"
    returned: tuple[Seen, ...] = ()
    yielded: tuple[Seen, ...] = ()
    error: str = ""
    before: Path | None = None

    @property
    def made(self) -> tuple[Seen, ...]:
        """Everything that came of it."""
        return self.yielded + self.returned

    @property
    def duration_s(self) -> float | None:
        """Of the last attempt, when it ran and ended."""
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None


class Run:
    """All tasks of a log by path, in order of submission, and what was stored with `put`, by path and number."""

    def __init__(self, facts: Iterable[Told]) -> None:
        self.tasks: dict[Path, RunTask] = {}
        self.puts: dict[tuple[Path, int], Seen] = {}
        self._drivers = 0
        self._paths: dict[TaskId, Path] = {}
        self._functions: dict[bytes, Function] = {}
        self._templates: dict[int, TaskTemplate] = {}
        self._last_calls: dict[bytes, Path] = {}
        self._actors: dict[TaskId, bytes] = {}
        handlers: dict[type, Callable[[Any], None]] = {
            told.JobStarted: self._on_job_started,
            told.FunctionRegistered: self._on_function_registered,
            told.TemplateRegistered: self._on_template_registered,
            told.TasksSubmitted: self._on_tasks_submitted,
            told.TasksDispatched: self._on_tasks_dispatched,
            told.TaskFinished: self._on_task_finished,
            told.TaskFailed: self._on_task_failed,
            told.TaskCancelled: self._on_task_cancelled,
            told.ItemsYielded: self._on_items_yielded,
            told.ObjectSealed: self._on_object_sealed,
        }
        for each in facts:
            handler = handlers.get(type(each.fact))
            if handler is not None:
                handler(each.fact)

    def _on_job_started(self, fact: told.JobStarted) -> None:
        if fact.root_task_id not in self._paths:
            self._paths[fact.root_task_id] = (self._drivers,)
            self._drivers += 1

    def _on_function_registered(self, fact: told.FunctionRegistered) -> None:
        self._functions[fact.function.function_hash] = fact.function

    def _on_template_registered(self, fact: told.TemplateRegistered) -> None:
        self._templates[fact.template.template_id] = fact.template

    def _on_tasks_submitted(self, fact: told.TasksSubmitted) -> None:
        parent, prefix = self._paths.get(fact.parent_id), prefix_of(fact.parent_id)
        if parent is None:
            return  # of a driver that the log does not know: nothing of it has a place
        for spec in fact.tasks:
            task_id, path = child_task_id(prefix, spec.index), (*parent, spec.index)
            if path not in self.tasks:
                self._paths[task_id] = path
                self.tasks[path] = self._task(task_id, path, spec, fact.at)

    def _task(self, task_id: TaskId, path: Path, spec: TaskSpec, at: float) -> RunTask:
        template = self._templates.get(spec.template_id)
        function = self._functions.get(template.function_hash) if template is not None else None
        name = template.name if template is not None else "unknown"
        if template is not None and template.method:
            self._actors[task_id] = actor_of_call(spec.contained)
        elif template is not None and template.actor is not None:
            self._actors[task_id] = task_id
        return RunTask(
            path=path,
            task_id=task_id,
            name=name,
            function=function.name if function is not None and function.name else name,
            code=(template.function_hash, template.method) if template is not None else (),
            source=function.source if function is not None else "",
            inputs=(self._without_ids(spec.args, spec.contained), len(spec.dependencies)),
            sources=tuple(self._source(dependency) for dependency in spec.dependencies),
            submitted_at=at,
            order=len(self.tasks),
        )

    def _on_tasks_dispatched(self, fact: told.TasksDispatched) -> None:
        for task_id in fact.task_ids:
            actor, path = self._actors.get(task_id), self._paths.get(task_id)
            if actor is not None and path is not None:
                task = self.tasks[path]
                task.before = task.before or self._last_calls.get(actor)
                self._last_calls[actor] = path

    def _on_task_finished(self, fact: told.TaskFinished) -> None:
        task = self._known(fact.task_id)
        if task is not None:
            task.started_at, task.finished_at, task.state = fact.started_at, fact.finished_at, "finished"
            task.returned, task.error = tuple(self._seen(value) for value in fact.values), ""

    def _on_task_failed(self, fact: told.TaskFailed) -> None:
        task = self._known(fact.task_id)
        if task is not None and not fact.will_retry:
            task.started_at, task.finished_at, task.state = fact.started_at, fact.finished_at, "failed"
            task.error = fact.summary

    def _on_task_cancelled(self, fact: told.TaskCancelled) -> None:
        task = self._known(fact.task_id)
        if task is not None:
            task.finished_at, task.state, task.error = fact.at, "cancelled", fact.reason

    def _on_items_yielded(self, fact: told.ItemsYielded) -> None:
        task = self._known(fact.task_id)
        if task is not None and fact.index == len(task.yielded):  # else an attempt that yields them once more
            task.yielded += tuple(self._seen(value) for value in fact.values)

    def _on_object_sealed(self, fact: told.ObjectSealed) -> None:
        path = self._paths.get(producer_of(fact.object_id))
        if path is not None:
            self.puts[path, return_index_of(fact.object_id)] = self._seen(fact.value)

    def _known(self, task_id: TaskId) -> RunTask | None:
        path = self._paths.get(task_id)
        return self.tasks.get(path) if path is not None else None

    def _source(self, object_id: ObjectId) -> tuple[Path | None, int]:
        return self._paths.get(producer_of(object_id)), return_index_of(object_id)

    def _seen(self, value: ObjectValue) -> Seen:
        """What of a value is the same in every session: of a large one its digest or, without one, its size."""
        if value.kind == ValueKind.ERROR:
            return ("error",)
        if value.kind == ValueKind.INLINE and value.data:
            return ("inline", self._without_ids(value.data, value.contained))
        return ("large", value.object_bytes, value.digest)

    def _without_ids(self, data: bytes, contained: Iterable[ObjectId]) -> bytes:
        for object_id in contained:
            data = data.replace(object_id, repr(self._source(object_id)).encode())
        return data


def source_of_put(source: tuple[Path | None, int], run: Run) -> Seen | None:
    """What was stored, when an argument comes from a `put`; None for one that a task returned."""
    path, index = source
    if path is None or index < PUT_INDEX_BASE:
        return None
    return run.puts.get((path, index), ("unknown",))
