"""One segment of an archive: written row group by row group and named when it is complete; read record by record."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cellray.errors import LogError, LogVersionError
from cellray.gcs.archive.columns import RECORD_COLUMNS, Rows, schema, to_records, version_of
from cellray.gcs.archive.layout import Segment, part_path, segment_path
from cellray.gcs.log_index import index_keys
from cellray.model.fact import LOG_SCHEMA_VERSION, decode_facts
from cellray.ports import LogRecord

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROW_GROUP_BYTES = 1024 * 1024
"""Payload of one row group: what is read to find one record."""
ROW_GROUP_FACTS = 16 * 1024
COMPRESSION_LEVEL = 1


class SegmentWriter:
    """Takes records in order; `close` makes the file one of the archive's. Until then it has another name."""

    def __init__(self, folder: Path, first: int) -> None:
        """Raises OSError."""
        import pyarrow.parquet as pq

        self.first = first
        self.last = first - 1
        self.payload_bytes = 0
        self.keys: dict[bytes, list[int]] = {}
        """The sequences of records by the keys under which they are found."""
        self._folder = folder
        self._rows = Rows()
        self._rows_bytes = 0
        self._file = open(part_path(folder, first), "wb")  # noqa: SIM115 - open until `close`
        self._writer = pq.ParquetWriter(
            self._file,
            schema(),
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            use_dictionary=["node", "kind", "name", "parent_id"],
            write_statistics=["sequence", "happened_at", "task_id"],
            write_page_checksum=True,
        )

    def add(self, record: LogRecord) -> None:
        """The next record. Raises OSError."""
        for key in index_keys(self._rows.add(record)):
            self.keys.setdefault(key, []).append(record.sequence)
        self.last = record.sequence
        self.payload_bytes += len(record.facts)
        self._rows_bytes += len(record.facts)
        if self._rows_bytes >= ROW_GROUP_BYTES or self._rows.facts >= ROW_GROUP_FACTS:
            self._flush()

    def close(self) -> Segment:
        """The complete segment, on the disk. Raises OSError; then there is none."""
        self._flush()
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        path = segment_path(self._folder, self.first, self.last)
        os.rename(part_path(self._folder, self.first), path)
        return Segment(self.first, self.last, path)

    def abandon(self) -> None:
        """Leave nothing, as far as the disk lets go; never raises."""
        with suppress(Exception):  # both write what they hold, and the disk may be what is wrong
            self._writer.close()
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):  # the next writer removes it
            part_path(self._folder, self.first).unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._rows.records:
            self._writer.write_table(self._rows.to_table())
        self._rows, self._rows_bytes = Rows(), 0


class SegmentReader:
    """Raises LogError for a file that is not what it should be, LogVersionError for one of a newer version."""

    def __init__(self, segment: Segment) -> None:
        import pyarrow.parquet as pq

        self.segment = segment
        with _clear_errors(segment.path):
            self._file: pq.ParquetFile = pq.ParquetFile(segment.path, page_checksum_verification=True)
            version = version_of(self._file.schema_arrow)
        if version > LOG_SCHEMA_VERSION:
            raise LogVersionError(str(segment.path), version, LOG_SCHEMA_VERSION)
        with _clear_errors(segment.path):
            self._ranges = [self._range(group) for group in range(self._file.num_row_groups)]

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)

    def records(self, after: int) -> Iterator[list[LogRecord]]:
        """All records with sequences greater than `after`, some at a time."""
        for group, (_, last) in enumerate(self._ranges):
            if last > after:
                yield [record for record in self._read(group) if record.sequence > after]

    def keys(self) -> dict[bytes, list[int]]:
        """Under which keys its records are found: what the index says of it. As far as it can be read."""
        keys: dict[bytes, list[int]] = {}
        with suppress(LogError):
            for some in self.records(0):
                for record in some:
                    with suppress(msgspec.MsgspecError):
                        for key in index_keys(decode_facts(record.facts)):
                            keys.setdefault(key, []).append(record.sequence)
        return keys

    def table(self) -> pa.Table:
        """All rows."""
        with _clear_errors(self.segment.path):
            return self._file.read()

    def find(self, sequences: Collection[int]) -> list[LogRecord]:
        """The records with these sequences, in order."""
        found: list[LogRecord] = []
        for group, (first, last) in enumerate(self._ranges):
            wanted = {sequence for sequence in sequences if first <= sequence <= last}
            if wanted:
                found += self._read(group, wanted)
        return found

    def _read(self, group: int, wanted: Collection[int] | None = None) -> list[LogRecord]:
        import numpy as np

        with _clear_errors(self.segment.path):
            table = self._file.read_row_group(group, columns=list(RECORD_COLUMNS))
            if wanted is None:
                return to_records(table)
            # Rows are in order: cut out, because pyarrow's own filter takes a second to be imported.
            column, found = table.column("sequence").to_numpy(), []
            for sequence in sorted(wanted):
                first, end = np.searchsorted(column, [sequence, sequence + 1])
                found += to_records(table.slice(first, end - first))
            return found

    def _range(self, group: int) -> tuple[int, int]:
        statistics = self._file.metadata.row_group(group).column(0).statistics
        return int(statistics.min), int(statistics.max)


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """A damaged file may make the reader of Parquet raise anything; all of it means the same."""
    try:
        yield
    except Exception as error:
        reason: Any = str(error).partition("\n")[0] or type(error).__name__
        raise LogError(f"the segment {path} of the log is damaged or cut short: {reason}") from None
