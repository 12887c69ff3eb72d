"""Generators as virtual clients read and yield them: in order, each item once, whoever dies meanwhile."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from cellray.ids import ObjectId, TaskId, item_object_id
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.object import ObjectValue
from cellray.model.task import TaskTemplate

if TYPE_CHECKING:
    from tests.sim.clients import VirtualClient

NOBODY_READS = -1


class VirtualStream:
    """A reader of one generator; `unread` have come and were not taken."""

    def __init__(self, is_paced: bool) -> None:
        self.is_paced = is_paced
        self.taken = 0
        self.has_ended = False
        self.unread: deque[tuple[ObjectId, ObjectValue]] = deque()


class Streams:
    """What one client reads. As the real one it hears nothing of a generator while an earlier reader is leaving."""

    def __init__(self, client: VirtualClient) -> None:
        self._client = client
        self._leaving: Counter[TaskId] = Counter()
        self.open: dict[TaskId, VirtualStream] = {}

    def begin(self, task_id: TaskId, template: TaskTemplate) -> None:
        """The client is about to call a generator."""
        if task_id in self.open:
            self.drop(task_id)
        assert template.stream is not None
        self.open[task_id] = VirtualStream(template.stream.unread_max > 0)

    def receive(self, command: c.ItemsReady) -> None:
        """Items come one after another, none twice and none left out."""
        task_id = TaskId(command.task_id)
        stream = self.open.get(task_id)
        if stream is None or self._leaving[task_id]:
            return
        assert not stream.has_ended, f"items of {task_id.hex()} came after its end"
        assert command.index == stream.taken + len(stream.unread), f"items of {task_id.hex()} left out or doubled"
        stream.unread += [
            (item_object_id(task_id, index), value) for index, value in enumerate(command.values, command.index)
        ]
        stream.has_ended = command.has_ended
        if self._client.reads_at_once or self._client.world.random.random() < 0.6:
            self.take(task_id)

    def left(self, command: c.ReaderLeft) -> None:
        """The node knows of a leave."""
        self._leaving[TaskId(command.task_id)] -= 1
        assert self._leaving[TaskId(command.task_id)] >= 0, "a leave was answered twice"

    def take(self, task_id: TaskId) -> None:
        """Take all that has come: references like any others from then on."""
        stream = self.open[task_id]
        for object_id, value in stream.unread:
            self._client.held[object_id] = None
            self._client.values[object_id] = value
            stream.taken += 1
        if stream.unread and stream.is_paced:
            self._client.tell(f.ItemsTaken(task_id, stream.taken))
        stream.unread.clear()

    def drop(self, task_id: TaskId) -> None:
        """Read no more."""
        stream = self.open.pop(task_id)
        self._leaving[task_id] += 1
        self._client.tell(f.GeneratorDropped(task_id, stream.taken))

    def act(self) -> None:
        """What a program might do with the generators that it reads."""
        random = self._client.world.random
        for task_id in random.sample(list(self.open), min(len(self.open), 2)):
            if random.random() < 0.3:
                self.drop(task_id)
            else:
                self.take(task_id)

    def take_all(self) -> None:
        """Take all that has come of everything."""
        for task_id in self.open:
            self.take(task_id)

    def drop_all(self) -> None:
        """The function that reads them has ended."""
        for task_id in list(self.open):
            self.drop(task_id)


class Producer:
    """The generator that a virtual worker runs: how many it has yielded, and what it knows of its reader."""

    def __init__(self, task_id: TaskId, template: TaskTemplate) -> None:
        self.task_id = task_id
        self.unread_max = template.stream.unread_max if template.stream is not None else -1
        self.yielded = 0
        self.read = 0

    @property
    def must_wait(self) -> bool:
        """Whether too many are unread."""
        return 0 < self.unread_max <= self.yielded - self.read and self.read != NOBODY_READS
