"""What a client has to tell its node: facts and submitted tasks in their order, and before them its direct calls.

The node need not hear of a call that goes over a direct line (`client/direct_line.py`) until it is over, unless it
hears anything else meanwhile: that might follow from the call, or mean it.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable

from cellray.ids import TaskId
from cellray.model.fact import DirectCall, DirectCallsMade, Fact, TasksSubmitted
from cellray.model.task import TaskSpec

CALLS_MAX = 64
"""So many direct calls are told without waiting for something else to tell."""

Submitted = tuple[TaskId, TaskSpec]
"""A task with its parent."""


class Outgoing:
    """Appending is one step for all threads, inside a garbage collection too; whoever takes something has `sending`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.items: deque[Fact | Submitted] = deque()
        self.calls: deque[DirectCall] = deque()
        self.sending = threading.Lock()
        self.kept = 0
        """How many of the items need not leave before somebody flushes."""
        self._clock = clock
        self._calls_seen = 0
        self._newest_seen: Submitted | DirectCall | None = None

    def is_due(self, *, all_of_it: bool) -> bool:
        """Whether there is something to send now."""
        if self.items:
            return True
        if not self.calls:
            return False
        # Who waits may wait for one that is under way: the end of such a one reaches only its caller.
        return all_of_it or len(self.calls) >= CALLS_MAX or any(call.end is None for call in list(self.calls))

    def has_old_calls(self) -> bool:
        """Whether nobody has made direct calls since the last look, so that nothing may come that takes them along."""
        calls = len(self.calls)
        seen, self._calls_seen = self._calls_seen, calls
        return calls >= CALLS_MAX or calls == seen > 0

    def is_young(self) -> bool:
        """Whether all there is is a task, or a direct call under way, that was not there at the last look: who submits
        a single one mostly waits for it next, and sends it so, or another way."""
        newest: Submitted | DirectCall | None = self.lone_task()
        if not self.items:
            newest = next((call for call in reversed(list(self.calls)) if call.end is None), None)
        seen, self._newest_seen = self._newest_seen, newest
        return newest is not seen and newest is not None

    def take(self) -> list[Fact]:
        """All of it; the tasks of one parent that follow each other as one fact."""
        items = self.items
        count = len(items)  # before the calls, one of which may begin at this moment, and what follows from it be added
        self.kept = 0
        facts: list[Fact] = []
        if calls := self._take_calls():
            facts.append(DirectCallsMade(calls))
        tasks: list[TaskSpec] = []
        parent_id: TaskId | None = None
        for _ in range(count):
            item = items.popleft()
            if not isinstance(item, tuple):
                facts.append(item)
                parent_id = None
            elif item[0] is parent_id:
                tasks.append(item[1])
            else:
                parent_id = item[0]
                tasks = [item[1]]
                facts.append(TasksSubmitted(parent_id, self._clock(), tasks))
        return facts

    def _take_calls(self) -> list[DirectCall]:
        """Who has made them withdraws them without asking."""
        calls: list[DirectCall] = []
        with contextlib.suppress(IndexError):
            while self.calls:
                calls.append(self.calls.popleft())
        return calls

    def lone_task(self) -> Submitted | None:
        """The task that is all there is to be sent."""
        if len(self.items) != 1:
            return None
        try:
            item = self.items[0]
        except IndexError:
            return None  # another thread sends it at this moment
        return item if isinstance(item, tuple) else None

    def divert(self, lone: Submitted, call: DirectCall, may: Callable[[], bool], send: Callable[[], None]) -> bool:
        """Send a lone task another way, while nobody can send anything; False if it is not alone any more, or may not
        go that way any more."""
        with self.sending:
            if self.lone_task() is not lone or not may():
                return False
            send()  # raises when it cannot: nothing has changed then
            self.items.popleft()
            self.calls.append(call)
        return True

    def recall(self, lone: Submitted, call: DirectCall) -> None:
        """The other way has failed: it is a task like any other, unless the node has heard of it already."""
        with self.sending:
            if self.withdraw(call):
                self.items.appendleft(lone)

    def withdraw(self, call: DirectCall) -> bool:
        """A direct call has ended, and the node need not hear that it is under way; False if it has."""
        try:
            self.calls.remove(call)
        except ValueError:
            return False
        return True
