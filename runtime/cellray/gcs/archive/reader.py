"""Reads an archive with no runtime: `ports.LogReader` on a folder of segments."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cellray.errors import LogError, LogVersionError
from cellray.gcs.archive.key_index import KeyIndex
from cellray.gcs.archive.layout import INDEX_NAME, Segment, list_segments, read_description
from cellray.gcs.archive.segment import SegmentReader
from cellray.ports import LogRecord

if TYPE_CHECKING:
    import pyarrow as pa

OPEN_SEGMENTS_MAX = 32
GIVEN_UP = "given up, or its segment is missing"
LOOK_PAUSE_S = 0.1


class Gap(NamedTuple):
    """Records that are not to be had: their sequences, first and last, and why."""

    first: int
    last: int
    reason: str


class ArchiveReader:
    """From any thread, one call at a time. What cannot be read is passed over and is in `gaps` afterwards.

    The archive may grow meanwhile. Raises LogError when there is no such folder, LogVersionError for a segment of a
    newer version.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._segments: list[Segment] = []
        self._open: OrderedDict[int, SegmentReader] = OrderedDict()
        self._damaged: dict[int, Gap] = {}
        self._index: KeyIndex | None = None
        self._scanned: dict[bytes, dict[int, list[int]]] | None = None
        """What stands in for an index that is missing or damaged: made once, by reading everything."""
        self._ahead: tuple[int, Iterator[list[LogRecord]], list[LogRecord]] | None = None
        """Where reading on would go on: the last sequence given, what comes next, and what of it was read already."""
        self._closed = threading.Event()
        self._damage = ""
        with suppress(OSError, msgspec.MsgspecError):
            self._damage = read_description(folder).damage
        self.refresh()

    @property
    def gaps(self) -> list[Gap]:
        """What is missing before the last record: found damaged so far, or given up."""
        there = {segment.first for segment in self._segments}
        gaps = [gap for gap in self._damaged.values() if gap.first in there]  # what has gone since is a hole
        expected = 1
        for segment in self._segments:
            if segment.first > expected:
                is_end = segment is self._segments[-1] and self._damage
                gaps.append(Gap(expected, segment.first - 1, self._damage if is_end else GIVEN_UP))
            expected = segment.last + 1
        return sorted(gaps)

    def check_version(self) -> None:
        """Raises LogVersionError when the newest segment that can be read is of a newer version."""
        with self._lock:
            for segment in reversed(self._segments):
                if self._reader(segment) is not None:
                    return

    def refresh(self) -> None:
        """Look for new segments."""
        with self._lock:
            try:
                segments = list_segments(self._folder)
            except OSError as error:
                raise LogError(f"there is no archive of a log in {self._folder}: {error.strerror}") from None
            if segments != self._segments:
                # What was to be read next ended with the segments that were known.
                self._segments, self._ahead, self._scanned = segments, None, None
                for first in self._open.keys() - {segment.first for segment in segments}:
                    self._open.pop(first).close()

    def read(self, after: int, limit: int) -> list[LogRecord]:
        """See `ports.LogReader`."""
        with self._lock:
            known = self._ahead
            if known is not None and known[0] == after:
                source, records = known[1], known[2]
            else:
                source, records = self._records(after), []
            while len(records) < limit and (some := next(source, None)) is not None:
                records = records + some
            given, rest = records[:limit], records[limit:]
            self._ahead = (given[-1].sequence, source, rest) if given else None
            return given

    def find(self, keys: Sequence[bytes], *, first_only: bool = False) -> list[LogRecord]:
        """See `ports.LogReader`."""
        with self._lock:
            wanted: dict[int, set[int]] = {}
            there = {segment.first for segment in self._segments}
            for key in keys:
                for first, sequences in self._find_key(key).items():
                    if first not in there:
                        continue  # given up, and in the index still
                    wanted.setdefault(first, set()).update(sequences[:1] if first_only else sequences)
                    if first_only:
                        break
            found: list[LogRecord] = []
            for segment in self._segments:
                reader = self._reader(segment) if segment.first in wanted else None
                if reader is not None:
                    try:
                        found += reader.find(wanted[segment.first])
                    except LogError as error:
                        self._note_damage(segment, error)
            return found

    def tables(self) -> Iterator[pa.Table]:
        """The rows of the segments, one after another."""
        for segment in list(self._segments):
            with self._lock:
                reader = self._reader(segment)
                try:
                    table = reader.table() if reader is not None else None
                except LogError as error:
                    self._note_damage(segment, error)
                    continue
            if table is not None:
                yield table

    def wait(self, after: int, timeout_s: float) -> bool:
        """See `ports.LogReader`; looks for new segments now and then."""
        deadline = time.monotonic() + timeout_s
        while not self._closed.is_set():
            if self.last_sequence() > after:
                return True
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                return False
            self._closed.wait(min(remaining_s, LOOK_PAUSE_S))
            self.refresh()
        return False

    def last_sequence(self) -> int:
        """See `ports.LogReader`."""
        with self._lock:
            return self._segments[-1].last if self._segments else 0

    def close(self) -> None:
        """See `ports.LogReader`."""
        self._closed.set()
        with self._lock:
            for reader in self._open.values():
                reader.close()
            self._open.clear()
            if self._index is not None:
                self._index.close()
                self._index = None

    def _records(self, after: int) -> Iterator[list[LogRecord]]:
        for segment in list(self._segments):
            # The reader anew for each piece: others may have needed its place in between.
            while after < segment.last and (reader := self._reader(segment)) is not None:
                try:
                    some = next(reader.records(after), None)
                except LogError as error:
                    self._note_damage(segment, error)
                    break
                if not some:
                    break
                after = some[-1].sequence
                yield some

    def _find_key(self, key: bytes) -> dict[int, list[int]]:
        if self._scanned is None:
            try:
                if self._index is None:
                    self._index = KeyIndex(self._folder / INDEX_NAME)
                return self._index.find(key)
            except LogError:
                if self._index is not None:
                    self._index.close()
                    self._index = None
                self._scanned = self._scan()
        return self._scanned.get(key, {})

    def _scan(self) -> dict[bytes, dict[int, list[int]]]:
        scanned: dict[bytes, dict[int, list[int]]] = {}
        for segment in self._segments:
            reader = self._reader(segment)
            if reader is not None:
                for key, sequences in reader.keys().items():
                    scanned.setdefault(key, {})[segment.first] = sequences
        return scanned

    def _reader(self, segment: Segment) -> SegmentReader | None:
        """None for one that is damaged."""
        reader = self._open.get(segment.first)
        if reader is None:
            if segment.first in self._damaged:
                return None
            try:
                reader = SegmentReader(segment)
            except LogVersionError:
                raise
            except LogError as error:
                self._note_damage(segment, error)
                return None
            self._open[segment.first] = reader
            if len(self._open) > OPEN_SEGMENTS_MAX:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(segment.first)
        return reader

    def _note_damage(self, segment: Segment, error: LogError) -> None:
        self._damaged[segment.first] = Gap(segment.first, segment.last, str(error))
