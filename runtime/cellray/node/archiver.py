"""The archiver process: moves the older part of a session's log from Redis to the archive.

`python -m cellray.node.archiver <session folder>` runs beside a node whose log has grown, and ends with its standard
input. It may be killed at any time: what is in the archive is complete, and nothing is taken off Redis before it is
there. To its standard output it writes a line `forgotten <first> <last> <why>` for what had to be given up.
"""

from __future__ import annotations

import cellray.quick_start  # noqa: F401

# isort: split

import asyncio
import contextlib
import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cellray.config import Config
from cellray.errors import GcsUnavailableError, LogError
from cellray.gcs import redis_server
from cellray.gcs.archive.writer import ArchiveWriter
from cellray.gcs.log_tail import LogTail
from cellray.node.archives import archive_of, begin_archive, keep_within
from cellray.node.settings import SessionFolder
from cellray.ports import LogRecord

log = logging.getLogger("cellray.archiver")
TRIM_ABOVE = 0.4
"""Share of the memory's limit that the log in Redis may take: so much is found without the disk."""
ARCHIVE_ABOVE = 0.3
"""From here on segments are written, ahead of the need to trim."""
GIVE_UP_ABOVE = 0.8
"""From here on records are given up when they cannot be archived."""
SEGMENT_SHARE = 1 / 16
"""Of that limit, at most: the payload of one segment."""
TRIM_BYTES = 1024 * 1024
"""Payload taken off at a time, so that the memory stays level."""
PAUSE_S = 0.1
REDIS_TIMEOUT_S = 10.0


class Archiver:
    """Moves records until it is stopped. `give_up(first, last, why)` is told what had to go without being archived.

    `begin` makes the folder what it must be before anything is written there; it raises OSError.
    """

    def __init__(
        self,
        tail: LogTail,
        folder: Path,
        config: Config,
        give_up: Callable[[int, int, str], None],
        begin: Callable[[], object],
    ) -> None:
        self._tail = tail
        self._config = config
        self._give_up = give_up
        self._begin = begin
        self._folder = folder
        self._writer: ArchiveWriter | None = None
        self._written_last = self._position = self._trimmed = 0
        self._steps: deque[tuple[int, int]] = deque()
        """Last sequences of pieces in Redis that may be trimmed one by one, and their bytes."""
        self._problem = "the archive is switched off (log_archive_bytes_max=0)"
        if config.log_archive_bytes_max:
            self._open_writer()

    async def run(self) -> None:
        """For ever; cancel it."""
        while True:
            try:
                if not await self._step():
                    await asyncio.sleep(PAUSE_S)
            except GcsUnavailableError as error:
                log.warning("the archiver waits: %s", error)
                await asyncio.sleep(PAUSE_S)

    def close(self) -> None:
        """What is not in a closed segment stays in Redis."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._written_last = writer.written
            writer.close()

    @property
    def _written(self) -> int:
        """The last sequence that is safe in the archive, also while nothing more can be written there."""
        return self._writer.written if self._writer is not None else self._written_last

    async def _step(self) -> bool:
        """One piece of work; whether there was any."""
        used, limit = await self._tail.used_bytes(), self._config.log_memory_bytes_max
        if used > TRIM_ABOVE * limit and await self._trim():
            return True
        if used > ARCHIVE_ABOVE * limit and self._writer is not None:
            return await self._archive()
        if used > GIVE_UP_ABOVE * limit:
            return await self._forget()
        return False

    async def _trim(self) -> bool:
        """Take a piece off Redis that is safe in the archive."""
        if self._trimmed >= self._written:
            return False
        if self._steps and self._steps[0][0] <= self._written:
            last, _ = self._steps.popleft()
        else:
            last = self._written
        await self._tail.trim(last)
        self._trimmed = last
        return True

    async def _archive(self) -> bool:
        """Read a piece and add it to the open segment."""
        assert self._writer is not None
        records = await self._tail.read(self._position)
        try:
            for record in records:
                self._position = record.sequence
                self._note_step(record)
                if self._writer.add(record):
                    self._keep_within_quota()
        except OSError as error:
            self._on_disk_problem(error)
        except LogError as error:
            log.warning("%s", error)
            self.close()
            self._open_writer()  # which makes the index anew
        return bool(records)

    def _note_step(self, record: LogRecord) -> None:
        size = len(record.facts)
        if self._steps and self._steps[-1][1] + size <= TRIM_BYTES:
            size += self._steps.pop()[1]
        self._steps.append((record.sequence, size))

    def _keep_within_quota(self) -> None:
        assert self._writer is not None
        config = self._config
        above = keep_within(config.log_archives_max, config.log_archive_bytes_max, self._folder)
        why = f"the logs on disk may take {config.log_archive_bytes_max} bytes (CELLRAY_LOG_ARCHIVE_BYTES_MAX)"
        while above > 0 and (gone := self._writer.forget_oldest()) is not None:
            above = keep_within(config.log_archives_max, config.log_archive_bytes_max, self._folder)
            self._give_up(gone.first, gone.last, why)

    def _on_disk_problem(self, error: OSError) -> None:
        """Make room where that can be done; else go on without an archive until it takes something again."""
        assert self._writer is not None
        log.warning("the archive cannot be written: %s", error)
        self._go_back()
        gone = self._writer.forget_oldest()
        if gone is not None:
            self._give_up(gone.first, gone.last, f"the disk of {self._folder} takes no more ({error.strerror})")
            return
        self._problem = f"the disk of {self._folder} takes no more ({error.strerror})"
        self.close()

    async def _forget(self) -> bool:
        """Take a piece off Redis that could not be archived."""
        records = await self._tail.read(self._trimmed)
        if not records:
            return False
        await self._tail.trim(records[-1].sequence)
        self._trimmed = records[-1].sequence
        self._give_up(records[0].sequence, records[-1].sequence, self._problem)
        if self._config.log_archive_bytes_max:
            self._open_writer()
        return True

    def _open_writer(self) -> None:
        try:
            self._begin()
            self._writer = ArchiveWriter(self._folder, int(SEGMENT_SHARE * self._config.log_memory_bytes_max))
        except (OSError, LogError) as error:
            self._problem = f"the archive cannot be written: {error}"
            log.warning("%s", self._problem)
        self._go_back()

    def _go_back(self) -> None:
        """To what comes after what is in segments: it is read again."""
        self._position = max(self._written, self._trimmed)
        self._steps = deque(step for step in self._steps if step[0] <= self._position)


async def archive_session(session: SessionFolder) -> None:
    """Beside a node, until standard input ends."""
    settings = session.read_settings()
    address = redis_server.address_of(Path(session.path), session.read_token())
    tail = LogTail(address, settings.session_id, timeout_s=REDIS_TIMEOUT_S)
    folder = archive_of(settings.session_id)
    archiver = Archiver(tail, folder, settings.config, _tell_given_up, partial(begin_archive, session))
    work = asyncio.ensure_future(archiver.run())
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.cancel)
    await asyncio.wait([work, ended], return_when=asyncio.FIRST_COMPLETED)
    work.cancel()
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await work
    finally:
        archiver.close()
        await tail.close()


def _tell_given_up(first: int, last: int, why: str) -> None:
    log.warning("records %d to %d of the log are given up: %s", first, last, why)
    print(f"forgotten {first} {last} {why}", flush=True)  # noqa: T201 - what the node reads


def main() -> None:
    """Run in this process."""
    session = SessionFolder(sys.argv[1])
    logging.basicConfig(
        filename=session.log("archiver.log"), level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    began = time.monotonic()
    asyncio.run(archive_session(session))
    log.info("the archiver ends after %.1f s", time.monotonic() - began)


if __name__ == "__main__":
    main()
