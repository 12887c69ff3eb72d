"""What became of a task, by its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.ids import NODE, ClientId, is_put, item_object_id, return_index_of, return_object_id
from cellray.model.fact import (
    ItemsYielded,
    ObjectSealed,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskRetried,
    TasksDispatched,
    TasksReturned,
)
from cellray.model.object import ObjectValue, ValueKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cellray.ids import ObjectId
    from cellray.model.fact import LoggedFact
    from cellray.model.history import TaskHistory

End = TaskFinished | TaskFailed | TaskCancelled


def last_attempt(history: TaskHistory) -> int:
    """The number of the newest attempt, from 0."""
    return max((told.fact.attempt for told in history.facts if isinstance(told.fact, TaskRetried)), default=0)


def end_of(history: TaskHistory) -> End | None:
    """How the task ended; None for one that was under way as far as the log tells."""
    end: End | None = None
    for fact in _accepted(history):
        if isinstance(fact, End):
            end = fact
        elif isinstance(fact, TaskRetried):
            end = None
    return end


def value_of(history: TaskHistory, object_id: ObjectId) -> ObjectValue | None:
    """What the object was first, perhaps only its size and digest; an error only if there never was another value."""
    return _first(history, object_id, lambda _value: True)


def logged_value(history: TaskHistory, object_id: ObjectId) -> ObjectValue | None:
    """The value itself, if the log has kept it; an error only if there never was another one."""
    return _first(history, object_id, has_bytes)


def outputs_of(history: TaskHistory) -> dict[ObjectId, ObjectValue]:
    """What the task returned and yielded, as it was first."""
    found: dict[ObjectId, ObjectValue] = {}
    for fact in _accepted(history):
        if isinstance(fact, TaskFinished):
            for index, value in enumerate(fact.values):
                found.setdefault(return_object_id(history.task_id, index), value)
        elif isinstance(fact, ItemsYielded):
            for index, value in enumerate(fact.values, fact.index):
                found.setdefault(item_object_id(history.task_id, index), value)
    return found


def _first(history: TaskHistory, object_id: ObjectId, is_wanted: Callable[[ObjectValue], bool]) -> ObjectValue | None:
    found: ObjectValue | None = None
    for fact in _accepted(history):
        if isinstance(fact, TaskRetried) and found is not None and found.is_error:
            found = None
            continue
        value = _value_in(fact, object_id, history)
        if value is None or not is_wanted(value):
            continue
        if not value.is_error:
            return value
        found = value
    return found


def _accepted(history: TaskHistory) -> Iterator[LoggedFact]:
    """The log has what clients say as they say it, also what the core passes over: of what a task yielded, and of its
    end, that is what is said by somebody who did not have the task then."""
    was_sent = any(isinstance(told.fact, TasksDispatched) for told in history.facts)
    worker: ClientId | None = None
    for told in history.facts:
        fact = told.fact
        if isinstance(fact, TasksDispatched):
            worker = fact.worker_id
        elif isinstance(fact, TasksReturned | TaskRetried):
            worker = None
        if not (was_sent and isinstance(fact, End | ItemsYielded)) or told.source in (NODE, worker):
            yield fact


def has_bytes(value: ObjectValue) -> bool:
    """Whether this is the value and not only its size or a place."""
    return value.kind != ValueKind.SHARED and (bool(value.data) or not value.object_bytes)


def _value_in(fact: object, object_id: ObjectId, history: TaskHistory) -> ObjectValue | None:
    if isinstance(fact, ObjectSealed):
        return fact.value if fact.object_id == object_id else None
    if is_put(object_id):
        return None
    index = return_index_of(object_id)
    if isinstance(fact, TaskFinished):
        return fact.values[index] if index < len(fact.values) else None
    if isinstance(fact, TaskFailed) and (history.template is None or index < history.template.num_returns):
        return fact.values[index] if index < len(fact.values) else fact.error
    if isinstance(fact, ItemsYielded) and fact.index < index <= fact.index + len(fact.values):
        return fact.values[index - 1 - fact.index]
    return None
