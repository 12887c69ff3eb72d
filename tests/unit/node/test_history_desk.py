"""The node's look into the past: not before the log is written, never on the loop, an answer to each question."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator

from cellray.clock import SystemClock
from cellray.config import Config
from cellray.errors import GcsUnavailableError
from cellray.gcs.log_buffer import LogBuffer
from cellray.gcs.memory import MemoryLog, MemoryLogWriter
from cellray.ids import NodeId, ObjectId, TaskId
from cellray.model.history import HistoryFound, TaskHistory, Told
from cellray.node.history_desk import HistoryDesk

A, B = TaskId(b"a" * 16), TaskId(b"b" * 16)


class Past:
    """A history that tells how much was written when it was asked, and on which thread."""

    def __init__(self, log: MemoryLog, failure: str = "") -> None:
        self.asked: list[tuple[int, bool]] = []
        self._log = log
        self._failure = failure

    def find(self, task_ids: Iterable[TaskId]) -> dict[TaskId, TaskHistory]:
        self.asked.append((len(self._log.records), threading.current_thread() is threading.main_thread()))
        if self._failure:
            raise GcsUnavailableError(self._failure)
        return {}

    def find_puts(self, object_ids: Iterable[ObjectId]) -> dict[ObjectId, tuple[Told, ...]]:
        return {}

    def iter(self, after: int = 0) -> Iterator[Told]:
        return iter(())

    def last_sequence(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing to close."""


async def answers(past: Past, log: MemoryLog, *questions: tuple[TaskId, ...]) -> list[HistoryFound]:
    """A record is added before each question."""
    buffer = LogBuffer(MemoryLogWriter(log), NodeId("n"), Config(log_flush_ms=60_000), SystemClock())
    buffer.start()
    desk = HistoryDesk(past, buffer)
    told: asyncio.Queue[HistoryFound] = asyncio.Queue()
    desk.report = told.put_nowait
    for question in questions:
        buffer.add(0, b"x", 1)
        desk.find(question)
    found = [await told.get() for _ in questions]
    desk.close()
    await buffer.drain(1.0)
    return found


def test_a_question_waits_until_the_log_is_written_and_the_loop_does_not() -> None:
    log = MemoryLog()
    past = Past(log)
    found = asyncio.run(answers(past, log, (A,), (B, A)))
    assert [each.task_ids for each in found] == [(A,), (B, A)], "in the order of the questions"
    assert past.asked == [(2, False)], "both at once, when both records were written, and on a thread"


def test_a_log_that_cannot_be_read_is_an_answer_too() -> None:
    log = MemoryLog()
    (found,) = asyncio.run(answers(Past(log, "it is away"), log, (A,)))
    assert (found.found, found.error) == ({}, "it is away")
