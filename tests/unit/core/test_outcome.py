"""What became of a task, read from its history."""

from __future__ import annotations

import pytest
from cellray.core.outcome import end_of, last_attempt, logged_value
from cellray.ids import ClientId, TaskId, item_object_id, put_object_id, return_object_id
from cellray.model import fact as f
from cellray.model.history import TaskHistory, Told
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.task import TaskSpec

from tests.unit.core.kit import F

A = TaskId(b"a" * 16)
WORKER, OTHER, NODE = 2, 3, 0
SMALL = ObjectValue(ValueKind.INLINE, b"v")
SLIM = ObjectValue(ValueKind.INLINE, b"", 0, 5000)
SHARED = ObjectValue(ValueKind.SHARED, b"", 64, 5000)
ERROR = ObjectValue(ValueKind.ERROR, b"e")
SENT = (NODE, f.TasksDispatched(ClientId(WORKER), 0.0, [A]))
RETRIED = (NODE, f.TaskRetried(A, 1, 0.0, "it crashed"))


def finished(*values: ObjectValue) -> f.TaskFinished:
    return f.TaskFinished(A, 0.0, 1.0, values)


FAILED = f.TaskFailed(A, 0.0, 1.0, ERROR, "ValueError: x")


def history(*facts: tuple[int, f.LoggedFact]) -> TaskHistory:
    told = tuple(Told(number, "n", source, 0.0, fact) for number, (source, fact) in enumerate(facts, 1))
    return TaskHistory(A, TaskId(b"r" * 16), TaskSpec(0, F.template_id), F, None, 1, 0.0, told)


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        ((SENT,), None),
        ((SENT, (WORKER, finished(SMALL))), finished(SMALL)),
        ((SENT, (OTHER, finished(SMALL))), None),
        ((SENT, (WORKER, FAILED)), FAILED),
        ((SENT, (WORKER, FAILED), RETRIED), None),
        ((SENT, RETRIED, (WORKER, finished(SMALL))), None),
        ((SENT, (WORKER, f.TasksReturned(ClientId(WORKER), 0.0, [A])), (WORKER, finished(SMALL))), None),
        ((SENT, (NODE, f.TaskCancelled(A, 1.0))), f.TaskCancelled(A, 1.0)),
        (((WORKER, finished(SMALL)),), finished(SMALL)),
    ],
    ids=["runs", "done", "not his", "failed", "retried", "late", "given back", "by the node", "older log"],
)
def test_its_end_is_what_the_core_took_for_it(facts: tuple[tuple[int, f.LoggedFact], ...], end: object) -> None:
    assert end_of(history(*facts)) == end


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        ((SENT, (WORKER, finished(SMALL))), SMALL),
        ((SENT, (WORKER, finished(SLIM))), None),
        ((SENT, (WORKER, finished(SHARED))), None),
        ((SENT, (WORKER, FAILED)), ERROR),
        ((SENT, (WORKER, FAILED), RETRIED), None),
        ((SENT, (WORKER, finished(SMALL)), RETRIED, SENT, (WORKER, FAILED)), SMALL),
    ],
    ids=["small", "slim", "shared", "error", "error of an attempt", "once good"],
)
def test_a_value_is_taken_from_the_log_if_it_is_there(
    facts: tuple[tuple[int, f.LoggedFact], ...], value: ObjectValue | None
) -> None:
    assert logged_value(history(*facts), return_object_id(A, 0)) == value


def test_items_and_stored_values_are_told_apart_from_returns() -> None:
    put = put_object_id(A, 0)
    other = ObjectValue(ValueKind.INLINE, b"w")
    past = history(
        SENT, (WORKER, f.ItemsYielded(A, 0, 0.0, [SLIM, other])), (WORKER, f.ObjectSealed(put, 0.0, other)), RETRIED
    )
    assert logged_value(past, item_object_id(A, 0)) is None
    assert logged_value(past, item_object_id(A, 1)) == other
    assert logged_value(past, item_object_id(A, 2)) is None
    assert logged_value(past, put) == other
    assert logged_value(past, return_object_id(A, 0)) is None
    assert last_attempt(past) == 1
