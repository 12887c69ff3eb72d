"""Generators that this process called: which of their items have come, and which have been taken.

The node sends items unasked, and holds each for this process from then on. A taken one is a reference like any other;
those that nobody took go with the generator.

A task that runs again in the same process calls the same generator again. What the node had sent to the earlier reader
must not reach the later one: that one hears nothing until the node has answered that the earlier one left.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from cellray.ids import ObjectId, TaskId, item_object_id
from cellray.model.command import ItemsReady, ReaderLeft
from cellray.model.fact import GeneratorDropped, ItemsTaken
from cellray.model.object import ObjectValue
from cellray.model.task import StreamOptions

if TYPE_CHECKING:
    from cellray.engines.native import NativeEngine

THE_END = ObjectValue(0)
"""Stands where the next item would be, so that whoever waits for that one goes on."""


class Stream:
    """A reader of one generator: `taken` of the `ready` items have been taken; with `has_ended` no more will come."""

    __slots__ = ("has_ended", "is_open", "is_paced", "ready", "taken", "task")

    def __init__(self, task: TaskId, is_paced: bool) -> None:
        self.task = task
        self.is_paced = is_paced
        self.is_open = True
        self.ready = 0
        self.taken = 0
        self.has_ended = False


class NativeStreams:
    """`ports.StreamEngine` of one `NativeEngine`. One generator is read by one thread at a time."""

    def __init__(self, engine: NativeEngine, dropped: deque[Stream]) -> None:
        self._engine = engine
        self._streams: dict[TaskId, Stream] = {}
        self._leaving: Counter[TaskId] = Counter()
        self._dropped = dropped

    def open(self, task: TaskId, options: StreamOptions) -> None:
        """A generator is about to be submitted."""
        earlier = self._streams.get(task)
        if earlier is not None:
            self._dropped.append(earlier)
        if self._dropped:
            self._engine.report_holdings()  # before the submission
        self._streams[task] = Stream(task, options.unread_max > 0)

    def opened(self, task: TaskId) -> Stream:
        """What was opened last for this task."""
        return self._streams[task]

    def next_id(self, stream: Stream) -> ObjectId:
        """What to wait for: known once there is a next item, or an end."""
        obj = item_object_id(stream.task, stream.taken)
        self._engine.objects.expected.add(obj)
        return obj

    def take(self, stream: Stream) -> ObjectId | None:
        """The next item, retained once; None when it has not come, or there is none."""
        if stream.taken == stream.ready:
            return None
        engine = self._engine
        obj = item_object_id(stream.task, stream.taken)
        stream.taken += 1
        engine.references.adopt((obj,))
        engine.objects.expected.add(obj)
        if stream.is_paced:
            engine.channel.add(ItemsTaken(stream.task, stream.taken))
        return obj

    def is_at_end(self, stream: Stream) -> bool:
        """Whether all items have been taken and there will be no more."""
        return stream.has_ended and stream.taken == stream.ready

    def drop(self, stream: Stream) -> None:
        """Nobody will read on; never blocks (it is called from `__del__`)."""
        if stream.is_open:
            self._dropped.append(stream)
            self._engine.references.on_change()

    def close(self, stream: Stream) -> GeneratorDropped | None:
        """What the node is told of a reader that left; what was not taken is forgotten. None when it knows already."""
        if not stream.is_open:
            return None
        stream.is_open = False
        del self._streams[stream.task]
        self._leaving[stream.task] += 1
        unread = range(stream.taken, stream.ready + 1)  # and the end
        self._engine.objects.forget([item_object_id(stream.task, index) for index in unread])
        return GeneratorDropped(stream.task, stream.taken)

    def on_ready(self, command: ItemsReady) -> None:
        """Items have come, or the end."""
        task = TaskId(command.task_id)
        stream = self._streams.get(task)
        if stream is None or (self._leaving and task in self._leaving):
            return
        come = [(item_object_id(task, index), value) for index, value in enumerate(command.values, command.index)]
        stream.ready = command.index + len(come)
        if command.has_ended:
            stream.has_ended = True
            come.append((item_object_id(task, stream.ready), THE_END))
        self._engine.objects.learn(come)

    def on_left(self, command: ReaderLeft) -> None:
        """What comes from now on is for the next reader."""
        task = TaskId(command.task_id)
        self._leaving[task] -= 1
        if not self._leaving[task]:
            del self._leaving[task]
