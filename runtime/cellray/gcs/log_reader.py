"""Follows the event log on Redis; blocking, for views, tools and recovery."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from cellray.errors import GcsUnavailableError
from cellray.gcs.address import GcsAddress
from cellray.gcs.clients import make_client
from cellray.gcs.faults import explain, server_faults
from cellray.gcs.keys import (
    INDEX_BLOCK,
    LOG_FACTS,
    LOG_NODE,
    LOG_SOURCE,
    entry_id,
    index_prefix,
    sequence_of,
    session_keys,
)
from cellray.gcs.script import read_script
from cellray.ids import SessionId
from cellray.ports import LogRecord

if TYPE_CHECKING:
    import redis
    from redis.commands.core import Script

RECONNECT_PAUSE_S = 0.05
FIND_KEYS_MAX = 32
"""Asked for in one command, which holds up the server's other clients."""
BLOCK_S_MAX = 0.25
"""A longer wait asks again after this time: to see that `close` was called (closing a socket under a thread that waits
on it would be a race for its descriptor), and to notice a host that vanished."""


class RedisLogReader:
    """`ports.LogReader` on Redis. One thread at a time, except `close`. Connects when first asked.

    While the server is away it tries again every 50 ms and raises GcsUnavailableError once it has been away for
    `away_s_max`. That goes for a refused password too: who wants that told at once asks `connect.probe` first.
    """

    def __init__(
        self, address: GcsAddress, session_id: SessionId, *, timeout_s: float, away_s_max: float = 10.0
    ) -> None:
        """`timeout_s` bounds connecting and each answer."""
        self._address = address
        self._keys = session_keys(session_id)
        self._key = self._keys.log
        self._timeout_s = max(timeout_s, 2 * BLOCK_S_MAX)
        self._away_s_max = away_s_max
        self._client: redis.Redis | None = None
        self._find: Script | None = None
        self._away_since: float | None = None
        self._closed = threading.Event()
        self._use = threading.Lock()

    def read(self, after: int, limit: int) -> list[LogRecord]:
        """See `ports.LogReader`. Waits while the server is away; raises GcsUnavailableError after `away_s_max`."""
        first = entry_id(max(after, 0) + 1)
        with self._in_use():
            entries = self._insist(lambda client: client.xrange(self._key, first, "+", limit), None)
        return [_record(entry) for entry in entries]

    def find(self, keys: Sequence[bytes], *, first_only: bool = False) -> list[LogRecord]:
        """See `ports.LogReader`; waits and raises as `read` does."""
        found: dict[int, LogRecord] = {}
        for start in range(0, len(keys), FIND_KEYS_MAX):
            some = [index_prefix(key) for key in keys[start : start + FIND_KEYS_MAX]]
            with self._in_use():
                entries = self._insist(partial(self._ask_index, some, first_only), None)
            for entry in entries:
                record = _record(entry)
                found[record.sequence] = record
        return [found[sequence] for sequence in sorted(found)]

    def _ask_index(self, prefixes: Sequence[bytes], first_only: bool, client: redis.Redis) -> Any:
        if self._find is None:
            self._find = client.register_script(read_script("find.lua"))
        found = self._find(
            keys=[self._keys.log, self._keys.log_index], args=[INDEX_BLOCK, int(first_only), *prefixes], client=client
        )
        return [(entry, dict(zip(fields[::2], fields[1::2], strict=True))) for entry, fields in found]

    def wait(self, after: int, timeout_s: float) -> bool:
        """See `ports.LogReader`. False too when the server is away until `timeout_s`, but not for `away_s_max` yet."""
        deadline = time.monotonic() + timeout_s
        streams: dict[Any, Any] = {self._key: entry_id(max(after, 0))}

        def ask(client: redis.Redis) -> Any:
            block_s = min(deadline - time.monotonic(), BLOCK_S_MAX)
            # `block=0` would mean for ever.
            return client.xread(streams, 1, max(int(block_s * 1000), 1) if block_s > 0 else None)

        with self._in_use():
            while not self._closed.is_set():
                is_last = time.monotonic() >= deadline
                if self._insist(ask, deadline):
                    return not self._closed.is_set()
                if is_last:
                    break
        return False

    def last_sequence(self) -> int:
        """See `ports.LogReader`."""
        with self._in_use():
            entries = self._insist(lambda client: client.xrevrange(self._key, "+", "-", 1), None)
        return _record(entries[0]).sequence if entries else 0

    def close(self) -> None:
        """See `ports.LogReader`. Calls after it raise GcsUnavailableError; `wait` returns False."""
        self._closed.set()
        # A thread that is inside closes the connection itself, when it leaves.
        if self._use.acquire(blocking=False):
            self._use.release()
            self._close_client()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        try:
            with self._use:
                yield
        finally:
            if self._closed.is_set():
                self._close_client()

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()

    def _insist(self, action: Callable[[redis.Redis], Any], deadline: float | None) -> Any:
        """What `action` returns once the server answers; None when it did not until `deadline`, or on `close`."""
        while True:
            if self._closed.is_set():
                if deadline is None:
                    raise GcsUnavailableError("this reader of the event log is closed")
                return None
            if self._client is None:
                self._client = make_client(self._address, self._timeout_s)
            try:
                result = action(self._client)
            except server_faults() as error:
                now = time.monotonic()
                self._away_since = self._away_since or now
                if now - self._away_since >= self._away_s_max:
                    raise explain(self._address, error) from None
                if deadline is not None and now >= deadline:
                    return None
                time.sleep(RECONNECT_PAUSE_S)
            else:
                self._away_since = None
                return result


def _record(entry: tuple[bytes, dict[bytes, bytes]]) -> LogRecord:
    entry_name, fields = entry
    return LogRecord(sequence_of(entry_name), fields[LOG_NODE].decode(), int(fields[LOG_SOURCE]), fields[LOG_FACTS])
