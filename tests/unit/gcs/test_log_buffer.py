"""`gcs/log_buffer.py`: batching, order and outages, on the log in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from cellray.clock import ManualClock, SystemClock
from cellray.config import Config
from cellray.errors import GcsUnavailableError, InternalError, SessionLostError
from cellray.gcs.log_buffer import RECORD_OVERHEAD_BYTES, WRITE_BYTES_MAX, LogBuffer
from cellray.gcs.memory import MemoryLog, MemoryLogWriter, Outage
from cellray.ids import NodeId
from cellray.ports import LogRecord, LogWriter

NODE = NodeId("node-a")
PATIENT = Config(log_flush_ms=10_000)
"""With which nothing is written for the sake of time."""


class CountingWriter(MemoryLogWriter):
    """Notes the sequences of every write."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__(log)
        self.writes: list[list[int]] = []

    async def append(self, records: Sequence[LogRecord]) -> None:
        self.writes.append([record.sequence for record in records])
        await super().append(records)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the buffer tells nobody but by its state
            await asyncio.sleep(0.001)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Also fails when a task is left over."""

    async def whole() -> None:
        await test()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(whole())


def test_facts_are_written_in_order_within_the_flush_time() -> None:
    async def test() -> None:
        log = MemoryLog()
        buffer = LogBuffer(MemoryLogWriter(log), NODE, Config(log_flush_ms=1), SystemClock())
        buffer.start()
        assert [buffer.add(source, b"%d" % source, 1) for source in range(3)] == [1, 2, 3]
        await until(lambda: buffer.written_sequence == 3)
        buffer.add(7, b"later", 1)
        await until(lambda: buffer.written_sequence == 4)
        assert log.records == [
            LogRecord(1, NODE, 0, b"0"),
            LogRecord(2, NODE, 1, b"1"),
            LogRecord(3, NODE, 2, b"2"),
            LogRecord(4, NODE, 7, b"later"),
        ]
        assert buffer.backlog_bytes == 0
        assert await buffer.drain(1)

    run(test)


def test_a_full_batch_is_written_without_waiting_and_a_rest_in_its_time() -> None:
    async def test() -> None:
        log = MemoryLog()
        writer = CountingWriter(log)
        buffer = LogBuffer(writer, NODE, Config(log_flush_ms=10_000, log_batch_facts_max=10), SystemClock())
        buffer.start()
        for _ in range(25):
            buffer.add(1, b"facts", 4)
        # 100 facts: no write takes more than the record that reaches ten.
        await until(lambda: buffer.written_sequence == 25)
        assert writer.writes == [[i, i + 1, i + 2] for i in range(1, 25, 3)] + [[25]]
        buffer.add(1, b"few", 1)
        await asyncio.sleep(0)
        assert len(log.records) == 25
        assert await buffer.drain(1)
        assert len(log.records) == 26

    run(test)


def test_writes_have_a_limit_in_bytes_too() -> None:
    async def test() -> None:
        log = MemoryLog()
        writer = CountingWriter(log)
        buffer = LogBuffer(writer, NODE, PATIENT, SystemClock())
        buffer.start()
        for _ in range(3):
            buffer.add(1, bytes(WRITE_BYTES_MAX), 1)
        assert await buffer.drain(5)
        assert writer.writes == [[1], [2], [3]]

    run(test)


def test_what_is_added_before_the_start_is_written() -> None:
    async def test() -> None:
        log = MemoryLog()
        buffer = LogBuffer(MemoryLogWriter(log), NODE, PATIENT, SystemClock())
        buffer.add(0, b"early", 1)
        buffer.start()
        await until(lambda: buffer.written_sequence == 1)
        assert await buffer.drain(1)

    run(test)


def test_a_later_buffer_goes_on_where_the_log_ends() -> None:
    async def test() -> None:
        log = MemoryLog()
        for first in (1, 2):
            buffer = LogBuffer(MemoryLogWriter(log), NODE, PATIENT, SystemClock(), first_sequence=first)
            buffer.start()
            assert buffer.add(0, b"x", 1) == first
            assert await buffer.drain(1)
        assert [record.sequence for record in log.records] == [1, 2]

    run(test)


@pytest.mark.parametrize("outage", [Outage.REFUSES, Outage.LOSES_ANSWERS])
def test_an_outage_is_told_once_and_outlasted_without_loss_or_doubling(outage: Outage) -> None:
    async def test() -> None:
        log, clock = MemoryLog(), ManualClock(1000.0)
        told: list[object] = []
        buffer = LogBuffer(
            CountingWriter(log),
            NODE,
            Config(log_flush_ms=1),
            clock,
            on_unavailable=told.append,
            on_available=told.append,
            on_failed=told.append,
        )
        buffer.start()
        buffer.add(1, b"a", 1)
        await until(lambda: buffer.written_sequence == 1)
        log.set_outage(outage)
        buffer.add(1, b"b", 1)
        await until(lambda: buffer.unavailable_since is not None)
        assert buffer.unavailable_since == 1000.0
        for _ in range(10):
            buffer.add(1, b"c", 1)
        clock.advance(2.5)
        log.set_outage(Outage.NONE)
        await until(lambda: buffer.written_sequence == 12)
        assert buffer.unavailable_since is None
        assert [record.facts for record in log.records] == [b"a", b"b"] + [b"c"] * 10
        assert isinstance(told[0], GcsUnavailableError)
        assert told[1:] == [2.5]
        assert await buffer.drain(1)

    run(test)


def test_too_much_held_is_overfull_until_it_is_written() -> None:
    async def test() -> None:
        log = MemoryLog()
        log.set_outage(Outage.REFUSES)
        limit = 10 * (100 + RECORD_OVERHEAD_BYTES)
        buffer = LogBuffer(
            MemoryLogWriter(log), NODE, Config(log_flush_ms=1, log_backlog_bytes_max=limit), SystemClock()
        )
        buffer.start()
        for _ in range(10):
            buffer.add(1, bytes(100), 1)
        await until(lambda: buffer.unavailable_since is not None)
        assert buffer.backlog_bytes == limit
        assert not buffer.is_overfull
        buffer.add(1, b"", 1)
        assert buffer.is_overfull
        log.set_outage(Outage.NONE)
        await until(lambda: buffer.written_sequence == 11)
        assert not buffer.is_overfull
        assert await buffer.drain(1)

    run(test)


class SlowWriter(MemoryLogWriter):
    """Takes a while for each write."""

    async def append(self, records: Sequence[LogRecord]) -> None:
        await asyncio.sleep(0.06)
        await super().append(records)


def test_drain_does_not_give_up_while_it_gets_on() -> None:
    async def test() -> None:
        log = MemoryLog()
        buffer = LogBuffer(SlowWriter(log), NODE, PATIENT, SystemClock())
        buffer.start()
        for _ in range(4):
            buffer.add(1, bytes(WRITE_BYTES_MAX), 1)
        assert await buffer.drain(0.2), "four writes take longer than that together"
        assert len(log.records) == 4

    run(test)


def test_drain_gives_up_at_its_timeout_and_says_so() -> None:
    async def test() -> None:
        log = MemoryLog()
        log.set_outage(Outage.REFUSES)
        buffer = LogBuffer(MemoryLogWriter(log), NODE, PATIENT, SystemClock())
        buffer.start()
        buffer.add(1, b"a", 1)
        assert not await buffer.drain(0.01)

    run(test)


def test_a_log_that_lost_its_tail_is_a_failure_for_good() -> None:
    async def test() -> None:
        log = MemoryLog()
        failures: list[Exception] = []
        buffer = LogBuffer(MemoryLogWriter(log), NODE, Config(log_flush_ms=1), SystemClock(), on_failed=failures.append)
        buffer.start()
        buffer.add(1, b"a", 1)
        await until(lambda: buffer.written_sequence == 1)
        log.records.clear()
        buffer.add(1, b"b", 1)
        await until(lambda: buffer.failure)
        assert isinstance(buffer.failure, SessionLostError)
        assert failures == [buffer.failure]
        assert buffer.is_overfull
        assert not await buffer.drain(5)

    run(test)


def test_a_bug_in_the_writer_is_told_and_not_swallowed() -> None:
    class BrokenWriter(MemoryLogWriter):
        async def append(self, records: Sequence[LogRecord]) -> None:
            raise KeyError("oops")

    async def test() -> None:
        writer: LogWriter = BrokenWriter(MemoryLog())
        buffer = LogBuffer(writer, NODE, Config(log_flush_ms=1), SystemClock())
        buffer.start()
        buffer.add(1, b"a", 1)
        await until(lambda: buffer.failure)
        assert isinstance(buffer.failure, InternalError)
        assert "KeyError('oops')" in str(buffer.failure)
        assert not await buffer.drain(5)

    run(test)


def test_an_idle_buffer_sets_no_timer() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        timers = 0
        call_later = loop.call_later

        def counting(*args: object, **kwargs: object) -> asyncio.TimerHandle:
            nonlocal timers
            timers += 1
            return call_later(*args, **kwargs)  # type: ignore[arg-type]

        loop.call_later = counting  # type: ignore[assignment, method-assign]
        buffer = LogBuffer(MemoryLogWriter(MemoryLog()), NODE, PATIENT, SystemClock())
        buffer.start()
        for _ in range(100):
            await asyncio.sleep(0)
        assert timers == 0
        for _ in range(100):
            buffer.add(1, b"a", 1)
        assert timers == 1
        assert await buffer.drain(1)

    run(test)
