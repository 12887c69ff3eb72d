"""Writes the event log: batches of records into one Redis stream, each exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cellray.errors import InternalError, SessionLostError
from cellray.gcs.address import GcsAddress
from cellray.gcs.async_connection import AsyncConnection, open_connection
from cellray.gcs.faults import refused
from cellray.gcs.keys import session_keys
from cellray.gcs.log_records import check_consecutive
from cellray.gcs.resp import BULK_BYTES_MAX, ErrorReply
from cellray.ids import SessionId
from cellray.ports import LogRecord

_SCRIPT = Path(__file__).with_name("append.lua").read_bytes()
_SCRIPT_SHA = hashlib.sha1(_SCRIPT, usedforsecurity=False).hexdigest().encode()


class RedisLogWriter:
    """`ports.LogWriter` on Redis. The server itself compares sequences (`append.lua`), so nothing that happens to the
    connection, or to an earlier write that is still under way, can double a record or leave a gap.

    Connects with the first `append`, and again with the next one after a failure.
    """

    def __init__(self, address: GcsAddress, session_id: SessionId, *, timeout_s: float) -> None:
        """`timeout_s` bounds connecting and each write."""
        self._address = address
        self._key = session_keys(session_id).log
        self._timeout_s = timeout_s
        self._connection: AsyncConnection | None = None

    async def append(self, records: Sequence[LogRecord]) -> None:
        """See `ports.LogWriter`: all of the records are written, or none.

        Raises GcsUnavailableError when writing again may help, SessionLostError when the log on the server ends
        before what was acknowledged, InternalError for records that are no sequence or too long for Redis.
        """
        if not records:
            return
        check_consecutive(records)
        arguments = [b"1", self._key, b"%d" % records[0].sequence]
        for record in records:
            if len(record.facts) >= BULK_BYTES_MAX:
                raise InternalError(
                    f"log record {record.sequence} has {len(record.facts)} bytes; Redis takes {BULK_BYTES_MAX}"
                )
            arguments += (b"%d" % record.source, record.node_id.encode(), record.facts)
        connection = await self._connect()
        (reply,) = await connection.execute((b"EVALSHA", _SCRIPT_SHA, *arguments), timeout_s=self._timeout_s)
        if isinstance(reply, ErrorReply) and reply.code == "NOSCRIPT":
            (reply,) = await connection.execute((b"EVAL", _SCRIPT, *arguments), timeout_s=self._timeout_s)
        if isinstance(reply, ErrorReply):
            if reply.code == "GAP":
                raise lost_records(self._address, int(reply.text.split()[1]), records[0].sequence)
            raise refused(self._address, reply)
        if not isinstance(reply, int) or reply < records[-1].sequence:
            raise InternalError(f"the log ends at {reply!r} after record {records[-1].sequence} was written")

    async def close(self) -> None:
        """Close the connection; a later `append` opens another."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connect(self) -> AsyncConnection:
        if self._connection is None or not self._connection.is_open:
            await self.close()
            self._connection = await open_connection(self._address, self._timeout_s)
        return self._connection


def lost_records(place: object, last: int, first: int) -> SessionLostError:
    """The log on the server is shorter than what it acknowledged."""
    return SessionLostError(
        f"the event log at {place} ends at record {last}, but everything up to {first - 1} had been written: "
        "the server was emptied or restarted without its data. What ran before cannot be recovered; "
        "start a new session, and for a server of your own switch on appendonly."
    )
