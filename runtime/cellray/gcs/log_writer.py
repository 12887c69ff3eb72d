"""Writes the event log: batches of records into one Redis stream, each exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cellray.errors import InternalError
from cellray.gcs.address import GcsAddress
from cellray.gcs.clients import make_async_client
from cellray.gcs.faults import explain, server_faults
from cellray.gcs.keys import session_keys
from cellray.gcs.log_records import check_consecutive, lost_records
from cellray.ids import SessionId
from cellray.ports import LogRecord

if TYPE_CHECKING:
    import redis.asyncio
    from redis.commands.core import AsyncScript

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
        self._key = session_keys(session_id).log
        self._timeout_s = timeout_s
        self._client: redis.asyncio.Redis | None = None
        self._script: AsyncScript | None = None

    async def append(self, records: Sequence[LogRecord]) -> None:
        """See `ports.LogWriter`: all of the records are written, or none.

        Raises GcsUnavailableError when writing again may help, SessionLostError when the log on the server ends
        before what was acknowledged, InternalError for records that are no sequence or too long for Redis.
        """
        if not records:
            return
        check_consecutive(records)
        arguments: list[bytes | str | int] = [records[0].sequence]
        for record in records:
            if len(record.facts) >= FACTS_BYTES_MAX:
                raise InternalError(f"log record {record.sequence} has {len(record.facts)} bytes; Redis refuses it")
            arguments += (record.source, record.node_id, record.facts)
        script = self._script or self._make_script()
        try:
            last = await script(keys=[self._key], args=arguments)
        except server_faults() as error:
            answer, _, last_there = str(error).partition(" ")
            if answer == "GAP":
                raise lost_records(str(self._address), int(last_there), records[0].sequence) from None
            raise explain(self._address, error) from None
        if last < records[-1].sequence:
            raise InternalError(f"the log ends at {last} after record {records[-1].sequence} was written")

    async def close(self) -> None:
        """Close the connection; a later `append` opens another."""
        client, self._client, self._script = self._client, None, None
        if client is not None:
            await client.aclose()

    def _make_script(self) -> AsyncScript:
        self._client = make_async_client(self._address, self._timeout_s)
        self._script = self._client.register_script(Path(__file__).with_name("append.lua").read_bytes())
        return self._script
