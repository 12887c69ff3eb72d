"""Writes the event log: batches of records into one Redis stream, each exactly once."""

from __future__ import annotations

from collections.abc import Sequence

from cellray.errors import InternalError
from cellray.gcs.address import GcsAddress
from cellray.gcs.faults import AnsweredError, NotRedisError, explain
from cellray.gcs.keys import INDEX_BLOCK, index_member, session_keys
from cellray.gcs.log_records import check_consecutive, lost_records
from cellray.gcs.resp import RespClient, pack_parts
from cellray.gcs.script import Script
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
        self._append = Script("append.lua")

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
            last = await self._append.run(self._client, *self._arguments(records))
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

    def _arguments(self, records: Sequence[LogRecord]) -> tuple[bytes, int]:
        """What `append.lua` takes, and how many arguments that is."""
        first = records[0].sequence
        members = [index_member(key, first, sequences) for key, sequences in _index(records).items()]
        parts = [
            pack_parts(b"2", self._keys.log, self._keys.log_index + b"%d" % (first // INDEX_BLOCK)),
            pack_parts(b"%d" % first, b"%d" % len(members), *members),
        ]
        heads: dict[tuple[int, str], bytes] = {}
        for _, node_id, source, facts, _ in records:
            head = heads.get((source, node_id))
            if head is None:
                head = pack_parts(b"%d" % source, node_id.encode()) + b"$"
                heads[source, node_id] = head
            parts += (head, b"%d\r\n" % len(facts), facts, b"\r\n")
        return b"".join(parts), 5 + len(members) + 3 * len(records)


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
