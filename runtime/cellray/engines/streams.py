"""Generators that this process called: which of their items have come, and which have been taken.

The node sends items unasked, and holds each for this process from then on. A taken one is a reference like any other;
those that nobody took go with the generator.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cellray.ids import ObjectId, TaskId, item_object_id
from cellray.model.command import ItemsReady
from cellray.model.fact import GeneratorDropped, ItemsTaken
from cellray.model.object import ObjectValue
from cellray.model.task import StreamOptions

if TYPE_CHECKING:
    from cellray.engines.native import NativeEngine

THE_END = ObjectValue(0)
"""Stands where the next item would be, so that whoever waits for that one goes on."""


class Stream:
    """One generator: `taken` of the `ready` items have been taken; with `has_ended` there will be no more."""

    __slots__ = ("has_ended", "is_paced", "ready", "taken")

    def __init__(self, is_paced: bool) -> None:
        self.is_paced = is_paced
        self.ready = 0
        self.taken = 0
        self.has_ended = False


class NativeStreams:
    """`ports.StreamEngine` of one `NativeEngine`. One generator is read by one thread at a time."""

    def __init__(self, engine: NativeEngine, dropped: deque[TaskId]) -> None:
        self._engine = engine
        self._streams: dict[TaskId, Stream] = {}
        self._dropped = dropped

    def open(self, task: TaskId, options: StreamOptions) -> None:
        """A generator is about to be submitted."""
        self._streams[task] = Stream(options.unread_max > 0)

    def next_id(self, task: TaskId) -> ObjectId:
        """What to wait for: known once there is a next item, or an end."""
        stream = self._streams[task]
        obj = item_object_id(task, stream.taken)
        self._engine.objects.expected.add(obj)
        return obj

    def take(self, task: TaskId) -> ObjectId | None:
        """The next item, retained once; None when it has not come, or there is none."""
        stream = self._streams[task]
        if stream.taken == stream.ready:
            return None
        engine = self._engine
        obj = item_object_id(task, stream.taken)
        stream.taken += 1
        engine.references.adopt((obj,))
        engine.objects.expected.add(obj)
        if stream.is_paced:
            engine.channel.add(ItemsTaken(task, stream.taken))
        return obj

    def is_at_end(self, task: TaskId) -> bool:
        """Whether all items have been taken and there will be no more."""
        stream = self._streams[task]
        return stream.has_ended and stream.taken == stream.ready

    def drop(self, task: TaskId) -> None:
        """Nobody will read on; never blocks (it is called from `__del__`)."""
        self._dropped.append(task)
        self._engine.references.on_change()

    def close(self, task: TaskId) -> GeneratorDropped:
        """What the node is told of a generator that was dropped; what was not taken of it is forgotten."""
        stream = self._streams.pop(task)
        unread = range(stream.taken, stream.ready + 1)  # and the end
        self._engine.objects.forget([item_object_id(task, index) for index in unread])
        return GeneratorDropped(task, stream.taken)

    def on_ready(self, command: ItemsReady) -> None:
        """Items have come, or the end."""
        task = TaskId(command.task_id)
        stream = self._streams.get(task)
        if stream is None:
            return
        come = [(item_object_id(task, index), value) for index, value in enumerate(command.values, command.index)]
        stream.ready = command.index + len(come)
        if command.has_ended:
            stream.has_ended = True
            come.append((item_object_id(task, stream.ready), THE_END))
        self._engine.objects.learn(come)
