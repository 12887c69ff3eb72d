"""Who waits for which objects: a task is ready once everything it depends on exists, and fails with what failed.

Each use of an object in a task's arguments counts, so `f(x, x)` waits twice for x. A task that stopped waiting
(cancelled, failed) stays in the lists of the objects that it waited for and is passed over there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cellray.core import failures
from cellray.core.transitions import WAITING
from cellray.model.object import ObjectValue, ValueKind

if TYPE_CHECKING:
    from cellray.core.objects import ObjectTable
    from cellray.core.tasks import Task

ERROR = ValueKind.ERROR.value


class Settled(NamedTuple):
    """What came of objects that got values: tasks that wait for nothing more, and tasks with the error they inherit."""

    ready: list[Task]
    failed: list[tuple[Task, ObjectValue]]


def attach(task: Task, objects: ObjectTable) -> ObjectValue | None:
    """Let the task keep its arguments alive and wait for those that do not exist; `task.missing` counts them.

    Returns the error that the task inherits instead: that of a dependency that failed, or of one that is lost.
    """
    spec = task.spec
    if not spec.dependencies:
        task.pinned = objects.pin(spec.contained)
        return None
    dependencies = objects.pin(spec.dependencies)
    task.pinned = dependencies + objects.pin(spec.contained) if spec.contained else dependencies
    if len(dependencies) != len(spec.dependencies):
        return failures.object_lost(next(other for other in spec.dependencies if other not in objects.entries))
    for entry in dependencies:
        if entry.value is not None and entry.value.kind >= ERROR:
            return entry.value
    for entry in dependencies:
        if entry.value is None:
            task.missing += 1
            if entry.waiters is None:
                entry.waiters = [task]
            else:
                entry.waiters.append(task)
    return None


def settle(objects: ObjectTable) -> Settled:
    """Tell the tasks that wait for objects that have got values since the last time."""
    settled = Settled([], [])
    for entry in objects.resolved:
        value, waiters = entry.value, entry.waiters
        assert value is not None, "an entry is resolved by its value"
        assert waiters is not None, "an entry is resolved once"
        entry.waiters = None
        for task in waiters:
            if task.state != WAITING:
                continue
            if value.kind >= ERROR:
                settled.failed.append((task, value))
                continue
            task.missing -= 1
            if not task.missing:
                settled.ready.append(task)
    objects.resolved.clear()
    return settled


def argument_values(task: Task) -> tuple[ObjectValue, ...]:
    """The values of the task's dependencies, in the order of its spec. They must exist."""
    values = []
    for entry in task.pinned[: len(task.spec.dependencies)]:
        assert entry.value is not None, "a task is ready only when its dependencies exist"
        values.append(entry.value)
    return tuple(values)
