"""A log of which the older part lies in an archive and the newer in Redis, read as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cellray.ports import LogReader, LogRecord

if TYPE_CHECKING:
    from cellray.gcs.archive.reader import ArchiveReader, Gap


class WholeLogReader:
    """`ports.LogReader` on both. Redis is asked first, and the archive for what Redis does not have any more: a record
    is taken off Redis only when it is in the archive, so that one which moves meanwhile is met twice rather than never.

    `open_archive` gives the archive, or None while there is none.
    """

    def __init__(self, tail: LogReader, open_archive: Callable[[], ArchiveReader | None]) -> None:
        self._tail = tail
        self._open_archive = open_archive
        self._archive: ArchiveReader | None = None

    @property
    def gaps(self) -> list[Gap]:
        """What is missing of the archived part."""
        return self._archive.gaps if self._archive is not None else []

    def read(self, after: int, limit: int) -> list[LogRecord]:
        """See `ports.LogReader`."""
        after = max(after, 0)
        if self._archive is not None and self._archive.last_sequence() > after:
            # Who is far behind shall not have Redis send what comes much later, again and again.
            archived = self._archive.read(after, limit)
            if archived and archived[0].sequence == after + 1:
                return archived
        records = self._tail.read(after, limit)
        if records and records[0].sequence == after + 1:
            return records
        archive = self._archived()
        if archive is None or archive.last_sequence() <= after:
            return records
        archived = archive.read(after, limit)
        return archived or records

    def find(self, keys: Sequence[bytes], *, first_only: bool = False) -> list[LogRecord]:
        """See `ports.LogReader`."""
        found = {record.sequence: record for record in self._tail.find(keys, first_only=first_only)}
        archive = self._archived()
        if archive is not None and archive.last_sequence():
            found.update((record.sequence, record) for record in archive.find(keys, first_only=first_only))
        return [found[sequence] for sequence in sorted(found)]

    def wait(self, after: int, timeout_s: float) -> bool:
        """See `ports.LogReader`. New records are always in Redis."""
        return self._tail.wait(after, timeout_s)

    def last_sequence(self) -> int:
        """See `ports.LogReader`."""
        last = self._tail.last_sequence()
        if last:
            return last
        archive = self._archived()
        return archive.last_sequence() if archive is not None else 0

    def close(self) -> None:
        """See `ports.LogReader`."""
        self._tail.close()
        if self._archive is not None:
            self._archive.close()

    def _archived(self) -> ArchiveReader | None:
        if self._archive is None:
            self._archive = self._open_archive()
        else:
            self._archive.refresh()
        return self._archive
