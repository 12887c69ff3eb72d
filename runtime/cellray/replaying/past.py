"""What an event log tells of tasks and objects, each asked once: how a task ended, what an object's value was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cellray.core.outcome import outputs_of, value_of
from cellray.ids import (
    ActorId,
    JobId,
    ObjectId,
    TaskId,
    TemplateId,
    child_task_id,
    children_prefix,
    is_put,
    producer_of,
    return_object_ids,
    short_task_id,
)
from cellray.model.fact import (
    JobStarted,
    ObjectSealed,
    ObjectsFreed,
    TasksSubmitted,
    TemplateRegistered,
)
from cellray.model.history import TaskHistory, Told
from cellray.model.object import ObjectValue
from cellray.model.task import Cell, TaskTemplate

if TYPE_CHECKING:
    from cellray.observe.log import Log


class Past:
    """One log, as replays read it."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._tasks: dict[TaskId, TaskHistory] = {}
        self._puts: dict[ObjectId, tuple[Told, ...]] = {}
        self._jobs: list[JobStarted] | None = None

    def task(self, task_id: TaskId) -> TaskHistory | None:
        """All of one task; None when the log does not know it."""
        self.fetch([task_id])
        return self._tasks.get(task_id)

    def fetch(self, task_ids: Iterable[TaskId]) -> None:
        """Read of these tasks at once what will be asked."""
        missing = [task_id for task_id in task_ids if task_id not in self._tasks]
        if missing:
            self._tasks.update(self.log.history.find(missing))

    def value(self, obj: ObjectId) -> ObjectValue | None:
        """What an object was, as far as the log keeps it; None when it was never made, as far as the log tells."""
        if is_put(obj):
            sealed = (told.fact.value for told in self._facts_of_put(obj) if isinstance(told.fact, ObjectSealed))
            return next(sealed, None)
        history = self.task(producer_of(obj))
        return value_of(history, obj) if history is not None else None

    def was_freed(self, obj: ObjectId) -> bool:
        """Whether the node let go of the object."""
        history = None if is_put(obj) else self.task(producer_of(obj))
        facts = history.facts if history is not None else self._facts_of_put(obj)
        return any(isinstance(told.fact, ObjectsFreed) and obj in told.fact.object_ids for told in facts)

    def job_of(self, root: TaskId) -> tuple[JobId, str] | None:
        """The job of a driver's root task, and its namespace."""
        if self._jobs is None:
            self._jobs = [told.fact for told in self.log.history.iter() if isinstance(told.fact, JobStarted)]
        for job in self._jobs:
            if job.root_task_id == root:
                return job.job_id, job.namespace or root.hex()
        return None

    def named_actor(self, name: str, namespace: str) -> tuple[ActorId, TaskTemplate] | None:
        """The latest creation of an actor of this name; an empty namespace is any."""
        templates: dict[TemplateId, TaskTemplate] = {}
        found = None
        for told in self.log.history.iter():
            fact = told.fact
            if isinstance(fact, TemplateRegistered):
                actor = fact.template.actor
                if actor is not None and actor.name == name and namespace in ("", actor.namespace):
                    templates[fact.template.template_id] = fact.template
            elif isinstance(fact, TasksSubmitted) and templates:
                for spec in fact.tasks:
                    if spec.template_id in templates:
                        creation = child_task_id(children_prefix(fact.parent_id), spec.index)
                        found = ActorId(creation), templates[spec.template_id]
        return found

    def _facts_of_put(self, obj: ObjectId) -> tuple[Told, ...]:
        if not is_put(obj):
            return ()
        if obj not in self._puts:
            self._puts[obj] = self.log.history.find_puts([obj]).get(obj, ())
        return self._puts[obj]


def items_of(history: TaskHistory) -> list[tuple[ObjectId, ObjectValue]]:
    """What a generator yielded, in order and each once."""
    returns = set(returns_of(history))
    return [(obj, value) for obj, value in sorted(outputs_of(history).items()) if obj not in returns]


def returns_of(history: TaskHistory) -> list[ObjectId]:
    """The objects that a task returns."""
    return return_object_ids(history.task_id, history.template.num_returns if history.template is not None else 1)


def name_of(history: TaskHistory) -> str:
    """For people: `rollout (task 5f2a9c1e-17, cell In [4], line 3)`."""
    cell = history.template.cell if history.template is not None else None
    name = history.template.name if history.template is not None else "a task"
    return f"{name} (task {short_task_id(history.task_id)}{cell_text(cell)})"


def cell_text(cell: Cell | None) -> str:
    """Where it was submitted, if that was in a notebook."""
    if cell is None:
        return ""
    return f", cell In [{cell.execution_count}]" + (f", line {cell.line}" if cell.line else "")


def is_anonymous(history: TaskHistory) -> bool:
    """Whether the function only carries out what its arguments say, as the one that runs a notebook cell."""
    return history.function is not None and not history.function.name


def hidden_modules(history: TaskHistory) -> list[str]:
    """Modules whose frames users need not see, besides those of this package: that of an anonymous function."""
    function = history.function
    return [function.module] if function is not None and not function.name else []
