"""Writes the event log: batches of records into one Redis stream, each exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cellray.errors import InternalError
from cellray.gcs.address import GcsAddress
from cellray.gcs.faults import AnsweredError, NotRedisError, explain
from cellray.gcs.keys import session_keys
from cellray.gcs.log_records import check_consecutive, lost_records
from cellray.gcs.resp import Reply, RespClient
from cellray.ids import SessionId
from cellray.ports import LogRecord

FACTS_BYTES_MAX = 512 * 1024 * 1024
"""Redis' own limit for one argument (`proto-max-bulk-len`); beyond it the server would hang up, again and again."""


class RedisLogWriter:
    """`ports.LogWriter` on Redis. The server itself compares sequences (`append.lua`), so nothing that happens to the
    connection, or to an earlier write that is still under way, can double a record or leave a gap.

    Connects with the first `append`, and again with the next one after a failure. One `append` at a time.
    """

    def __init__(self, address: GcsAddress, session_id: SessionId, *, timeout_s: float) -> None:
        """`timeout_s` bounds connecting and each answer."""
        self._address = address
        self._client = RespClient(address, timeout_s=timeout_s)
        self._key = session_keys(session_id).log
        self._script = Path(__file__).with_name("append.lua").read_bytes()
        self._digest = hashlib.sha1(self._script, usedforsecurity=False).hexdigest().encode()

    async def append(self, records: Sequence[LogRecord]) -> None:
        """See `ports.LogWriter`: all of the records are written, or none.

        Raises GcsUnavailableError when writing again may help, SessionLostError when the log on the server ends
        before what was acknowledged, InternalError for records that are no sequence or too long for Redis.
        """
        if not records:
            return
        check_consecutive(records)
        for record in records:
            if len(record.facts) >= FACTS_BYTES_MAX:
                raise InternalError(f"log record {record.sequence} has {len(record.facts)} bytes; Redis refuses it")
        arguments = self._arguments(records)
        try:
            last = await self._run(arguments, 5 + 3 * len(records))
        except (AnsweredError, NotRedisError, OSError) as error:
            answer, _, last_there = str(error).partition(" ")
            if answer == "GAP":
                raise lost_records(str(self._address), int(last_there), records[0].sequence) from None
            raise explain(self._address, error) from None
        if not isinstance(last, int) or last < records[-1].sequence:
            raise InternalError(f"the log ends at {last!r} after record {records[-1].sequence} was written")

    async def close(self) -> None:
        """Close the connection; a later `append` opens another."""
        await self._client.close()

    async def _run(self, arguments: bytes, count: int) -> Reply:
        """The script by its name; in full where the server does not know it (yet, or after a restart)."""
        try:
            return await self._client.call(
                b"*%d\r\n$7\r\nEVALSHA\r\n$%d\r\n%b\r\n%b" % (count, len(self._digest), self._digest, arguments)
            )
        except AnsweredError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return await self._client.call(
            b"*%d\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n%b" % (count, len(self._script), self._script, arguments)
        )

    def _arguments(self, records: Sequence[LogRecord]) -> bytes:
        """What follows the script: the key, the first sequence, and source, node and facts of each record."""
        first = b"%d" % records[0].sequence
        parts = [b"$1\r\n1\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(self._key), self._key, len(first), first)]
        heads: dict[tuple[int, str], bytes] = {}
        for _, node_id, source, facts in records:
            head = heads.get((source, node_id))
            if head is None:
                by, node = b"%d" % source, node_id.encode()
                head = b"$%d\r\n%b\r\n$%d\r\n%b\r\n$" % (len(by), by, len(node), node)
                heads[source, node_id] = head
            parts += (head, b"%d\r\n" % len(facts), facts, b"\r\n")
        return b"".join(parts)
