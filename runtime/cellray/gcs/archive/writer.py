"""An archive as its one writer has it: takes records in order, closes segments, gives up the oldest when it must.

Whatever kills the writer, the next one finds complete segments and parts: parts are removed, and their records, which
are in Redis still, are written again.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from cellray.errors import LogError
from cellray.gcs.archive.key_index import KeyIndex
from cellray.gcs.archive.layout import (
    INDEX_NAME,
    LOCK_NAME,
    PART_SUFFIX,
    Segment,
    archive_bytes,
    list_segments,
)
from cellray.gcs.archive.segment import SegmentReader, SegmentWriter
from cellray.ports import LogRecord

SEGMENT_BYTES_MAX = 16 * 1024 * 1024
"""Payload of a segment, about: what is written before anything of it can be taken off Redis."""


class ArchiveWriter:
    """`written` is the last sequence in complete segments; records come after it and without gaps of its own making."""

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES_MAX) -> None:
        """Raises BlockingIOError when another process writes this archive, LogError when its index cannot be made,
        OSError when the disk takes nothing."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._segment_bytes = min(segment_bytes, SEGMENT_BYTES_MAX)
        self._open: SegmentWriter | None = None
        self._lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take_lock()
            for part in folder.glob(f"facts-*{PART_SUFFIX}"):
                part.unlink(missing_ok=True)
            self._segments = list_segments(folder)
            self._index = self._open_index()
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def written(self) -> int:
        """The last sequence that is safely in the archive."""
        return self._segments[-1].last if self._segments else 0

    def add(self, record: LogRecord) -> bool:
        """The next record; whether a segment was closed with it. Raises OSError: then all since `written` is to be
        added again."""
        try:
            if self._open is None:
                self._open = SegmentWriter(self.folder, record.sequence)
            self._open.add(record)
            return self._open.payload_bytes >= self._segment_bytes and self.close_segment()
        except OSError:
            self._abandon()
            raise

    def close_segment(self) -> bool:
        """Make what was added a segment; whether there was anything. Raises OSError as `add` does, and LogError when
        the segment is there and the index does not take it: the next writer will see to that."""
        if self._open is None:
            return False
        try:
            segment, keys = self._open.close(), self._open.keys
        except OSError:
            self._abandon()
            raise
        self._open = None
        self._segments.append(segment)
        self._index.add(segment.first, segment.last, keys)
        return True

    def forget_oldest(self) -> Segment | None:
        """Remove the oldest segment, but for the last one there is; which it was."""
        if len(self._segments) < 2:
            return None
        segment = self._segments.pop(0)
        segment.path.unlink(missing_ok=True)
        with suppress(LogError):  # a full disk may be why it goes; the next writer sees to it
            self._index.remove(segment.first)
        return segment

    def total_bytes(self) -> int:
        """What the archive takes on the disk."""
        return archive_bytes(self.folder)

    def close(self) -> None:
        """Without what is not in a closed segment."""
        try:
            self._abandon()
        finally:
            self._index.close()
            os.close(self._lock)

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                error.errno,
                "the archive is being written by another process, which will be done soon",
                str(self.folder),
            ) from None

    def _abandon(self) -> None:
        segment, self._open = self._open, None
        if segment is not None:
            segment.abandon()

    def _open_index(self) -> KeyIndex:
        """With all segments in it and no others; made again when it is damaged."""
        path = self.folder / INDEX_NAME
        try:
            return self._completed(KeyIndex(path, writable=True))
        except LogError:
            path.unlink(missing_ok=True)
            return self._completed(KeyIndex(path, writable=True))

    def _completed(self, index: KeyIndex) -> KeyIndex:
        try:
            known = index.segments()
            for gone in known - {segment.first for segment in self._segments}:
                index.remove(gone)
            for segment in self._segments:
                if segment.first not in known:
                    index.add(segment.first, segment.last, _keys_of(segment))
        except BaseException:
            index.close()
            raise
        return index


def _keys_of(segment: Segment) -> dict[bytes, list[int]]:
    """What the records of a segment are found under; nothing for one that cannot be read."""
    try:
        reader = SegmentReader(segment)
    except LogError:
        return {}
    try:
        return reader.keys()
    finally:
        reader.close()
