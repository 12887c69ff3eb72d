"""Generators: tasks whose items are objects as soon as they are yielded, for the client that called them to read.

Items have the ids that follow the task's one return, which says that the generator has ended. They go to the reader in
order and without gaps, each held by it from then on; what comes a second time, because the task runs again, is passed
over. A reader that begins anew (its task runs again and calls the generator again) may want items that are gone:
then the generator is stopped and run again too.

With a limit of unread items the worker pauses, and is told how far the reader has come. When nobody reads on it is told
that, and ends the generator: it would never get on otherwise. Without a limit it runs to its end, like any task whose
references have gone (Ray's rule).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.core import failures
from cellray.core.objects import SHARED, ObjectTable
from cellray.core.outbox import Outbox
from cellray.core.transitions import FINISHED
from cellray.ids import ObjectId, TaskId, item_object_id
from cellray.model.command import InterruptTask, ItemsRead, ItemsReady, ReaderLeft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cellray.core.clients import Client
    from cellray.core.tasks import Task
    from cellray.core.workers import Worker
    from cellray.model.fact import GeneratorDropped, ItemsTaken, ItemsYielded
    from cellray.model.object import ObjectValue

NOBODY_READS = -1
EVERYTHING = 1 << 62
"""So many items nobody yields."""


class Stream:
    """One generator. `reader` got the first `delivered` items and took `taken` of them; `told` is what the worker knows
    of that. `must_restart`: items that the reader has not got were passed over. `interrupted`: the worker was told to
    stop, which may hit the attempt after the one that was meant. `remakes`: it had ended, and runs again only for
    items that were lost, whoever reads."""

    __slots__ = ("delivered", "interrupted", "must_restart", "reader", "remakes", "taken", "task", "told")

    def __init__(self, task: Task, reader: Client | None) -> None:
        self.task = task
        self.reader = reader
        self.delivered = 0
        self.taken = 0
        self.told = 0
        self.must_restart = False
        self.interrupted = False
        self.remakes = False

    @property
    def is_paced(self) -> bool:
        """Whether the worker waits for the reader."""
        options = self.task.template.spec.stream
        return options is not None and options.unread_max > 0


class Generators:
    """Streams by their task: as long as the task is not final, or somebody reads."""

    def __init__(self, objects: ObjectTable, outbox: Outbox) -> None:
        self.streams: dict[TaskId, Stream] = {}
        self._objects = objects
        self._outbox = outbox

    def begin(self, task: Task, client: Client) -> None:
        """A generator was submitted; who submits it reads it."""
        self.streams[task.task_id] = Stream(task, client if client.alive else None)

    def begin_again(self, task: Task) -> None:
        """A generator that had ended runs once more, for the sake of items that were lost."""
        stream = self.streams.setdefault(task.task_id, Stream(task, None))
        stream.task, stream.remakes, stream.told = task, True, 0

    def adopt(self, task: Task, client: Client) -> None:
        """A generator under way was submitted again, by a parent that runs again."""
        stream = self.streams[task.task_id]
        stream.reader = client if client.alive else None
        if stream.reader is not None and not (stream.remakes or stream.must_restart) and self._hand_out(stream):
            return
        has_begun = stream.delivered or stream.must_restart or stream.told == NOBODY_READS or stream.remakes
        stream.remakes = False
        stream.delivered = stream.taken = 0
        if has_begun and task.worker is not None:
            stream.must_restart = stream.interrupted = True
            self._outbox.send(task.worker, InterruptTask(task.task_id))

    def read_again(self, task: Task, client: Client) -> None:
        """A generator that has ended is submitted again by a call that runs again, and that has kept its items."""
        stream = self.streams[task.task_id] = Stream(task, client)
        while item_object_id(task.task_id, stream.delivered) in self._objects.entries:
            stream.delivered += 1
        self._hand_out(stream, has_ended=True)

    def yielded(self, task: Task, worker: Worker, fact: ItemsYielded) -> None:
        """A worker reports items of the task that it runs."""
        stream = self.streams[task.task_id]
        if fact.index == 0:
            stream.told, stream.must_restart = 0, False  # an attempt begins
        reader, first = stream.reader, stream.delivered
        fresh: list[ObjectValue] = []
        for index, sent in enumerate(fact.values, fact.index):
            object_id = item_object_id(task.task_id, index)
            value = self._claimed(object_id, sent, worker)
            if stream.remakes:
                self._remade(task, object_id, value, fact.at)
            elif reader is not None and index == stream.delivered:
                self._objects.put(object_id, value, reader, fact.at)
                entry = self._objects.entries[object_id]
                assert entry.value is not None, "an item has its value from the start"
                if entry.value.kind == SHARED:
                    self._objects.lineage.note(entry, task)
                fresh.append(entry.value)
                stream.delivered += 1
            else:
                self._objects.discard(value)
                stream.must_restart |= index >= stream.delivered
        if fresh and reader is not None:
            self._outbox.send(reader, ItemsReady(task.task_id, first, fresh))
        self._pace(stream)

    def kept(self, task: Task) -> Iterator[tuple[ObjectId, ObjectValue | None]]:
        """Items of an earlier attempt that are still there."""
        stream = self.streams.get(task.task_id)
        for index in range(stream.delivered if stream is not None else 0):
            entry = self._objects.entries.get(item_object_id(task.task_id, index))
            if entry is not None:
                yield entry.object_id, entry.value

    def taken(self, fact: ItemsTaken, client: Client) -> None:
        """A reader has taken items."""
        stream = self.streams.get(fact.task_id)
        if stream is not None and stream.reader is client:
            stream.taken = fact.count
            self._pace(stream)

    def dropped(self, fact: GeneratorDropped, client: Client) -> None:
        """A reader reads no more: what it has not taken goes."""
        stream = self.streams.get(fact.task_id)
        if stream is not None and stream.reader is client:
            for index in range(fact.count, stream.delivered):
                self._objects.release(item_object_id(fact.task_id, index), client)
            self._leave(stream)
        self._outbox.send(client, ReaderLeft(fact.task_id))

    def forget(self, client: Client) -> None:
        """A client is gone; what it held is somebody else's affair."""
        for stream in [stream for stream in self.streams.values() if stream.reader is client]:
            self._leave(stream)

    def take_restart(self, task: Task, *, was_interrupted: bool) -> bool:
        """Whether the task, at its end, must run once more, because its reader began anew meanwhile; said once."""
        stream = self.streams.get(task.task_id)
        if stream is None or stream.reader is None:
            return False
        restarts = stream.must_restart or (was_interrupted and stream.interrupted)
        stream.must_restart = False
        stream.interrupted &= not was_interrupted
        return restarts

    def ended(self, task: Task) -> None:
        """The task is final."""
        stream = self.streams.get(task.task_id)
        if stream is None:
            return
        had_ended, stream.remakes = stream.remakes, False
        if stream.reader is None:
            del self.streams[task.task_id]
        elif not had_ended:
            self._outbox.send(stream.reader, ItemsReady(task.task_id, stream.delivered, [], has_ended=True))

    def _hand_out(self, stream: Stream, *, has_ended: bool = False) -> bool:
        """The items that were delivered before, once more, to a reader that begins anew; False when some are gone."""
        task_id, reader = stream.task.task_id, stream.reader
        assert reader is not None, "somebody begins to read"
        ids = [item_object_id(task_id, index) for index in range(stream.delivered)]
        entries = self._objects.known(ids)
        if len(entries) < len(ids):
            return False
        values = []
        for entry in entries:
            self._objects.hold(entry.object_id, reader)
            assert entry.value is not None, "an item has its value from the start"
            values.append(entry.value)
        stream.taken = 0
        if values or has_ended:
            self._outbox.send(reader, ItemsReady(task_id, 0, values, has_ended=has_ended))
        self._pace(stream)
        return True

    def _remade(self, task: Task, object_id: ObjectId, value: ObjectValue, at: float) -> None:
        entry = self._objects.entries.get(object_id)
        if entry is None:
            self._objects.discard(value)
            return
        if value.kind == SHARED and object_id in self._objects.space.lost:
            self._objects.lineage.note(entry, task)
        self._objects.come_again(entry, value, at)

    def _claimed(self, object_id: ObjectId, value: ObjectValue, worker: Worker) -> ObjectValue:
        if value.kind != SHARED or self._objects.space.claim(object_id, value.offset, worker):
            return value
        return failures.internal(f"The worker wrote {object_id.hex()} where it was granted no space.")

    def _leave(self, stream: Stream) -> None:
        stream.reader = None
        if stream.task.state >= FINISHED:
            del self.streams[stream.task.task_id]
        else:
            self._pace(stream)

    def _pace(self, stream: Stream) -> None:
        """Tell the worker how far the reader has come, if it waits for that and does not know."""
        worker = stream.task.worker
        count = NOBODY_READS if stream.reader is None else stream.taken
        if stream.remakes:
            count = EVERYTHING
        if worker is not None and stream.told != count and stream.is_paced:
            stream.told = count
            self._outbox.send(worker, ItemsRead(stream.task.task_id, count))
