"""Items of the generators that run in this process, on their way to the node: gathered until the next flush, and held
up while too many have not been read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from cellray.engines.lending import Lending, Lent
from cellray.ids import TaskId
from cellray.model.command import ItemsRead
from cellray.model.fact import ItemsYielded
from cellray.model.object import ObjectValue

if TYPE_CHECKING:
    from cellray.client.channel import Channel

LEND_AFTER_S = 0.01
"""A generator that waits this long for its reader lends its resources out, as one that waits in `get` does."""
NOBODY_READS = -1
Item = tuple[TaskId, int, ObjectValue]


class Yielding:
    """Used by the threads that run generators; whoever flushes takes from `pending` what they have yielded."""

    def __init__(
        self, channel: Callable[[], Channel], pending: deque[Item], lending: Lending | None, batch_max: int
    ) -> None:
        self._channel = channel
        self._pending = pending
        self._lending = lending
        self._batch_max = batch_max
        self._read: dict[TaskId, int] = {}

    def begin(self, task_id: TaskId) -> None:
        """A generator begins."""
        self._read[task_id] = 0

    def add(self, task_id: TaskId, index: int, value: ObjectValue) -> None:
        """The next item of a generator; leaves with the others within the flush interval."""
        self._pending.append((task_id, index, value))
        if len(self._pending) >= self._batch_max:
            self._channel().flush()
        else:
            self._channel().nudge()

    def wait_for_reader(self, task_id: TaskId, count: int, unread_max: int) -> bool:
        """Until fewer than `unread_max` of `count` items are unread; False when nobody reads on."""

        def may_go_on() -> bool:
            read = self._read[task_id]
            return read == NOBODY_READS or count - read < unread_max

        if not may_go_on():
            channel = self._channel()
            channel.flush()
            if not channel.wait_until(may_go_on, LEND_AFTER_S):
                with Lent(self._lending):
                    channel.wait_until(may_go_on)
        return self._read[task_id] != NOBODY_READS

    def end(self, task_id: TaskId) -> None:
        """The generator has come to its end."""
        del self._read[task_id]

    def on_read(self, command: ItemsRead) -> None:
        """The node tells how far a reader has come, or that it has left."""
        if command.task_id in self._read:
            self._read[command.task_id] = command.count


def gather(pending: deque[Item], at: float) -> list[ItemsYielded]:
    """Take what was yielded, one fact for consecutive items of one task."""
    facts: list[ItemsYielded] = []
    values: list[ObjectValue] = []
    last = TaskId(b"")
    for _ in range(len(pending)):
        task_id, index, value = pending.popleft()
        if task_id != last:
            values, last = [], task_id
            facts.append(ItemsYielded(task_id, index, at, values))
        values.append(value)
    return facts
