"""The node's facts on their way to the event log: gathers them, writes them in the background, outlasts outages.

buffer = LogBuffer(writer, node_id, config, SystemClock())
buffer.start()                            # inside the node's event loop
buffer.add(source, payload, fact_count)   # on the hot path: an append and three additions
await buffer.drain(timeout_s=5.0)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress

from cellray.config import Config
from cellray.errors import CellrayError, GcsUnavailableError, InternalError, SessionLostError
from cellray.ids import NodeId
from cellray.ports import Clock, LogRecord, LogWriter

RETRY_PAUSE_S_MIN = 0.05
RETRY_PAUSE_S_MAX = 1.0
WRITE_BYTES_MAX = 4 * 1024 * 1024
"""Payload in one write, unless one record alone has more: longer ones would hold up the server's other clients."""
RECORD_OVERHEAD_BYTES = 200
"""What a held record takes beside its payload; without it a backlog of tiny records would outgrow its limit."""


def _ignore(_: object) -> None:
    """The callback of who gave none."""


class LogBuffer:
    """Not thread-safe: everything on the node's loop. A record is held until the GCS acknowledged it, so none is lost
    while this process lives; the writer passes over repeated ones, so none is doubled.

    States: available -> away (callback) -> available (callback) -> ..., and from any of them -> failed (callback), for
    good, when writing again cannot help. Times are the clock's, seconds since the epoch.
    """

    def __init__(
        self,
        writer: LogWriter,
        node_id: NodeId,
        config: Config,
        clock: Clock,
        *,
        first_sequence: int = 1,
        on_unavailable: Callable[[GcsUnavailableError], None] = _ignore,
        on_available: Callable[[float], None] = _ignore,
        on_failed: Callable[[CellrayError], None] = _ignore,
        on_written: Callable[[int], None] = _ignore,
    ) -> None:
        """`on_available` is told how many seconds the GCS was away, `on_written` after each write how many bytes it
        had, overhead included; all are called on the loop."""
        self.backlog_bytes = 0
        """Held and not yet acknowledged, overhead included."""
        self.last_sequence = first_sequence - 1
        """Of the newest record added."""
        self.written_sequence = first_sequence - 1
        """Of the newest record acknowledged by the GCS."""
        self.is_overfull = False
        """Whether submissions must wait: too much is held, or nothing will ever be written again."""
        self.unavailable_since: float | None = None
        self.failure: CellrayError | None = None
        self._writer = writer
        self._node_id = node_id
        self._flush_s = config.log_flush_ms / 1000
        self._facts_max = config.log_batch_facts_max
        self._backlog_bytes_max = config.log_backlog_bytes_max
        self._clock = clock
        self._on_unavailable = on_unavailable
        self._on_available = on_available
        self._on_failed = on_failed
        self._on_written = on_written
        self._pending: deque[tuple[int, bytes, int, Collection[bytes]]] = deque()
        self._pending_facts = 0
        self._is_timer_set = False
        self._due = asyncio.Event()
        self._written = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._write_all(), name="event log")
        if self._pending:
            self._due.set()

    def add(self, source: int, payload: bytes, fact_count: int, keys: Collection[bytes] = ()) -> int:
        """Take a batch of encoded facts from client `source` (0: the node itself); the sequence it will have.

        `keys` are those of `log_index.index_keys`, under which it will be found.
        """
        self._pending.append((source, payload, fact_count, keys))
        self._pending_facts += fact_count
        self.backlog_bytes += len(payload) + RECORD_OVERHEAD_BYTES
        self.last_sequence += 1
        if self.backlog_bytes > self._backlog_bytes_max:
            self.is_overfull = True
        if not self._is_timer_set:
            self._set_timer()
        if self._pending_facts >= self._facts_max:
            self._due.set()
        return self.last_sequence

    async def written(self, sequence: int) -> None:
        """Until record `sequence` has been written, without waiting for company, or nothing will be any more."""
        while self.written_sequence < sequence and self.failure is None:
            self._due.set()
            self._written.clear()
            await self._written.wait()

    async def drain(self, timeout_s: float) -> bool:
        """Write what is held, without waiting for company, then stop; whether everything was written.

        Gives up when for `timeout_s` nothing more was acknowledged. The buffer takes nothing more afterwards. Does not
        close the writer.
        """
        self._due.set()
        with suppress(TimeoutError):
            while self.written_sequence < self.last_sequence and self.failure is None:
                self._written.clear()
                async with asyncio.timeout(timeout_s):
                    await self._written.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        return self.written_sequence == self.last_sequence

    def _set_timer(self) -> None:
        if self._task is None:
            return
        self._is_timer_set = True
        self._loop.call_later(self._flush_s, self._on_timer)

    def _on_timer(self) -> None:
        self._is_timer_set = False
        self._due.set()

    async def _write_all(self) -> None:
        try:
            while True:
                await self._due.wait()
                self._due.clear()
                # Those that come during the write wait for their own timer, unless they are many.
                target = self.last_sequence
                while self.written_sequence < target or self._pending_facts >= self._facts_max:
                    records, held_bytes = self._take()
                    await self._write(records)
                    self.written_sequence = records[-1].sequence
                    self.backlog_bytes -= held_bytes
                    self.is_overfull = self.backlog_bytes > self._backlog_bytes_max
                    self._written.set()
                    self._on_written(held_bytes)
        except (SessionLostError, InternalError) as error:
            self._fail(error)
        except Exception as error:
            self._fail(InternalError(f"the event log cannot be written: {error!r}"))

    def _take(self) -> tuple[list[LogRecord], int]:
        """The next write: as many records as its limits allow, one at least; and the bytes they are held with."""
        records: list[LogRecord] = []
        facts = held_bytes = 0
        while self._pending and facts < self._facts_max and held_bytes < WRITE_BYTES_MAX:
            source, payload, fact_count, keys = self._pending.popleft()
            sequence = self.written_sequence + len(records) + 1
            records.append(LogRecord(sequence, self._node_id, source, payload, keys))
            facts += fact_count
            held_bytes += len(payload) + RECORD_OVERHEAD_BYTES
        self._pending_facts -= facts
        return records, held_bytes

    async def _write(self, records: list[LogRecord]) -> None:
        """Until it has succeeded; raises only what trying again cannot mend."""
        pause_s = RETRY_PAUSE_S_MIN
        while True:
            try:
                await self._writer.append(records)
            except GcsUnavailableError as error:
                if self.unavailable_since is None:
                    self.unavailable_since = self._clock.now()
                    self._on_unavailable(error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_PAUSE_S_MAX)
            else:
                if self.unavailable_since is not None:
                    away_s = self._clock.now() - self.unavailable_since
                    self.unavailable_since = None
                    self._on_available(away_s)
                return

    def _fail(self, error: CellrayError) -> None:
        self.failure = error
        self.is_overfull = True
        self._written.set()
        self._on_failed(error)
