"""What leaves when, and in which order; and what may be taken back or sent another way."""

from __future__ import annotations

from itertools import count

import pytest
from cellray.client.outgoing import CALLS_MAX, Outgoing
from cellray.ids import ClientId, ObjectId, TaskId, TemplateId
from cellray.model.fact import DirectCall, DirectCallsMade, ObjectsHeld, TaskFinished, TasksSubmitted
from cellray.model.task import TaskSpec

PARENT = TaskId(b"p" * 16)
FACT = ObjectsHeld([ObjectId(b"o" * 20)])
numbers = count()


def direct_call(*, has_ended: bool = False) -> DirectCall:
    number = next(numbers)
    task_id = TaskId(number.to_bytes(16, "big"))
    end = TaskFinished(task_id, 0.0, 0.0, ()) if has_ended else None
    return DirectCall(ClientId(1), ClientId(2), PARENT, 0.0, task_id, TaskSpec(number, TemplateId(1)), end)


def make() -> Outgoing:
    return Outgoing(lambda: 5.0)


def test_direct_calls_leave_before_all_else_and_tasks_together() -> None:
    outgoing = make()
    first, second = TaskSpec(0, TemplateId(1)), TaskSpec(1, TemplateId(1))
    outgoing.items += [FACT, (PARENT, first), (PARENT, second)]
    call = direct_call()
    outgoing.calls.append(call)
    assert outgoing.take() == [DirectCallsMade([call]), FACT, TasksSubmitted(PARENT, 5.0, [first, second])]
    assert not outgoing.take()


@pytest.mark.parametrize(
    ("items", "under_way", "ended", "now", "all_of_it"),
    [
        (0, 0, 0, False, False),
        (1, 0, 0, True, True),
        (0, 0, 1, False, True),  # the next ones may come along
        (0, 0, CALLS_MAX, True, True),
        (0, 1, 0, True, True),  # who waits may wait for it
        (0, 1, 1, True, True),
    ],
)
def test_when_there_is_something_to_send(items: int, under_way: int, ended: int, now: bool, all_of_it: bool) -> None:
    outgoing = make()
    outgoing.items += [FACT] * items
    outgoing.calls += [direct_call() for _ in range(under_way)] + [direct_call(has_ended=True) for _ in range(ended)]
    assert outgoing.is_due(all_of_it=False) is now
    assert outgoing.is_due(all_of_it=True) is all_of_it


def test_calls_are_old_when_there_have_been_no_others_since_the_last_look() -> None:
    outgoing = make()
    assert not outgoing.has_old_calls()
    outgoing.calls.append(direct_call(has_ended=True))
    assert not outgoing.has_old_calls()
    outgoing.calls.append(direct_call(has_ended=True))
    assert not outgoing.has_old_calls()
    assert outgoing.has_old_calls()


def test_a_lone_task_is_sent_another_way() -> None:
    outgoing = make()
    lone = (PARENT, TaskSpec(0, TemplateId(1)))
    outgoing.items.append(lone)
    assert outgoing.lone_task() is lone
    call = direct_call()
    sent: list[bool] = []
    assert outgoing.divert(lone, call, lambda: True, lambda: sent.append(outgoing.sending.locked()))
    assert sent == [True], "nobody can send what comes after it before it is sent"
    assert not outgoing.items
    assert outgoing.withdraw(call), "the node need not hear that it is under way"
    assert not outgoing.calls


def test_a_task_that_is_not_alone_any_more_goes_the_usual_way() -> None:
    outgoing = make()
    lone = (PARENT, TaskSpec(0, TemplateId(1)))
    outgoing.items += [lone, FACT]
    assert outgoing.lone_task() is None
    assert not outgoing.divert(lone, direct_call(), lambda: True, lambda: pytest.fail("it was sent"))
    assert len(outgoing.items) == 2
    outgoing.items.clear()
    assert outgoing.lone_task() is None
    outgoing.items.append(FACT)
    assert outgoing.lone_task() is None, "a fact"


def test_a_task_that_cannot_be_sent_stays() -> None:
    outgoing = make()
    lone = (PARENT, TaskSpec(0, TemplateId(1)))
    outgoing.items.append(lone)

    def broken() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        outgoing.divert(lone, direct_call(), lambda: True, broken)
    assert list(outgoing.items) == [lone]
    assert not outgoing.calls


def test_what_was_told_is_not_withdrawn() -> None:
    outgoing = make()
    call = direct_call()
    outgoing.calls.append(call)
    outgoing.take()
    assert not outgoing.withdraw(call)


def test_a_task_that_may_not_go_another_way_stays() -> None:
    outgoing = make()
    lone = PARENT, TaskSpec(0, TemplateId(1))
    outgoing.items.append(lone)
    assert not outgoing.divert(lone, direct_call(), lambda: False, lambda: pytest.fail("it was sent"))
    assert outgoing.lone_task() is lone
    assert not outgoing.calls


def test_a_task_for_which_the_other_way_has_failed_goes_first_unless_the_node_has_heard_of_it() -> None:
    outgoing, call = make(), direct_call()
    lone = PARENT, TaskSpec(0, TemplateId(1))
    outgoing.items.append(lone)
    assert outgoing.divert(lone, call, lambda: True, lambda: None)
    outgoing.items.append(FACT)
    outgoing.recall(lone, call)
    assert outgoing.take() == [TasksSubmitted(PARENT, 5.0, [lone[1]]), FACT]
    outgoing.calls.append(call)
    assert outgoing.take() == [DirectCallsMade([call])]
    outgoing.recall(lone, call)
    assert not outgoing.take()


def test_what_follows_from_a_call_that_begins_at_this_moment_does_not_leave_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outgoing, call = make(), direct_call()

    def begin() -> list[DirectCall]:
        outgoing.calls.append(call)  # too late to be taken along
        outgoing.items.append(FACT)
        return []

    take_calls = outgoing._take_calls
    monkeypatch.setattr(outgoing, "_take_calls", begin)
    assert outgoing.take() == []
    monkeypatch.setattr(outgoing, "_take_calls", take_calls)
    assert outgoing.take() == [DirectCallsMade([call]), FACT]
