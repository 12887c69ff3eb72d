"""Writes the event log: batches of records into one Redis stream, each exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cellray.errors import InternalError
from cellray.gcs.address import GcsAddress
from cellray.gcs.faults import AnsweredError, NotRedisError, explain
from cellray.gcs.keys import INDEX_BLOCK, index_member, session_keys
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
        self._keys = session_keys(session_id)
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
        try:
            last = await self._run(*self._arguments(records))
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

    def _arguments(self, records: Sequence[LogRecord]) -> tuple[bytes, int]:
        """What follows the script (`append.lua` tells of it), and of how many parts the whole command is."""
        first = records[0].sequence
        members = [index_member(key, first, sequences) for key, sequences in _index(records).items()]
        parts = [
            b"$1\r\n2\r\n",
            _pack(self._keys.log),
            _pack(self._keys.log_index + b"%d" % (first // INDEX_BLOCK)),
            _pack(b"%d" % first),
            _pack(b"%d" % len(members)),
            *map(_pack, members),
        ]
        heads: dict[tuple[int, str], bytes] = {}
        for _, node_id, source, facts, _ in records:
            head = heads.get((source, node_id))
            if head is None:
                head = _pack(b"%d" % source) + _pack(node_id.encode()) + b"$"
                heads[source, node_id] = head
            parts += (head, b"%d\r\n" % len(facts), facts, b"\r\n")
        return b"".join(parts), 7 + len(members) + 3 * len(records)


class DiscardingLogWriter:
    """`ports.LogWriter` that throws away what it is given: to measure what the log costs."""

    async def append(self, records: Sequence[LogRecord]) -> None:
        """Nothing is written."""

    async def close(self) -> None:
        """Nothing to close."""


def _index(records: Sequence[LogRecord]) -> dict[bytes, list[int]]:
    """The sequences of the records under each key."""
    index: dict[bytes, list[int]] = {}
    for record in records:
        for key in record.keys:
            index.setdefault(key, []).append(record.sequence)
    return index


def _pack(part: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(part), part)
