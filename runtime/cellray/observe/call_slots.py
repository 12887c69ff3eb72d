"""Which calls of an actor run that may have several at a time: in each concurrency group the first that were sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from cellray.observe.records import TaskRecord


class CallSlots:
    """What one worker, which is such an actor, has been sent and has not ended."""

    def __init__(self, slots: Mapping[str, int]) -> None:
        self._free = dict(slots)
        self._waiting: dict[str, deque[TaskRecord]] = {}

    def add(self, record: TaskRecord) -> bool:
        """A call was sent; whether it runs at once."""
        group = record.template.group
        if self._free.get(group, 0) > 0:
            self._free[group] -= 1
            return True
        self._waiting.setdefault(group, deque()).append(record)
        return False

    def remove(self, record: TaskRecord) -> TaskRecord | None:
        """A call is not there any more; which one runs in its place."""
        group = record.template.group
        waiting = self._waiting.get(group)
        if waiting and record in waiting:
            waiting.remove(record)
            return None
        if waiting and self._free.get(group, 0) >= 0:
            return waiting.popleft()
        self._free[group] = self._free.get(group, 0) + 1
        return None

    def run_now(self, record: TaskRecord) -> None:
        """The actor itself knows better: this one runs, though it seemed to wait."""
        waiting = self._waiting.get(record.template.group)
        if waiting and record in waiting:
            waiting.remove(record)
            self._free[record.template.group] -= 1
