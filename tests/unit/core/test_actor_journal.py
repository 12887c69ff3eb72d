"""What is kept of an actor's calls, and for how long."""

from __future__ import annotations

import pytest
from cellray.core.actor_journal import REPLAYER, Journal
from cellray.core.clients import Client
from cellray.core.objects import ObjectTable
from cellray.core.outbox import Outbox
from cellray.core.tasks import Task
from cellray.ids import ClientId, ObjectId, TaskId, put_object_id, return_object_id
from cellray.model.actor import Checkpoint
from cellray.model.object import ObjectValue, ValueKind

from tests.unit.core.kit import VALUE, make_task

OWN = return_object_id(TaskId(b"a" * 16), 0)


class Kept:
    """A journal with its objects, which nobody else refers to."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.objects = ObjectTable(0, self.outbox)
        self.driver = Client(ClientId(1))
        self.journal = Journal(OWN, self.objects)
        self.put(OWN)

    def put(self, object_id: ObjectId) -> ObjectId:
        self.objects.put(object_id, VALUE, self.driver, 0.0)
        return object_id

    def call(self, index: int, *arguments: ObjectId) -> Task:
        task = make_task(index, contained=(OWN, *arguments))
        task.pinned = self.objects.pin(task.spec.contained)
        self.journal.ended(task)
        for entry in task.pinned:
            self.objects.unpin(entry)
        return task

    def checkpoint(self, file: str = "", contained: tuple[ObjectId, ...] = ()) -> list[str]:
        state = ObjectValue(ValueKind.INLINE, b"", contained=contained)
        return self.journal.keep(Checkpoint(self.journal.position, TaskId(b"c" * 16), state, file))

    def let_go(self, *object_ids: ObjectId) -> None:
        for object_id in object_ids:
            self.objects.release(object_id, self.driver)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def argument(number: int) -> ObjectId:
    return put_object_id(TaskId(b"r" * 16), number)


def test_arguments_are_kept_until_a_second_checkpoint_after_their_call(kept: Kept) -> None:
    given = kept.put(argument(0))
    kept.call(0, given)
    kept.let_go(given)
    assert given in kept.objects.entries
    kept.checkpoint()
    assert given in kept.objects.entries, "the first checkpoint may be of no use"
    kept.call(1)
    kept.checkpoint()
    assert given not in kept.objects.entries
    assert not list(kept.journal.entries())


def test_the_actor_is_not_kept_by_its_own_journal(kept: Kept) -> None:
    kept.call(0)
    kept.checkpoint(contained=(OWN,))
    kept.let_go(OWN)
    assert OWN not in kept.objects.entries


def test_calls_since_a_checkpoint_are_those_after_it(kept: Kept) -> None:
    calls = [kept.call(index).task_id for index in range(5)]
    assert kept.journal.since(0) == calls
    assert kept.journal.since(3) == calls[3:]
    kept.checkpoint()
    last = kept.call(5).task_id
    assert kept.journal.since(5) == [last]
    assert kept.journal.reaches_constructor
    kept.checkpoint()
    assert not kept.journal.reaches_constructor
    assert (kept.journal.calls, kept.journal.since(5)) == (6, [last])


def test_a_call_that_runs_again_is_no_new_one(kept: Kept) -> None:
    call = kept.call(0)
    kept.journal.position = 0
    again = Task(call.task_id, call.spec, call.template, REPLAYER, call.job, None, 1, 0.0, ())
    kept.journal.ended(again)
    assert (kept.journal.position, kept.journal.calls) == (1, 1)


def test_files_of_superseded_checkpoints_are_named(kept: Kept) -> None:
    assert kept.checkpoint("before") == []
    kept.call(0)
    assert kept.checkpoint("one") == []
    assert kept.checkpoint("one again") == ["one"], "of the same number of calls the later one stays"
    assert kept.checkpoint("one again") == [], "it was written over"
    kept.call(1)
    assert kept.checkpoint("two") == ["before"]
    assert kept.journal.give_up_newest() == ["two"]


def test_what_a_call_submitted_is_known_by_the_last_index(kept: Kept) -> None:
    task = make_task(0)
    child = return_object_id(TaskId(b"x" * 16), 0)
    kept.put(child)
    kept.journal.submitted(task, [(0, [child]), (2, [])])
    kept.let_go(child)
    assert [kept.journal.has_submitted(task, index) for index in range(4)] == [True, True, True, False]
    assert child in kept.objects.entries
    kept.journal.close()
    assert child not in kept.objects.entries


def test_a_closed_journal_keeps_nothing(kept: Kept) -> None:
    first, second = kept.put(argument(0)), kept.put(argument(1))
    kept.call(0, first)
    kept.checkpoint(contained=(second,))
    kept.let_go(first, second)
    assert {first, second} <= set(kept.objects.entries)
    kept.journal.close()
    assert set(kept.objects.entries) == {OWN}
