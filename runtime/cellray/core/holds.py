"""Tasks that are held back by something else than an argument: a pause before they are tried again, or the event log.

The first retry goes out at once, because most crashes are accidents. Each further one waits twice as long as the one
before, up to a limit: a task that kills its workers must not have the node fork new ones all the time.

A task that a parent submits which runs again may have ended before, and its results may have been freed since. It must
not run twice: the log is asked first.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from cellray.core.outcome import end_of, last_attempt
from cellray.core.transitions import WAITING, move
from cellray.model.fact import ResultRecalled, TaskFinished, TaskRetried

if TYPE_CHECKING:
    from cellray.config import Config
    from cellray.core.histories import Histories
    from cellray.core.outbox import Outbox
    from cellray.core.task_table import TaskTable
    from cellray.core.tasks import Task
    from cellray.model.history import HistoryFound

DOUBLINGS_MAX = 30
SUBMITTED_AGAIN = "its parent runs again, and has submitted it again"


class Holds:
    """`held` counts as one thing more that the task waits for (`task.missing`)."""

    def __init__(self, tasks: TaskTable, histories: Histories, outbox: Outbox, config: Config) -> None:
        self.held: dict[Task, None] = {}
        self._tasks = tasks
        self._histories = histories
        self._outbox = outbox
        self._due: list[tuple[float, int, Task]] = []
        self._pause_s = config.retry_pause_ms / 1000.0
        self._pause_s_max = config.retry_pause_s_max

    def pause_s(self, attempt: int) -> float:
        """How long attempt number `attempt` (from 0) has to wait after the one before has failed."""
        if attempt < 2:
            return 0.0
        return min(self._pause_s * 2.0 ** min(attempt - 2, DOUBLINGS_MAX), self._pause_s_max)

    def hold_until(self, task: Task, due: float) -> None:
        """A task, just taken from its worker, is to be ready again at that time."""
        move(task, WAITING)
        self._hold(task)
        heapq.heappush(self._due, (due, task.order, task))

    def on_tick(self, at: float) -> None:
        """Let those go whose pause has passed."""
        while self._due and self._due[0][0] <= at:
            _, _, task = heapq.heappop(self._due)
            self._let_go(task)

    def hold_for_log(self, task: Task) -> None:
        """A task that may have ended before, just attached to its arguments."""
        self._hold(task)
        self._histories.ask((task.task_id,), lambda fact, at: self._on_history(task, fact, at))

    def drop(self, task: Task) -> None:
        """The task is final."""
        self.held.pop(task, None)

    def _hold(self, task: Task) -> None:
        self.held[task] = None
        if not task.missing:
            self._tasks.waiting += 1
        task.missing += 1

    def _on_history(self, task: Task, fact: HistoryFound, at: float) -> None:
        if task not in self.held:
            return
        history = fact.found.get(task.task_id)
        end = end_of(history) if history is not None else None
        # Which items of a generator are still there, nobody knows: it runs again. So does what is said to have ended
        # with more or fewer values than it returns.
        is_stream = task.template.spec.stream is not None
        if isinstance(end, TaskFinished) and not is_stream and len(end.values) == len(task.returns):
            del self.held[task]
            self._outbox.facts.append(ResultRecalled(task.task_id, at))
            self._tasks.recall(task, end.values, at)
            return
        if history is not None and end is not None:
            # It failed, and may do better now. What it submitted may have ended too.
            task.attempt = last_attempt(history) + 1
            self._outbox.facts.append(TaskRetried(task.task_id, task.attempt, at, SUBMITTED_AGAIN))
        self._let_go(task)

    def _let_go(self, task: Task) -> None:
        if task in self.held:
            del self.held[task]
            task.missing -= 1
            if not task.missing:
                self._tasks.make_ready(task)
