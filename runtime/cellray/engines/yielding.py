"""Items of the generators that run in this process, on their way to the node: gathered until the next flush, and held
up while too many have not been read."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cellray.ids import TaskId
from cellray.model.command import ItemsRead
from cellray.model.fact import ItemsYielded
from cellray.model.object import ObjectValue

if TYPE_CHECKING:
    from cellray.client.channel import Channel

LEND_AFTER_S = 0.01
"""A generator that waits this long for its reader lends its resources out, as one that waits in `get` does."""
NOBODY_READS = -1


class Yielding:
    """Used by the thread that runs the generator; `drain` by whoever flushes."""

    def __init__(
        self,
        channel: Callable[[], Channel],
        on_change: Callable[[], None],
        lend: Callable[[], contextlib.AbstractContextManager[None]],
        now: Callable[[], float],
        batch_max: int,
    ) -> None:
        self._channel = channel
        self._on_change = on_change
        self._lend = lend
        self._now = now
        self._batch_max = batch_max
        self._pending: deque[tuple[TaskId, int, ObjectValue]] = deque()
        self._read: dict[TaskId, int] = {}

    @property
    def has_events(self) -> bool:
        """Whether `drain` has something to do."""
        return bool(self._pending)

    def add(self, task_id: TaskId, index: int, value: ObjectValue) -> None:
        """The next item of a generator; leaves with the others within the flush interval."""
        self._pending.append((task_id, index, value))
        if len(self._pending) >= self._batch_max:
            self._channel().flush()
        else:
            self._on_change()

    def begin(self, task_id: TaskId) -> None:
        """A generator begins."""
        self._read[task_id] = 0

    def wait_for_reader(self, task_id: TaskId, count: int, unread_max: int) -> bool:
        """Until fewer than `unread_max` of `count` items are unread; False when nobody reads on."""

        def may_go_on() -> bool:
            read = self._read[task_id]
            return read == NOBODY_READS or count - read < unread_max

        if not may_go_on():
            channel = self._channel()
            channel.flush()
            if not channel.wait_until(may_go_on, LEND_AFTER_S):
                with self._lend():
                    channel.wait_until(may_go_on)
        return self._read[task_id] != NOBODY_READS

    def end(self, task_id: TaskId) -> None:
        """The generator has come to its end."""
        del self._read[task_id]

    def on_read(self, command: ItemsRead) -> None:
        """The node tells how far a reader has come, or that it has left."""
        if command.task_id in self._read:
            self._read[command.task_id] = command.count

    def drain(self) -> Sequence[ItemsYielded]:
        """What was yielded since the last time, one fact for consecutive items of one task."""
        facts: list[ItemsYielded] = []
        values: list[ObjectValue] = []
        last = TaskId(b"")
        for _ in range(len(self._pending)):
            task_id, index, value = self._pending.popleft()
            if task_id != last:
                values, last = [], task_id
                facts.append(ItemsYielded(task_id, index, self._now(), values))
            values.append(value)
        return facts
