"""The event log in memory: the same rules as on Redis, for tests and the simulator.

log = MemoryLog()
writer, reader = MemoryLogWriter(log), MemoryLogReader(log)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from enum import Enum

from cellray.errors import GcsUnavailableError
from cellray.gcs.log_records import check_consecutive, lost_records
from cellray.ports import LogRecord


class Outage(Enum):
    """How a `MemoryLog` can be made to fail."""

    NONE = "none"
    REFUSES = "refuses"
    """Nothing is written and nothing can be read."""
    LOSES_ANSWERS = "loses answers"
    """Writes happen, but the writer is told that they failed."""


class MemoryLog:
    """What writer and readers share. `records[i]` has the sequence i + 1."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.index: dict[bytes, set[int]] = {}
        self.changed = threading.Condition()
        self.outage = Outage.NONE

    def set_outage(self, outage: Outage) -> None:
        """From now on fail in this way."""
        with self.changed:
            self.outage = outage
            self.changed.notify_all()


class MemoryLogWriter:
    """`ports.LogWriter` on a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def append(self, records: Sequence[LogRecord]) -> None:
        """See `ports.LogWriter` and `RedisLogWriter.append`."""
        if not records:
            return
        check_consecutive(records)
        with self._log.changed:
            if self._log.outage is Outage.REFUSES:
                raise _unavailable()
            last = len(self._log.records)
            if records[0].sequence > last + 1:
                raise lost_records("memory", last, records[0].sequence)
            for record in records:
                for key in record.keys:
                    self._log.index.setdefault(key, set()).add(record.sequence)
            self._log.records += (record._replace(keys=()) for record in records if record.sequence > last)
            self._log.changed.notify_all()
            if self._log.outage is Outage.LOSES_ANSWERS:
                raise _unavailable()

    async def close(self) -> None:
        """Nothing to close."""


class MemoryLogReader:
    """`ports.LogReader` on a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._closed = False

    def read(self, after: int, limit: int) -> list[LogRecord]:
        """See `ports.LogReader`."""
        with self._log.changed:
            self._check()
            return self._log.records[max(after, 0) : max(after, 0) + limit]

    def find(self, keys: Sequence[bytes], *, first_only: bool = False) -> list[LogRecord]:
        """See `ports.LogReader`."""
        with self._log.changed:
            self._check()
            found: set[int] = set()
            for key in keys:
                sequences = sorted(self._log.index.get(key, ()))
                found.update(sequences[:1] if first_only else sequences)
            return [self._log.records[sequence - 1] for sequence in sorted(found)]

    def wait(self, after: int, timeout_s: float) -> bool:
        """See `ports.LogReader`."""
        deadline = time.monotonic() + timeout_s
        with self._log.changed:
            while not self._closed and len(self._log.records) <= after:
                if not self._log.changed.wait(max(deadline - time.monotonic(), 0.0)):
                    return False
            return not self._closed

    def last_sequence(self) -> int:
        """See `ports.LogReader`."""
        with self._log.changed:
            self._check()
            return len(self._log.records)

    def close(self) -> None:
        """See `ports.LogReader`."""
        with self._log.changed:
            self._closed = True
            self._log.changed.notify_all()

    def _check(self) -> None:
        if self._closed:
            raise GcsUnavailableError("this reader of the event log is closed")
        if self._log.outage is Outage.REFUSES:
            raise _unavailable()


def _unavailable() -> GcsUnavailableError:
    return GcsUnavailableError("the event log in memory was told to fail")
