"""What holds for records however they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from cellray.errors import InternalError
from cellray.ports import LogRecord


def check_consecutive(records: Sequence[LogRecord]) -> None:
    """Raises InternalError unless the sequences count up by one from at least 1."""
    first = records[0].sequence
    if first < 1 or any(record.sequence != first + i for i, record in enumerate(records)):
        raise InternalError(f"log records out of sequence: {[record.sequence for record in records[:8]]}")
