"""One run of a remote cell: its tasks, what became of them, and how it is ended."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cellray.exceptions import SessionError, TaskCancelledError

from cellray_kernel.progress import Progress
from cellray_kernel.session import CellSession, LiveCounts

ERRORS_KEPT_MAX = 20
FOLLOW_AFTER_S = 1.0
FOLLOWED_TASKS_MAX = 5_000
"""Reading the counts takes time for each task that has not ended, several times a second."""
WAIT_STEP_S = 0.1
RATE_WINDOW_S = 5.0
RATE_ENDS_MIN = 3
RATE_ENDS_MAX = 1_000
"""The rate is that of the ends within the window, at most of so many."""


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """One failed task of the run."""

    index: int
    element: str
    error: BaseException


class CellRun:
    """Counts ends as they come, on whatever thread; `on_change` is called after each, without the lock."""

    def __init__(
        self,
        session: CellSession,
        label: str,
        *,
        expected: int = 1,
        fail_fast: bool = False,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = label
        self.elements: dict[bytes, str] = {}
        self.failures: list[TaskFailure] = []
        self.note = ""
        self._expected = expected
        self._session = session
        self._fail_fast = fail_fast
        self.on_change = on_change
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = threading.Event()
        # The run holds no reference to what has ended: results live as long as the notebook's names for them.
        self._pending: dict[int, Any] = {}
        self._finished = self._failed = self._cancelled = 0
        self._ended_times: deque[float] = deque(maxlen=RATE_ENDS_MAX)
        self._is_complete = False
        self._started_at = clock()
        self._ended_at: float | None = None
        self._read_live: Callable[[], LiveCounts] | None = None

    def add(self, ref: Any, element: str = "") -> None:
        """A task that was just submitted, by the reference that tells its end. `element` reads `seed=17`."""
        with self._lock:
            index = len(self.elements)
            self.elements[self._session.task_id(ref)] = element
            self._pending[index] = ref
        self._session.watch(ref, lambda error: self._on_task_ended(index, element, error))

    def complete(self) -> None:
        """All tasks that there will be are submitted: the run ends when they have."""
        with self._lock:
            self._is_complete = True
            self._expected = len(self.elements)
            self._settle()
        self.on_change()

    def _on_task_ended(self, index: int, element: str, error: BaseException | None) -> None:
        with self._lock:
            if self._pending.pop(index, None) is None:
                return
            if error is None:
                self._finished += 1
            elif isinstance(error, TaskCancelledError):
                self._cancelled += 1
            else:
                self._failed += 1
                if len(self.failures) < ERRORS_KEPT_MAX:
                    self.failures.append(TaskFailure(index, element, error))
            self._ended_times.append(self._clock())
            stop = self._fail_fast and self._failed > 0
            self._fail_fast = self._fail_fast and not stop
            self._settle()
        if stop:
            # Not on this thread: it is the one that reads what the node says.
            why = "stopped at the first failure (--fail-fast)"
            threading.Thread(target=self.cancel, args=(why,), daemon=True).start()
        self.on_change()

    def _settle(self) -> None:
        if self._is_complete and not self._pending and self._ended_at is None:
            self._ended_at = self._clock()
            self._ended.set()

    @property
    def is_ended(self) -> bool:
        """Whether all of its tasks have."""
        return self._ended.is_set()

    @property
    def first_failure(self) -> TaskFailure | None:
        """The failed task that was submitted first, as far as known; cancelled ones do not count."""
        return min(self.failures, key=lambda failure: failure.index, default=None)

    def progress(self) -> Progress:
        """The counts at this moment."""
        live = self._live_counts()
        with self._lock:
            ended_at = self._clock() if self._ended_at is None else self._ended_at
            return Progress(
                self.label,
                total=self._expected,
                finished=self._finished,
                failed=self._failed,
                cancelled=self._cancelled,
                running=min(live.running, len(self._pending)),
                retried=live.retried,
                elapsed_s=max(0.0, ended_at - self._started_at),
                rate_per_s=self._rate_per_s(),
                note=self.note,
                is_complete=self._is_complete,
            )

    def _rate_per_s(self) -> float:
        """Ends a second, lately: the time that workers took to start says nothing of what is left."""
        now = self._clock()
        lately = [at for at in self._ended_times if at > now - RATE_WINDOW_S]
        span_s = now - lately[0] if lately else 0.0
        return (len(lately) - 1) / span_s if len(lately) >= RATE_ENDS_MIN and span_s > 0 else 0.0

    def _live_counts(self) -> LiveCounts:
        """From the event log, which a short run is not worth following for."""
        if self._read_live is None:
            due = self._clock() - self._started_at >= FOLLOW_AFTER_S
            if not due or self.is_ended or not 0 < len(self.elements) <= FOLLOWED_TASKS_MAX or not self._is_complete:
                return LiveCounts()
            try:
                self._read_live = self._session.follow(list(self.elements))
            except SessionError:
                self._read_live = LiveCounts
        return self._read_live()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until the run has ended (True) or the timeout has passed; a KeyboardInterrupt gets through."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._ended.wait(WAIT_STEP_S):
            if deadline is not None and time.monotonic() >= deadline:
                return False
        return True

    def cancel(self, why: str) -> int:
        """Cancel what has not ended, with all that it submitted; how many tasks that were. `why` is shown."""
        with self._lock:
            refs = [self._pending[index] for index in sorted(self._pending)]
            if refs:
                self.note = why
        for ref in refs:
            self._session.cancel(ref)
        self.on_change()
        return len(refs)

    def owns(self, ref: Any) -> bool:
        """Whether `ref` is a result of this run."""
        return self._session.task_id(ref) in self.elements


class CellRuns:
    """The latest run of each cell: running a cell again ends what its previous run still does."""

    def __init__(self) -> None:
        self._runs: dict[str, CellRun] = {}

    def previous(self, cell_id: str | None) -> CellRun | None:
        """The last run of the cell. A kernel client that names no cells has none."""
        return self._runs.get(cell_id) if cell_id else None

    def supersede(self, cell_id: str | None, needed: Sequence[Any], label: str) -> str:
        """End the previous run of the cell unless the new one takes a result of it; what to say about it, or ''."""
        previous = self.previous(cell_id)
        if previous is None or previous.is_ended or any(map(previous.owns, needed)):
            return ""
        number = previous.cancel(f"superseded by {label}")
        return f"replaces the run of {previous.label} ({number} cancelled)" if number else ""

    def begin(self, cell_id: str | None, run: CellRun) -> None:
        """Remember the new run."""
        if cell_id:
            self._runs[cell_id] = run

    def running(self) -> list[CellRun]:
        """Runs that have not ended."""
        return [run for run in self._runs.values() if not run.is_ended]
