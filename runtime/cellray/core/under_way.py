"""Which calls of an actor run that may have several at a time, and since when: as far as one can tell from outside.

Of what was sent to it, each concurrency group runs the first that have not ended, up to its limit. That is looked at
with each tick of the clock, and never else: such calls cost the core no more than others, and a call that begins
between two ticks is taken to have begun with the second. When it really began is said with its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cellray.core.tasks import Task

LOOK_MAX = 4096
"""Calls of a long queue that are looked at: a group whose calls stand further back is found when these have ended."""


class UnderWay:
    """The running calls of one actor. `since` is as of the last look."""

    __slots__ = ("_reported", "_slots", "since")

    def __init__(self, slots: dict[str, int]) -> None:
        self._slots = slots
        self._reported: set[Task] = set()
        self.since: dict[Task, float] = {}

    def look(self, sent: Sequence[Task], at: float) -> None:
        """Time passed; `sent` is what the actor has, in the order in which it was sent."""
        if sent or self.since:
            before = self.since
            self.since = {task: before.get(task, at) for task in self._running(sent)}
            self._reported &= self.since.keys()

    def take_long(self, after_s: float, at: float) -> list[tuple[Task, float]]:
        """Calls that have been running for longer than `after_s`, each once, and since when."""
        new = [
            (task, since) for task, since in self.since.items() if at - since > after_s and task not in self._reported
        ]
        self._reported.update(task for task, _ in new)
        return new

    def _running(self, sent: Sequence[Task]) -> Iterator[Task]:
        free = dict(self._slots)
        left = sum(free.values())
        for task in islice(sent, LOOK_MAX):
            group = task.template.spec.concurrency_group
            if free.get(group):
                free[group] -= 1
                left -= 1
                yield task
                if not left:
                    return
