"""What became of a task, by its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.ids import is_put, return_index_of
from cellray.model.fact import ItemsYielded, ObjectSealed, TaskCancelled, TaskFailed, TaskFinished, TaskRetried
from cellray.model.object import ObjectValue, ValueKind

if TYPE_CHECKING:
    from cellray.ids import ObjectId
    from cellray.model.history import TaskHistory

End = TaskFinished | TaskFailed | TaskCancelled


def last_attempt(history: TaskHistory) -> int:
    """The number of the newest attempt, from 0."""
    return max((told.fact.attempt for told in history.facts if isinstance(told.fact, TaskRetried)), default=0)


def end_of(history: TaskHistory) -> End | None:
    """How the task ended; None for one that was under way as far as the log tells."""
    for told in reversed(history.facts):
        if isinstance(told.fact, End):
            return told.fact
        if isinstance(told.fact, TaskRetried):
            return None
    return None


def logged_value(history: TaskHistory, object_id: ObjectId) -> ObjectValue | None:
    """The value itself, if the log has kept it; an error only if there never was another one."""
    found: ObjectValue | None = None
    for told in history.facts:
        if isinstance(told.fact, TaskRetried) and found is not None and found.is_error:
            found = None
            continue
        value = _value_in(told.fact, object_id, history)
        if value is not None and has_bytes(value) and (found is None or not value.is_error):
            found = value
    return found


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
