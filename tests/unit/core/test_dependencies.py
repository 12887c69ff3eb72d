"""Who waits for which objects."""

from __future__ import annotations

from cellray.core.clients import Client
from cellray.core.dependencies import argument_values, attach, settle
from cellray.core.objects import ObjectTable
from cellray.core.outbox import Outbox
from cellray.core.transitions import CANCELLED
from cellray.ids import ClientId, ObjectId
from cellray.model.object import ObjectValue, ValueKind, decode_failure

from tests.unit.core.kit import make_task

A, B = (ObjectId(bytes([letter]) * 20) for letter in b"ab")
ONE, TWO = ObjectValue(ValueKind.INLINE, b"1"), ObjectValue(ValueKind.INLINE, b"2")
BAD = ObjectValue(ValueKind.ERROR, b"bad")


def table() -> tuple[ObjectTable, Client]:
    return ObjectTable(0, Outbox()), Client(ClientId(1))


def test_a_task_waits_for_each_use() -> None:
    objects, owner = table()
    first, second = objects.declare(A, owner), objects.declare(B, owner)
    task = make_task(0, dependencies=(A, B, A))
    assert attach(task, objects) is None
    assert task.missing == 3
    objects.seal(first, ONE)
    assert settle(objects) == ([], [])
    assert task.missing == 1
    objects.seal(second, TWO)
    assert settle(objects) == ([task], [])
    assert argument_values(task) == (ONE, TWO, ONE)
    assert (first.refs, second.refs) == (3, 2)


def test_an_error_is_told_once_for_each_use_and_readies_nobody() -> None:
    objects, owner = table()
    first, second = objects.declare(A, owner), objects.declare(B, owner)
    task = make_task(0, dependencies=(A, B))
    attach(task, objects)
    objects.seal(first, BAD)
    objects.seal(second, TWO)
    assert settle(objects) == ([], [(task, BAD)])


def test_an_error_that_is_there_already() -> None:
    objects, owner = table()
    objects.declare(B, owner)
    objects.seal(objects.declare(A, owner), BAD)
    task = make_task(0, dependencies=(B, A))
    assert attach(task, objects) == BAD
    assert task.missing == 0


def test_a_lost_dependency() -> None:
    objects, _ = table()
    error = attach(make_task(0, dependencies=(A,)), objects)
    assert error is not None
    assert decode_failure(error.data).kind == "object_lost"


def test_what_is_nested_is_kept_but_not_waited_for() -> None:
    objects, owner = table()
    first, second = objects.declare(A, owner), objects.declare(B, owner)
    objects.seal(first, ONE)
    task = make_task(0, dependencies=(A,), contained=(B,))
    assert attach(task, objects) is None
    assert task.missing == 0
    assert task.pinned == (first, second)
    assert argument_values(task) == (ONE,)


def test_tasks_that_stopped_waiting_are_passed_over() -> None:
    objects, owner = table()
    entry = objects.declare(A, owner)
    task = make_task(0, dependencies=(A,))
    attach(task, objects)
    task.state = CANCELLED
    objects.seal(entry, ONE)
    assert settle(objects) == ([], [])
