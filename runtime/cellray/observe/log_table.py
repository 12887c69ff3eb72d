"""A log as tables: its facts as they are archived, and its tasks as they are folded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cellray.gcs.archive.columns import Rows, schema
from cellray.gcs.archive.reader import ArchiveReader
from cellray.observe.fold import LogFold
from cellray.ports import LogReader

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS_AT_ONCE = 1000


def facts_table(reader: LogReader) -> pa.Table:
    """A row for each fact that the log has now."""
    import pyarrow as pa

    pieces = list(reader.tables() if isinstance(reader, ArchiveReader) else _made_tables(reader))
    # Segments of an older version may lack columns.
    whole = pa.concat_tables([schema().empty_table(), *pieces], promote_options="default")
    return whole.unify_dictionaries().replace_schema_metadata(None)


def _made_tables(reader: LogReader) -> Iterator[pa.Table]:
    """Of records as they come: what of them is archived may change meanwhile."""
    after, last = 0, reader.last_sequence()
    while after < last and (records := reader.read(after, RECORDS_AT_ONCE)):
        rows = Rows()
        for record in records:
            rows.add(record)
        yield rows.to_table()
        after = records[-1].sequence


def tasks_table(fold: LogFold) -> pa.Table:
    """A row for each task that the fold keeps one by one."""
    import pyarrow as pa

    records = list(fold.tasks.values())
    moment = pa.timestamp("us", tz="UTC")

    def times(name: str) -> pa.Array:
        values = [getattr(record, name) for record in records]
        return pa.array([int(value * 1e6) if value else None for value in values], moment)

    return pa.table(
        {
            "task_id": [record.task_id.hex() for record in records],
            "parent_id": [record.parent_id.hex() for record in records],
            "job_id": pa.array([record.job.job_id.hex() if record.job else None for record in records], pa.string()),
            "name": [record.template.name for record in records],
            "function": [record.template.function for record in records],
            "actor_id": pa.array([record.actor or None for record in records], pa.string()),
            "state": [record.state_name for record in records],
            "attempt": [record.attempt for record in records],
            "node": pa.array([record.worker[0] if record.worker else None for record in records], pa.string()),
            "worker_id": pa.array([record.worker[1] if record.worker else None for record in records], pa.int64()),
            "submitted_at": times("submitted_at"),
            "started_at": times("started_at"),
            "finished_at": times("finished_at"),
            "error": pa.array([record.error or None for record in records], pa.string()),
        }
    )
