"""Questions of the core to the event log: what it tells of tasks that the core has forgotten.

The core keeps no record of what has ended. Who needs one again (recovery, actors that are rebuilt) asks here, and goes
on in `then` when the node's shell has looked, which may be some `handle` later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cellray.model.history import HistoryFound

if TYPE_CHECKING:
    from cellray.core.outbox import Outbox
    from cellray.ids import TaskId

Then = Callable[[HistoryFound, float], None]
"""Called with the answer and the time."""


class Histories:
    """Questions that wait for their answers. Equal ones are answered in the order in which they were asked."""

    def __init__(self, outbox: Outbox) -> None:
        self._waiting: dict[tuple[TaskId, ...], deque[Then]] = {}
        self._outbox = outbox

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._waiting)

    def ask(self, task_ids: Sequence[TaskId], then: Then) -> None:
        """Look the tasks up, with all that was logged of them until now."""
        question = tuple(task_ids)
        self._waiting.setdefault(question, deque()).append(then)
        self._outbox.questions.append(question)

    def on_found(self, fact: HistoryFound, at: float) -> bool:
        """An answer; whether anybody had asked."""
        thens = self._waiting.get(fact.task_ids)
        if thens is None:
            return False
        then = thens.popleft()
        if not thens:
            del self._waiting[fact.task_ids]
        then(fact, at)
        return True
