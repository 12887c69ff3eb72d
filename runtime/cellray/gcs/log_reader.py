"""Follows the event log on Redis; blocking, for views, tools and recovery."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cellray.errors import GcsUnavailableError, InternalError
from cellray.gcs.address import GcsAddress
from cellray.gcs.connection import Connection
from cellray.gcs.keys import LOG_FACTS, LOG_NODE, LOG_SOURCE, entry_id, sequence_of, session_keys
from cellray.gcs.resp import Reply
from cellray.ids import SessionId
from cellray.ports import LogRecord

RECONNECT_PAUSE_S = 0.05
BLOCK_S_MAX = 5.0
"""A longer wait asks again after this time, so that a host that vanished is noticed."""

T = TypeVar("T")


class RedisLogReader:
    """`ports.LogReader` on Redis. One thread at a time, except `close`. Connects when first asked.

    While the server is away it tries again every 50 ms and raises GcsUnavailableError once it has been away for
    `away_s_max`. A server that answers, but refuses the password, is an error at once only through `connect.probe`.
    """

    def __init__(
        self, address: GcsAddress, session_id: SessionId, *, timeout_s: float, away_s_max: float = 10.0
    ) -> None:
        """`timeout_s` bounds connecting and each answer."""
        self._address = address
        self._key = session_keys(session_id).log
        self._timeout_s = timeout_s
        self._away_s_max = away_s_max
        self._connection: Connection | None = None
        self._away_since: float | None = None
        self._closed = threading.Event()
        self._use = threading.Lock()

    def read(self, after: int, limit: int) -> list[LogRecord]:
        """See `ports.LogReader`. Waits while the server is away; raises GcsUnavailableError after `away_s_max`."""
        command = (b"XRANGE", self._key, entry_id(max(after, 0) + 1), b"+", b"COUNT", b"%d" % limit)
        entries = self._insistently(lambda connection: connection.call(*command))
        if not isinstance(entries, list):
            raise InternalError(f"XRANGE was answered with {entries!r:.60}")
        return [_record(entry) for entry in entries]

    def wait(self, after: int, timeout_s: float) -> bool:
        """See `ports.LogReader`. False too when the server is away until `timeout_s`, but not for `away_s_max` yet."""
        deadline = time.monotonic() + timeout_s
        with self._in_use():
            while not self._closed.is_set():
                left_s = deadline - time.monotonic()
                try:
                    if self._answers_after(after, max(left_s, 0.0)):
                        return True
                except GcsUnavailableError as error:
                    if self._closed.is_set():
                        break
                    self._pause(error)
                if left_s <= 0:
                    break
        return False

    def last_sequence(self) -> int:
        """See `ports.LogReader`."""
        entries = self._insistently(lambda c: c.call(b"XREVRANGE", self._key, b"+", b"-", b"COUNT", b"1"))
        return _record(entries[0]).sequence if isinstance(entries, list) and entries else 0

    def close(self) -> None:
        """See `ports.LogReader`. Calls after it raise GcsUnavailableError; `wait` returns False."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            connection.interrupt()
        # A descriptor must not be closed under a thread that waits on it, for it could be another one's by the time it
        # wakes. That thread closes it itself (`_in_use`).
        if self._use.acquire(blocking=False):
            self._use.release()
            self._close_connection()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        try:
            with self._use:
                yield
        finally:
            if self._closed.is_set():
                self._close_connection()

    def _close_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _answers_after(self, after: int, timeout_s: float) -> bool:
        block_s = min(timeout_s, BLOCK_S_MAX)
        # BLOCK 0 would mean for ever.
        block = (b"BLOCK", b"%d" % max(int(block_s * 1000), 1)) if block_s > 0 else ()
        reply = self._connected().call(
            b"XREAD", b"COUNT", b"1", *block, b"STREAMS", self._key, entry_id(max(after, 0)),
            timeout_s=block_s + self._timeout_s,
        )  # fmt: skip
        self._away_since = None
        return reply is not None

    def _insistently(self, action: Callable[[Connection], T]) -> T:
        with self._in_use():
            while True:
                try:
                    result = action(self._connected())
                except GcsUnavailableError as error:
                    self._pause(error)
                else:
                    self._away_since = None
                    return result

    def _pause(self, error: GcsUnavailableError) -> None:
        """Raises `error` when the server has been away too long."""
        now = time.monotonic()
        self._away_since = self._away_since or now
        if self._closed.is_set() or now - self._away_since >= self._away_s_max:
            raise error
        time.sleep(RECONNECT_PAUSE_S)

    def _connected(self) -> Connection:
        if self._closed.is_set():
            raise GcsUnavailableError("this reader of the event log is closed")
        if self._connection is None or self._connection.closed:
            self._connection = Connection(self._address, self._timeout_s)
        return self._connection


def _record(entry: Reply) -> LogRecord:
    match entry:
        case [bytes() as entry_name, list() as pairs]:
            fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
            match fields.get(LOG_SOURCE), fields.get(LOG_NODE), fields.get(LOG_FACTS):
                case bytes() as source, bytes() as node_id, bytes() as facts:
                    return LogRecord(sequence_of(entry_name), node_id.decode(), int(source), facts)
    raise InternalError(f"an entry of the event log has an unknown form: {entry!r:.80}")
