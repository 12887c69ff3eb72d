"""The core's questions to the log: what waits is looked up together, and each is answered with its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator

from cellray.errors import GcsUnavailableError
from cellray.ids import ObjectId, TaskId
from cellray.model.history import HistoryFound, TaskHistory, Told
from cellray.model.task import TaskSpec
from cellray.node.history_desk import HistoryDesk


class Written:
    """A log of which everything can be read at once."""

    last_sequence = 0

    async def written(self, sequence: int) -> None:
        """At once."""


class Past:
    """Knows the tasks whose ids are even, and answers when it may."""

    def __init__(self) -> None:
        self.asked: list[list[TaskId]] = []
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()

    def find(self, task_ids: Iterable[TaskId]) -> dict[TaskId, TaskHistory]:
        self.asked.append(list(task_ids))
        self.is_asked.set()
        self.may_answer.wait(10)
        if self.asked[-1] == [task(99)]:
            raise GcsUnavailableError("it is away")
        if self.asked[-1] == [task(98)]:
            raise OverflowError("a bug")
        spec = TaskSpec(0, 0)  # type: ignore[arg-type]
        return {
            each: TaskHistory(each, each, spec, None, None, 1, 0.0, ()) for each in self.asked[-1] if not each[0] % 2
        }

    def find_puts(self, object_ids: Iterable[ObjectId]) -> dict[ObjectId, tuple[Told, ...]]:
        return {}

    def iter(self, after: int = 0) -> Iterator[Told]:
        return iter(())

    def close(self) -> None:
        self.may_answer.set()


def task(number: int) -> TaskId:
    return TaskId(bytes([number]) * 16)


async def answers(past: Past, *questions: tuple[TaskId, ...]) -> list[HistoryFound]:
    desk = HistoryDesk(past, Written())  # type: ignore[arg-type]
    found: list[HistoryFound] = []
    all_here = asyncio.Event()

    def report(fact: HistoryFound) -> None:
        found.append(fact)
        if len(found) == len(questions):
            all_here.set()

    desk.report = report
    desk.find(questions[0])
    await asyncio.to_thread(past.is_asked.wait, 10)
    for question in questions[1:]:
        desk.find(question)
    past.may_answer.set()
    await asyncio.wait_for(all_here.wait(), 10)
    desk.close()
    return found


def test_what_waits_is_looked_up_together_and_answered_one_by_one() -> None:
    past = Past()
    questions = (task(2),), (task(4), task(5)), (task(4), task(6))
    found = asyncio.run(answers(past, *questions))
    assert past.asked == [[task(2)], [task(4), task(5), task(6)]]
    assert [fact.task_ids for fact in found] == list(questions)
    assert [list(fact.found) for fact in found] == [[task(2)], [task(4)], [task(4), task(6)]]


def test_a_log_that_cannot_be_read_is_an_answer_too() -> None:
    found = asyncio.run(answers(Past(), (task(99),), (task(2),)))
    assert [(fact.error, list(fact.found)) for fact in found] == [("it is away", []), ("", [task(2)])]
    found = asyncio.run(answers(Past(), (task(98),), (task(2),)))
    assert [list(fact.found) for fact in found] == [[], [task(2)]]
    assert found[0].error == "the event log could not be read (OverflowError: a bug)"
