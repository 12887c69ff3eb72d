"""Tails an event log on a background thread: the one reader behind all views, progress lines and tools of a process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import msgspec

from cellray.clock import SystemClock
from cellray.config import Config
from cellray.errors import SessionError
from cellray.model.fact import decode_facts
from cellray.observe.changes import Changes
from cellray.observe.fold import LogFold
from cellray.ports import Clock, LogReader, LogRecord

RECORDS_MAX = 500
"""Records asked for at once; the lock is free in between."""
IDLE_LOOK_S = 1.0
"""While the log is silent listeners are told so this often, that rates may fall to nothing."""
RETRY_S_MIN = 0.1
RETRY_S_MAX = 2.0
"""Pauses between attempts while the GCS does not answer; doubled each time."""

Notice = Callable[[], None]
Listener = Callable[[Changes], Notice | None]
"""Called under the lock with what changed; what it returns is called outside the lock."""

log = logging.getLogger(__name__)


class LogFollower:
    """Applies a log to a fold as it grows, and tells listeners at most once in `follow_interval_ms`.

    The thread starts with the first listener, `start` or `wait_for`, and ends with `close`, which closes the reader
    too. `lock` guards the fold. While the GCS does not answer, `disconnected_since` says since when and reading goes
    on by itself afterwards. `missed_records` were no longer in the log when it was read, `unreadable_records` are
    those of which nothing could be made, such as a newer version's.
    """

    def __init__(
        self,
        reader: LogReader,
        fold: LogFold | None = None,
        *,
        config: Config | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.fold = fold if fold is not None else LogFold()
        self.lock = threading.RLock()
        self.sequence = 0
        self.disconnected_since: float | None = None
        self.missed_records = 0
        self.unreadable_records = 0
        self._reader = reader
        self._clock = clock or SystemClock()
        self._interval_s = (config or Config()).follow_interval_ms / 1000
        self._listeners: list[Listener] = []
        self._applied = threading.Condition(self.lock)
        self._hurry = threading.Event()
        self._stopping = threading.Event()
        self._waiting = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._told_at: float | None = None
        self._told_disconnected: float | None = None

    def start(self) -> None:
        """Start following, unless it has started or is over."""
        with self.lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="cellray-follow", daemon=True)
                self._thread.start()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` of changes, from now until the returned function is called. Starts following."""
        with self.lock:
            self._listeners.append(listener)
        self.start()

        def stop() -> None:
            with self.lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def wait_for(self, predicate: Callable[[LogFold], bool], timeout_s: float) -> bool:
        """Wait until `predicate` holds for the fold (True), or the time is up or the follower closed (False).

        It is called under the lock after each read, and reading does not pause meanwhile.
        """
        self.start()
        with self.lock:
            self._waiting += 1
            self._hurry.set()
            try:
                self._applied.wait_for(lambda: self._closed or predicate(self.fold), timeout_s)
                return predicate(self.fold)
            finally:
                self._waiting -= 1
                if not self._waiting and not self._closed:
                    self._hurry.clear()

    @property
    def has_listeners(self) -> bool:
        """Whether anybody is told of changes."""
        return bool(self._listeners)

    def wait_told(self, timeout_s: float) -> bool:
        """Wait until listeners have been told of all that has been read."""
        with self.lock:
            return self._applied.wait_for(lambda: self._closed or not self.fold.ledger.changes, timeout_s)

    def close(self) -> None:
        """Stop following and close the reader. The fold stays as it is."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            self._stopping.set()
            self._hurry.set()
            self._applied.notify_all()
        self._reader.close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        retry_s = RETRY_S_MIN
        while not self._stopping.is_set():
            try:
                records = self._reader.read(self.sequence, RECORDS_MAX)
                self.disconnected_since = None
                retry_s = RETRY_S_MIN
                if records:
                    self._apply(records)
                if self._is_due():
                    self._tell()
                if len(records) < RECORDS_MAX:
                    self._rest()
            except (SessionError, OSError):
                self._note_disconnected()
                self._stopping.wait(retry_s)
                retry_s = min(2 * retry_s, RETRY_S_MAX)
            except Exception:
                # A reader that was closed under us may raise what it likes; anything else is a bug to be seen.
                if not self._stopping.is_set():
                    log.exception("following the event log stopped")
                    self._note_disconnected()
                return

    def _apply(self, records: list[LogRecord]) -> None:
        for record in records:
            try:
                facts = decode_facts(record.facts)
            except msgspec.DecodeError:
                facts = None
            with self.lock:
                if record.sequence <= self.sequence:
                    continue
                self.missed_records += record.sequence - self.sequence - 1
                self.sequence = record.sequence
                if facts is None:
                    self.unreadable_records += 1
                else:
                    self.fold.apply(facts, record.source, record.node_id)
        with self.lock:
            self._applied.notify_all()

    def _rest(self) -> None:
        """Until the next look: the rest of the interval, so that all that comes meanwhile is told together, or, when
        somebody waits or the interval has passed, until the log grows."""
        due_s = self._due_in_s(self._interval_s)
        if due_s > 0 and not self._hurry.is_set():
            self._hurry.wait(due_s)
        else:
            self._reader.wait(self.sequence, due_s or IDLE_LOOK_S)

    def _is_due(self) -> bool:
        news = bool(self.fold.ledger.changes) or self.disconnected_since != self._told_disconnected
        return self._due_in_s(self._interval_s if news else max(self._interval_s, IDLE_LOOK_S)) == 0

    def _due_in_s(self, interval_s: float) -> float:
        """Seconds until listeners may be told again. A wall clock that was set back does not stop them."""
        if self._told_at is None:
            return 0.0
        since_s = self._clock.now() - self._told_at
        return max(0.0, interval_s - since_s) if since_s >= 0 else 0.0

    def _tell(self) -> None:
        notices: list[Notice] = []
        with self.lock:
            changes = self.fold.take_changes()
            self._told_at = self._clock.now()
            self._told_disconnected = self.disconnected_since
            for listener in list(self._listeners):
                try:
                    notice = listener(changes)
                except Exception:
                    # One broken view must not stop the others; it is not asked again.
                    log.exception("a view of the event log failed and is no longer told")
                    self._listeners.remove(listener)
                    continue
                if notice is not None:
                    notices.append(notice)
            self._applied.notify_all()
        for give in notices:
            try:
                give()
            except Exception:
                log.exception("a view could not take its news")

    def _note_disconnected(self) -> None:
        if self.disconnected_since is None and not self._stopping.is_set():
            self.disconnected_since = self._clock.now()
            self._tell()
