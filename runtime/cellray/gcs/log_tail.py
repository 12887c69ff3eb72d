"""The end of the event log that Redis holds, as the archiver sees it: read in large pieces, measured, trimmed.

It runs on an event loop with the client of the node, because redis-py would take more memory than the archiver itself.
"""

from __future__ import annotations

from collections.abc import Awaitable
from struct import Struct

from cellray.errors import InternalError
from cellray.gcs.address import GcsAddress
from cellray.gcs.faults import AnsweredError, NotRedisError, explain
from cellray.gcs.keys import INDEX_BLOCK, session_keys
from cellray.gcs.resp import Reply, RespClient, pack_command, pack_parts
from cellray.gcs.script import Script
from cellray.ids import SessionId
from cellray.ports import LogRecord

READ_RECORDS_MAX = 1000
READ_BYTES_MAX = 2 * 1024 * 1024
"""Of one answer: the server does nothing else meanwhile."""
_HEAD = Struct(">QIII")


class LogTail:
    """One call at a time. All raise GcsUnavailableError while the server is away."""

    def __init__(self, address: GcsAddress, session_id: SessionId, *, timeout_s: float) -> None:
        self._address = address
        self._keys = session_keys(session_id)
        self._client = RespClient(address, timeout_s=timeout_s)
        self._read = Script("read.lua")
        self._trim = Script("trim.lua")

    async def read(self, after: int) -> list[LogRecord]:
        """The next records after a sequence; none at the end. Those that were trimmed are passed over."""
        limits = (b"%d" % (max(after, 0) + 1), b"%d" % READ_RECORDS_MAX, b"%d" % READ_BYTES_MAX)
        data = await self._run(self._read, (self._keys.log,), limits)
        if not isinstance(data, bytes):
            raise InternalError(f"reading the event log was answered with {data!r:.60}")
        return _unpack(data)

    async def trim(self, last: int) -> None:
        """Take the records up to this sequence off."""
        await self._run(self._trim, (self._keys.log, self._keys.log_index), (b"%d" % last, b"%d" % INDEX_BLOCK))

    async def used_bytes(self) -> int:
        """The server's memory as it counts it against `maxmemory`: without what a rewrite of its file holds."""
        reply = await self._told(self._client.call(pack_command(b"INFO", b"memory")))
        if not isinstance(reply, bytes):
            raise InternalError(f"the server's memory was answered with {reply!r:.60}")
        info = {name: value for name, _, value in (line.partition(b":") for line in reply.split(b"\r\n"))}
        return int(info[b"used_memory"]) - int(info.get(b"mem_not_counted_for_evict", 0))

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def _run(self, script: Script, keys: tuple[bytes, ...], arguments: tuple[bytes, ...]) -> Reply:
        parts = (b"%d" % len(keys), *keys, *arguments)
        return await self._told(script.run(self._client, pack_parts(*parts), len(parts)))

    async def _told(self, reply: Awaitable[Reply]) -> Reply:
        try:
            return await reply
        except (AnsweredError, NotRedisError, OSError) as error:
            raise explain(self._address, error) from None


def _unpack(data: bytes) -> list[LogRecord]:
    records: list[LogRecord] = []
    at = 0
    while at < len(data):
        sequence, source_bytes, node_bytes, facts_bytes = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        source = int(data[at : at + source_bytes])
        at += source_bytes
        node = data[at : at + node_bytes].decode()
        at += node_bytes
        records.append(LogRecord(sequence, node, source, data[at : at + facts_bytes]))
        at += facts_bytes
    return records
