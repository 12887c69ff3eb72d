"""What holds for records however they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from cellray.errors import InternalError, SessionLostError
from cellray.ports import LogRecord


def check_consecutive(records: Sequence[LogRecord]) -> None:
    """Raises InternalError unless the sequences count up by one from at least 1."""
    first = records[0].sequence
    if first < 1 or [record.sequence for record in records] != list(range(first, first + len(records))):
        raise InternalError(f"log records out of sequence: {[record.sequence for record in records[:8]]}")


def lost_records(place: str, last: int, first: int) -> SessionLostError:
    """For a log that ends at `last` when the record `first` comes: shorter than what it acknowledged."""
    return SessionLostError(
        f"the event log at {place} ends at record {last}, but everything up to {first - 1} had been written: "
        "the server was emptied or restarted without its data. What ran before cannot be recovered; "
        "start a new session, and for a server of your own switch on appendonly."
    )
