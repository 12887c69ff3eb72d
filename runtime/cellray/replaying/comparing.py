"""What a replay gives beside what the log says that the task gave."""

from __future__ import annotations

from typing import Any

from cellray.core.outcome import end_of
from cellray.engines.values import error_of
from cellray.errors import TaskError
from cellray.ids import ObjectId, return_object_id
from cellray.model.fact import TaskFailed, TaskFinished
from cellray.model.history import TaskHistory
from cellray.model.object import ObjectValue, ValueKind
from cellray.replaying.past import items_of, returns_of
from cellray.replaying.values import PastValues
from cellray.serialization import first_difference, serialize
from cellray.store import digest_of
from cellray.worker.repeats import difference_between

Divergence = tuple[ObjectId, str]


def divergence_of_value(history: TaskHistory, result: Any, values: PastValues) -> Divergence | None:
    """The first object that is another one now, and where it differs; None when all are as then, or nobody knows."""
    end = end_of(history)
    if isinstance(end, TaskFailed) and end.error.kind == ValueKind.ERROR:
        return return_object_id(history.task_id, 0), f"raised {raised(error_of(end.error))} then, returned now"
    if not isinstance(end, TaskFinished) or history.template is None or history.template.actor is not None:
        return None
    if history.template.stream is not None:
        return _of_items(history, result, values)
    returns = returns_of(history)
    results = [result] if len(returns) == 1 else list(result if returns else ())
    if len(results) != len(returns):
        return returns[0], f"{len(returns)} values != {len(results)} values"
    for obj, before, value in zip(returns, end.values, results, strict=True):
        found = _difference(obj, before, value, values)
        if found is not None:
            return obj, found
    return None


def divergence_of_error(history: TaskHistory, error: BaseException) -> Divergence | None:
    """As `divergence_of_value`, for a replay that has raised."""
    end, obj = end_of(history), return_object_id(history.task_id, 0)
    if isinstance(end, TaskFinished):
        return obj, f"returned then, raised {raised(error)} now"
    if isinstance(end, TaskFailed) and end.error.kind == ValueKind.ERROR:
        before, now = raised(error_of(end.error)), raised(error)
        return (obj, f"raised {before} then, {now} now") if before != now else None
    return None


def raised(error: BaseException) -> str:
    """An exception in one line."""
    cause = error.cause if isinstance(error, TaskError) else error
    return f"{type(cause).__name__}: {cause}".split("\n", 1)[0][:120]


def _of_items(history: TaskHistory, items: list[Any], values: PastValues) -> Divergence | None:
    count = 0
    for (obj, before), value in zip(items_of(history), items, strict=False):
        count += 1
        found = _difference(obj, before, value, values)
        if found is not None:
            return obj, found
    if count < len(items):  # with a reader that left, fewer were wanted then
        return None
    then = len(items_of(history))
    return (return_object_id(history.task_id, 0), f"{then} items != {count} items") if then != count else None


def _difference(obj: ObjectId, before: ObjectValue, value: Any, values: PastValues) -> str | None:
    if before.is_error:
        return None
    is_there, then = values.stored(obj)
    if is_there:
        return first_difference(then, value)
    serialized = serialize(value)
    now = ObjectValue(ValueKind.SHARED, object_bytes=serialized.total_bytes, digest=digest_of(serialized.parts))
    return difference_between(before, value, now)
