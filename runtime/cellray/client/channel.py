"""A client's connection to its node, shared by drivers and workers.

Facts are buffered and leave in batches; whoever waits for an answer reads the socket itself, so that a blocking
round trip costs no thread switch, and one background thread reads and flushes while nobody waits. The background
thread is "hot" (looks at the buffer every flush interval) while there was traffic lately and sleeps otherwise; the
first fact after a rest wakes it. Nothing here knows what facts and commands mean.

A KeyboardInterrupt must never hit between reading bytes and handing them on, or in the middle of a frame being sent;
`client.interrupts` holds it back for exactly those spans.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable

from cellray.client.interrupts import Shield, Shields
from cellray.errors import SessionLostError
from cellray.model.command import ClientCommand, command_decoder
from cellray.model.fact import UNLOGGED, Fact, TasksSubmitted, fact_encoder
from cellray.model.task import TaskSpec
from cellray.wire import FrameKind, FrameReader, pack_frame

RECEIVE_BYTES = 1 << 18
HOT_S = 0.02
PARK_S = 0.003
_UNLOGGED = frozenset(UNLOGGED)


class Channel:
    """One connection. `on_commands` gets each frame's commands in order, on whichever thread reads.

    `before_flush` may add facts that must not stay behind (reference counts), `has_more` says whether it would; neither
    may block.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        on_commands: Callable[[list[ClientCommand]], None],
        on_closed: Callable[[str], None],
        before_flush: Callable[[], None],
        has_more: Callable[[], bool],
        flush_ms: float,
        batch_max: int,
        frame_bytes_max: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._socket = connection
        self._on_commands = on_commands
        self._on_closed = on_closed
        self.before_flush = before_flush
        self.after_flush: Callable[[], None] = _nothing
        self._has_more = has_more
        self._flush_s = flush_ms / 1000
        self._batch_max = batch_max
        self._clock = clock
        self._reader = FrameReader(frame_bytes_max)
        self._facts: list[Fact] = []
        self._open_batch: TasksSubmitted | None = None
        self._buffer_lock = threading.RLock()
        self._sending = threading.Lock()
        self._reading = threading.Lock()
        self._changed = threading.Condition()
        self._waiters = 0
        self.is_cold = False
        """Whether the background thread sleeps until it is nudged."""
        self.has_loop = False
        """Whether an event loop of this process watches the socket and calls `read_now`."""
        self._reads = 0
        self._shields = Shields()
        self.closed_reason: str | None = None
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(target=self._background, name="cellray-io", daemon=True)
        self._thread.start()

    # -- sending

    def add(self, fact: Fact) -> None:
        """Put a fact into the buffer; it leaves within the flush interval."""
        with self._buffer_lock:
            self._open_batch = None
            self._facts.append(fact)
        self.nudge()

    def add_task(self, parent_id: bytes, spec: TaskSpec) -> None:
        """Put a submitted task into the buffer, together with its parent's others."""
        with self._buffer_lock:
            batch = self._open_batch
            if batch is None or batch.parent_id != parent_id:
                batch = TasksSubmitted(parent_id, self._clock(), [])  # type: ignore[arg-type]
                self._open_batch = batch
                self._facts.append(batch)
            tasks = batch.tasks
            tasks.append(spec)
            full = len(tasks) >= self._batch_max
        if full:
            self.flush()
        elif self.is_cold:
            self.nudge()

    def nudge(self) -> None:
        """There is something to flush: see that the background thread looks. Never blocks; safe in `__del__`."""
        if self.is_cold:
            self.is_cold = False
            with contextlib.suppress(BlockingIOError, OSError):
                os.write(self._wake_write, b"\0")

    def flush(self) -> None:
        """Send all that is buffered, now. Returns when the socket has taken it."""
        if self.closed_reason is not None:
            return
        with self._shields.here():
            self.before_flush()
            with self._sending:
                with self._buffer_lock:
                    facts = self._facts
                    if facts:
                        self._facts = []
                        self._open_batch = None
                if facts:
                    self._send_frames(facts)
                    self.after_flush()

    def _send_frames(self, facts: list[Fact]) -> None:
        """Consecutive facts of one kind make one frame, so that the node can log a frame as it came."""
        frames: list[bytes] = []
        start = 0
        while start < len(facts):
            unlogged = type(facts[start]) in _UNLOGGED
            end = start + 1
            while end < len(facts) and (type(facts[end]) in _UNLOGGED) == unlogged:
                end += 1
            kind = FrameKind.REQUESTS if unlogged else FrameKind.FACTS
            frames.append(pack_frame(kind, fact_encoder.encode(facts[start:end])))
            start = end
        try:
            self._socket.sendall(frames[0] if len(frames) == 1 else b"".join(frames))
        except OSError as error:
            self._close(f"the connection to the node broke: {error}")

    # -- receiving

    def wait_until(self, done: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Read and hand on commands until `done()` (True) or the timeout (False).

        Raises SessionLostError when the connection is gone and `done()` did not come true.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not done():
            if self.closed_reason is not None:
                raise self.lost()
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                return False
            if not self._read_unless_another_does(done, deadline):
                self._wait_for_reader(done, remaining)
        return True

    def _read_unless_another_does(self, done: Callable[[], bool], deadline: float | None) -> bool:
        # The shield is outside: an interrupt between taking the lock and `try` would leave it locked for ever.
        with self._shields.here() as shield:
            if not self._reading.acquire(blocking=False):
                return False
            try:
                self._read_until(done, deadline, shield)
            finally:
                shield.shut()
                self._reading.release()
                self._notify()
        return True

    def _read_until(self, done: Callable[[], bool], deadline: float | None, shield: Shield) -> None:
        while not done() and self.closed_reason is None:
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                return
            shield.open()
            arrived = self._poll.poll(None if remaining is None else max(1, int(remaining * 1000)))
            shield.shut()
            if arrived:
                self._read_once()

    def _wait_for_reader(self, done: Callable[[], bool], remaining: float | None) -> None:
        """Another thread reads; sleep until it has handed something on or leaves."""
        with self._changed:
            self._waiters += 1
            try:
                if self._reading.locked() and not done():
                    self._changed.wait(1.0 if remaining is None else min(remaining, 1.0))
            finally:
                self._waiters -= 1

    def _read_once(self) -> None:
        """Take what has arrived and hand it on. The caller holds `_reading` and knows that there is something."""
        self._reads += 1
        try:
            data = self._socket.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._close(f"the connection to the node broke: {error}")
            return
        if not data:
            self._close("the node closed the connection: its session has ended")
            return
        for frame in self._reader.feed(data):
            if frame.kind == FrameKind.COMMANDS:
                self._on_commands(command_decoder.decode(frame.payload))
        if self._waiters:
            self._notify()

    def fileno(self) -> int:
        """The socket's descriptor, for an event loop."""
        return self._socket.fileno()

    def read_now(self) -> None:
        """For an event loop: take what has arrived, unless a thread that waits does so."""
        if self._reading.acquire(blocking=False):
            try:
                self._read_once()
            finally:
                self._reading.release()
                self._notify()

    def _notify(self) -> None:
        if self._waiters:
            with self._changed:
                self._changed.notify_all()

    # -- background

    def _background(self) -> None:
        try:
            self._serve()
        except BaseException as error:
            # Without this thread the process would be deaf; better that both sides know.
            self._close(f"this process could not handle what the node sent ({type(error).__name__}: {error})")
            raise
        finally:
            self._notify()
            os.close(self._wake_read)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        wake_read = self._wake_read
        hot_until = 0.0
        reads_seen = 0
        while self.closed_reason is None:
            hot = time.monotonic() < hot_until
            if not hot:
                self.is_cold = True
                if self._facts or self._has_more():
                    self.is_cold = False
                    hot = True
            events = poll.poll(self._flush_s * 1000 if hot else None)
            if self._facts or self._has_more():
                self.flush()
                hot_until = time.monotonic() + HOT_S
            for descriptor, _ in events:
                hot_until = time.monotonic() + HOT_S
                self.is_cold = False
                if descriptor == wake_read:
                    os.read(wake_read, 4096)
                elif self._reading.locked() or (self.has_loop and self._reads != reads_seen):
                    # A waiting thread reads, or an event loop that is not held up. Stay out of its way: level-triggered
                    # polls would wake us for each of its frames.
                    reads_seen = self._reads
                    time.sleep(PARK_S)
                else:
                    self.read_now()

    # -- end

    def lost(self) -> SessionLostError:
        """The error for whoever uses a closed connection."""
        return SessionLostError(
            f"{self.closed_reason}. Start a new session with cellray.init(); references of the old one have no values "
            "any more."
        )

    def end(self, reason: str) -> None:
        """The peer said goodbye: like a broken connection, with a better reason."""
        self._close(reason)

    def _close(self, reason: str) -> None:
        if self.closed_reason is None:
            self.closed_reason = reason
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._on_closed(reason)

    def close(self, reason: str) -> None:
        """Flush and disconnect. Waiting threads get SessionLostError with the reason."""
        self.flush()
        self._close(reason)
        if threading.current_thread() is not self._thread:
            with contextlib.suppress(OSError):
                os.write(self._wake_write, b"\0")
            self._thread.join(timeout=5)
        self._socket.close()
        with contextlib.suppress(OSError):
            os.close(self._wake_write)


def _nothing() -> None:
    pass
