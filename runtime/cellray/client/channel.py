"""A client's connection to its node, shared by drivers and workers.

Facts are buffered and leave in batches; whoever waits for an answer reads the socket itself, so that a blocking
round trip costs no thread switch, and one background thread reads and flushes while nobody waits. The background
thread looks at the buffer every flush interval while there is something to send at each look, or many short waits; else
it sleeps, and the next fact wakes it. As long as somebody else reads now and then it keeps away from the socket, where
each frame would wake it for nothing, and looks every 20 ms. Who waits for longer than that wakes it at the end, so that
nobody has to look meanwhile. Nothing here knows what facts and commands mean.

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
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from cellray.awake import CAN_YIELD, Vigil
from cellray.client.interrupts import NO_SHIELD, Shield, Shields
from cellray.client.outgoing import Outgoing
from cellray.errors import SessionLostError
from cellray.ids import TaskId
from cellray.model.command import ClientCommand, command_decoder
from cellray.model.fact import UNLOGGED, Fact, fact_encoder
from cellray.model.task import TaskSpec
from cellray.store import usable_cpus
from cellray.wire import FrameKind, FrameReader, pack_frame

RECEIVE_BYTES = 1 << 18
"""Into memory that stays: the allocator would get as much from the system for each frame, and give it back."""
BESIDE_S = 0.02
"""Who has read is left alone for that long. One that has not read since then may be held up, or is done."""
KEPT_S = 0.01
"""What was kept for somebody to flush who has not read for that long is flushed by the background thread."""
IDLE_LOOKS_MAX = 3
"""The background thread goes to sleep when it has found nothing to do so often."""
BUSY_READS = 4
"""So many waits between two looks, and it is cheaper to look again than to be woken by each."""
LOOK_AGAIN_S = 1.0
AWAKE_S = 0.0002
"""An answer that is likely to come within this time is waited for awake: to fall asleep and to be woken on another core
takes longer than the node takes for a task."""
CAN_STAY_AWAKE = usable_cpus() > 1 and CAN_YIELD
_UNLOGGED = frozenset(UNLOGGED)
# Plain integers: looking a member up runs Python code.
FACTS: Final[int] = FrameKind.FACTS.value
REQUESTS: Final[int] = FrameKind.REQUESTS.value
COMMANDS: Final[int] = FrameKind.COMMANDS.value


class BeforeFlush(Protocol):
    """See `Channel`."""

    def __call__(self, *, all_of_it: bool) -> None: ...


class Channel:
    """One connection. `on_commands` gets each frame's commands in order, on whichever thread reads.

    `before_flush` may add facts that must not stay behind (reference counts), and with `all_of_it` those too that
    may for a while; `has_more` says whether it is time for them. Neither may block.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        on_commands: Callable[[list[ClientCommand]], None],
        on_closed: Callable[[str], None],
        before_flush: BeforeFlush,
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
        self.on_leaving: Callable[[list[Fact]], None] | None = None
        """Gets what is sent, before it is."""
        self._has_more = has_more
        self._flush_s = flush_ms / 1000
        self._batch_max = batch_max
        self._reader = FrameReader(frame_bytes_max)
        self._received = memoryview(bytearray(RECEIVE_BYTES))
        self.outgoing = Outgoing(clock)
        self._buffer = self.outgoing.items
        self._watched: dict[int, Callable[[], None]] = {}
        self._reading = threading.Lock()
        self._changed = threading.Condition()
        self._waiters = 0
        self._is_pausing = False
        """Whether who reads leaves the socket alone for a moment."""
        self._waits = 0
        """How often somebody has waited at the socket who may have sent something before."""
        self._read_at = 0.0
        """When somebody but the background thread has begun to wait at the socket, or has read from it, last."""
        self._vigil = Vigil()
        self._is_answered_soon = False
        """Whether the last wait was so short that going to sleep would have been most of it."""
        self.is_cold = False
        """Whether the background thread sleeps, so that it is to be nudged when there is something to send."""
        self.is_away = False
        """Whether it would sleep for ever. Else it looks at the buffer within 20 ms by itself."""
        self.shields = Shields()
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
        self._buffer.append(fact)
        if self.is_cold:
            self.nudge()

    def keep(self, fact: Fact) -> None:
        """Put a fact into the buffer for who flushes soon and wake nobody. If it does not, because it is held up, the
        background thread does when nobody has read for 10 ms, at one of its looks, unless it `is_away`."""
        self.outgoing.kept += 1
        self._buffer.append(fact)

    def add_task(self, parent_id: TaskId, spec: TaskSpec) -> None:
        """Put a submitted task into the buffer; it leaves together with its parent's others."""
        buffer = self._buffer
        buffer.append((parent_id, spec))
        if len(buffer) >= self._batch_max:
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
        if self.closed_reason is None:
            with self.shields.here():
                self._flush(all_of_it=True)

    def _flush(self, *, all_of_it: bool) -> None:
        self.before_flush(all_of_it=all_of_it)
        outgoing = self.outgoing
        if outgoing.is_due(all_of_it=all_of_it):
            with outgoing.sending:
                facts = outgoing.take()
                if self.on_leaving is not None:
                    self.on_leaving(facts)
                self._send_frames(facts)
                self.after_flush()

    def _send_frames(self, facts: list[Fact]) -> None:
        """Consecutive facts of one kind make one frame, so that the node can log a frame as it came."""
        frames = b""
        start, count = 0, len(facts)
        while start < count:
            unlogged = type(facts[start]) in _UNLOGGED
            end = start + 1
            while end < count and (type(facts[end]) in _UNLOGGED) is unlogged:
                end += 1
            part = facts if end - start == count else facts[start:end]
            frames += pack_frame(REQUESTS if unlogged else FACTS, fact_encoder.encode(part))
            start = end
        try:
            self._socket.sendall(frames)
        except OSError as error:
            self._close(f"the connection to the node broke: {error}")

    # -- receiving

    def wait_until(
        self,
        done: Callable[[], object],
        timeout_s: float | None = None,
        *,
        may_be_interrupted: bool = True,
        pause_s: Callable[[], float] | None = None,
    ) -> bool:
        """Send what is buffered, then read and hand on commands until `done()` (True) or the timeout (False).

        Raises SessionLostError when the connection is gone and `done()` did not come true. Where no interrupt is ever
        raised (`may_be_interrupted`), none needs to be held back. `pause_s` says after each read for how long what
        arrives may be left alone, unless another thread waits too.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        # The shield is outside: an interrupt between taking the lock and `try` would leave it locked for ever.
        with self.shields.here() if may_be_interrupted else NO_SHIELD as shield:
            if self.closed_reason is None:
                self._flush(all_of_it=False)
            while not done():
                if self.closed_reason is not None:
                    raise self.lost()
                if not self._reading.acquire(blocking=False):
                    if not self._wait_for_reader(done, deadline, shield):
                        return False
                    continue
                if may_be_interrupted:  # else it is a worker between tasks, which adds nothing that wakes anybody
                    self._waits += 1
                try:
                    return self._read_until(done, deadline, shield, pause_s)
                finally:
                    self._end_reading()
        return True

    def _read_until(
        self,
        done: Callable[[], object],
        deadline: float | None,
        shield: Shield,
        pause_s: Callable[[], float] | None,
    ) -> bool:
        if done():
            return True  # another thread has read it since we looked, and left
        remaining_ms = None
        began = self._read_at = time.monotonic()
        if self._is_answered_soon:
            poll = self._poll
            self._vigil.look(lambda: shield.wait(poll, 0), AWAKE_S)
        while self.closed_reason is None:
            if deadline is not None:
                remaining_ms = (deadline - time.monotonic()) * 1000
                if remaining_ms <= 0:
                    return False
            if ready := shield.wait(self._poll, remaining_ms):
                if self._watched:
                    self._read_any(ready)
                else:
                    self._read_once()
                if done():
                    now = self._read_at = time.monotonic()
                    self._is_answered_soon = CAN_STAY_AWAKE and now - began < AWAKE_S
                    return True
                if pause_s is not None and (rest_s := pause_s()):
                    self._pause(rest_s if deadline is None else min(rest_s, deadline - time.monotonic()), shield)
        if done():
            return True
        raise self.lost()

    def _pause(self, seconds: float, shield: Shield) -> None:
        """Sleep, with the socket, until another thread waits for something too."""
        try:
            shield.open()
            with self._changed:
                if not self._waiters and seconds > 0:
                    self._is_pausing = True
                    self._changed.wait(seconds)
        finally:
            self._is_pausing = False
            shield.shut()

    def _wait_for_reader(self, done: Callable[[], object], deadline: float | None, shield: Shield) -> bool:
        """Another thread reads; sleep until it has handed something on or leaves. False when the time is over."""
        wait_s = LOOK_AGAIN_S if deadline is None else min(deadline - time.monotonic(), LOOK_AGAIN_S)
        if wait_s <= 0:
            return False
        try:
            shield.open()
            with self._changed:
                self._waiters += 1
                if self._is_pausing:
                    self._changed.notify_all()
                try:
                    if self._reading.locked() and not done():
                        self._changed.wait(wait_s)
                finally:
                    self._waiters -= 1
        finally:
            shield.shut()
        return True

    def _read_once(self) -> None:
        """Take what has arrived and hand it on. The caller holds `_reading` and knows that there is something."""
        try:
            count = self._socket.recv_into(self._received, 0, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._close(f"the connection to the node broke: {error}")
            return
        if not count:
            self._close("the node closed the connection: its session has ended")
            return
        for kind, payload in self._reader.feed(bytes(self._received[:count])):
            if kind == COMMANDS:
                self._on_commands(command_decoder.decode(payload))
        if self._waiters:
            self._notify()

    def watch(self, descriptor: int, on_readable: Callable[[], None]) -> None:
        """Whoever waits looks at this descriptor as well. Not for the background thread."""
        self._watched[descriptor] = on_readable
        self._poll.register(descriptor, select.POLLIN)

    def unwatch(self, descriptor: int) -> None:
        """No more."""
        if self._watched.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def _read_any(self, ready: Sequence[tuple[int, int]]) -> None:
        """The socket last: what came over it may follow from what came elsewhere, never the other way round."""
        is_socket_ready = False
        for descriptor, _ in ready:
            on_readable = self._watched.get(descriptor)
            if on_readable is not None:
                on_readable()
            else:
                is_socket_ready = True
        if is_socket_ready:
            self._read_once()

    def note_wait(self) -> None:
        """Somebody has waited, though not at the socket: the background thread keeps away."""
        self._waits += 1
        self._read_at = time.monotonic()

    @property
    def peer_address(self) -> str:
        """The path of the node's socket."""
        address = self._socket.getpeername()
        return address if isinstance(address, str) else ""

    def fileno(self) -> int:
        """The socket's descriptor, for an event loop."""
        return self._socket.fileno()

    def read_now(self) -> None:
        """For an event loop: take what has arrived, unless a thread that waits does so."""
        if self._reading.acquire(blocking=False):
            self._read_at = time.monotonic()
            try:
                self._read_once()
            finally:
                self._end_reading()

    def _end_reading(self) -> None:
        self._reading.release()
        if self._waiters:
            self._notify()
        if self.is_away:
            self.nudge()  # the socket is the background thread's now

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
        wake_read = self._wake_read
        alone, beside_readers = select.poll(), select.poll()
        alone.register(self._socket, select.POLLIN)
        for poll in (alone, beside_readers):
            poll.register(wake_read, select.POLLIN)
        flush_ms = self._flush_s * 1000
        waits_before = idle_looks = 0
        while self.closed_reason is None:
            waits = self._waits - waits_before
            waits_before += waits
            since_read_s = time.monotonic() - self._read_at
            has_to_flush = self._has_to_flush()
            if (has_to_flush or (self._buffer and since_read_s >= KEPT_S)) and not self.outgoing.is_young():
                self.flush()
            # What was kept says nothing of what will come: who keeps it is held up, by a task perhaps.
            idle_looks = 0 if has_to_flush or waits >= BUSY_READS else idle_looks + 1
            is_beside = self._reading.locked() or since_read_s < BESIDE_S
            wait_ms: float | None = flush_ms
            if idle_looks >= IDLE_LOOKS_MAX:
                wait_ms = (BESIDE_S - since_read_s) * 1000 if since_read_s < BESIDE_S else None
                self.is_away = wait_ms is None
                self.is_cold = True
                if self._has_to_flush() or (self.is_away and is_beside and not self._reading.locked()):
                    continue  # who added it, or has stopped to read, could not see yet that we sleep
            for descriptor, _ in (beside_readers if is_beside else alone).poll(wait_ms):
                if descriptor == wake_read:
                    os.read(wake_read, 4096)
                elif self._reading.acquire(blocking=False):
                    try:
                        self._read_once()
                    finally:
                        self._reading.release()
                        self._notify()
            self.is_cold = self.is_away = False

    def _has_to_flush(self) -> bool:
        # All are asked, each time: they compare with the last.
        outgoing = self.outgoing
        has_old_calls = outgoing.has_old_calls() if outgoing.calls else False
        return self._has_more() or has_old_calls or len(outgoing.items) > outgoing.kept

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
        with self.outgoing.sending:
            pass  # another thread may be at it with what it took
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
