"""`node/archiver.py`: what it moves from Redis to the archive when something breaks under it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from cellray.config import Config
from cellray.gcs.archive.layout import list_segments
from cellray.gcs.log_tail import LogTail
from cellray.gcs.log_writer import RedisLogWriter
from cellray.ids import SessionId
from cellray.node.archiver import Archiver
from cellray.ports import LogRecord

from tests.fixtures_redis import RedisServer, running_redis
from tests.helpers.archives import KEY, keyed, opened, read_all, records
from tests.helpers.small_disk import files_of_at_most

SESSION = SessionId("archived")
MEMORY_BYTES_MAX = 1024 * 1024
"""Less than an empty server takes: everything is moved at once, in segments of 64 KB."""
RECORDS = 3000
WAIT_S_MAX = 30.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as started:
        yield started


class Lost(set[int]):
    """The sequences that were given up."""

    def note(self, first: int, last: int, why: str) -> None:
        assert why
        self.update(range(first, last + 1))


@asynccontextmanager
async def archiving(
    server: RedisServer, folder: Path, lost: Lost, memory_bytes_max: int = MEMORY_BYTES_MAX
) -> AsyncIterator[RedisLogWriter]:
    """An archiver at work, and what writes to the log that it moves."""
    writer = RedisLogWriter(server.address, SESSION, timeout_s=10)
    tail = LogTail(server.address, SESSION, timeout_s=10)
    config = Config(log_memory_bytes_max=memory_bytes_max)
    archiver = Archiver(tail, folder, config, lost.note, begin=lambda: None)
    work = asyncio.ensure_future(archiver.run())
    try:
        yield writer
        assert not work.done(), work
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        archiver.close()
        await tail.close()
        await writer.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S_MAX):
        while not condition():  # noqa: ASYNC110 - it looks at files that others write
            await asyncio.sleep(0.005)


def archived_to(folder: Path) -> int:
    segments = list_segments(folder) if folder.is_dir() else []
    return segments[-1].last if segments else 0


def test_an_index_damaged_under_the_archiver_costs_no_record(server: RedisServer, tmp_path: Path) -> None:
    lost, folder = Lost(), tmp_path / "archive"

    async def test() -> None:
        async with archiving(server, folder, lost) as log:
            await log.append(keyed(records(1, RECORDS)))
            await until(lambda: archived_to(folder))
            index = folder / "index.sqlite"
            with index.open("r+b") as file:
                file.write(b"no database " * (index.stat().st_size // 12))
            await log.append(keyed(records(RECORDS + 1, 2 * RECORDS)))
            await until(lambda: archived_to(folder) > RECORDS + 500)

    asyncio.run(test())
    assert not lost
    with opened(folder) as reader:
        found = read_all(reader, 1000)
        assert found == records(1, found[-1].sequence)
        assert reader.gaps == []
        assert reader.find([KEY]) == [one for one in records(1, 255) if KEY in keyed([one])[0].keys]


def check_nothing_unsaid(folder: Path, lost: Lost) -> None:
    with opened(folder) as reader:
        found = {one.sequence for one in read_all(reader, 1000)}
    assert not found & lost, "what is there was not given up"
    assert found | lost == set(range(1, max(found) + 1)), "what is not there was said to be given up"


def test_a_disk_that_is_full_costs_what_is_said_and_no_more(server: RedisServer, tmp_path: Path) -> None:
    lost, folder = Lost(), tmp_path / "archive"

    async def test() -> None:
        async with archiving(server, folder, lost) as log:
            await log.append(keyed(records(1, RECORDS)))
            await until(lambda: archived_to(folder))
            with files_of_at_most(4096):
                await log.append(keyed(records(RECORDS + 1, 3 * RECORDS)))
                await until(lambda: lost and max(lost) > RECORDS)
            await log.append(keyed(records(3 * RECORDS + 1, 6 * RECORDS)))
            await until(lambda: archived_to(folder) > 4 * RECORDS)

    asyncio.run(test())
    check_nothing_unsaid(folder, lost)


def test_what_is_in_the_archive_when_the_disk_is_full_is_not_given_up(
    server: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It was archived ahead of the need to trim, and is in Redis still."""
    lost, folder = Lost(), tmp_path / "archive"
    chance = random.Random(1)  # nothing to be packed
    large = [LogRecord(sequence, "n", 1, chance.randbytes(20_000)) for sequence in range(1, 1001)]

    async def test() -> None:
        writer = RedisLogWriter(server.address, SESSION, timeout_s=10)
        await writer.append(large[:100])
        await writer.close()
        tail = LogTail(server.address, SESSION, timeout_s=10)
        used = await tail.used_bytes()
        async with archiving(server, folder, lost, int(used / 0.33)) as log:
            await until(lambda: archived_to(folder) > 70)
            with files_of_at_most(100_000):
                await log.append(large[100:120])
                # For room it gives up all segments but the newest, and then goes on without an archive.
                await until(lambda: caplog.text.count("cannot be written") == 3)
                for start in range(120, 900, 60):
                    await log.append(large[start : start + 60])
                await until(lambda: max(lost) > 120)
            await log.append(large[900:])
            await until(lambda: archived_to(folder) > 700)  # the newest stay in Redis
        await tail.close()

    asyncio.run(test())
    check_nothing_unsaid(folder, lost)
