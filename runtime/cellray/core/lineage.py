"""What large results were made of and no task can make again: kept as long as they are, in case that they are lost.

To make a lost object again its task needs its arguments again. Those that other tasks made are made again too, small
results are in the log; what is left are values that were stored with `put` (large arguments are among them), and large
results of calls of actors and of tasks that may not run again. Such a source is referred to by every result that was
made of it, at however many removes, so that it moves to disk like any other object when room is short.

What is kept for this reason only is limited to a share of the shared memory; beyond it the oldest are given up. What
was made of them cannot be made again then, and says so when it is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.ids import is_put
from cellray.model.object import ValueKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cellray.config import Config
    from cellray.core.objects import ObjectEntry, ObjectTable
    from cellray.core.tasks import Task
    from cellray.ids import ObjectId
    from cellray.model.object import ObjectValue

SHARED = ValueKind.SHARED.value
SOURCES_MAX = 1000
"""Of one result so many are kept, the newest."""


class Lineage:
    """`sources_of` has each large result that can be made again, with what that needs. `given_up` counts sources."""

    def __init__(self, objects: ObjectTable, config: Config) -> None:
        self.sources_of: dict[ObjectId, tuple[ObjectEntry, ...]] = {}
        self.given_up = 0
        self._counts: dict[ObjectEntry, int] = {}
        self._bytes: dict[ObjectEntry, int] = {}
        self._bytes_noted = 0
        self._objects = objects
        self._bytes_max = int(objects.arena.arena_bytes * config.lineage_memory_share)
        self._logged_bytes_max = config.log_inline_value_bytes_max

    def note(self, entry: ObjectEntry, task: Task) -> None:
        """A task has made a large value. Nothing to note of one that may not run again: it is a source itself."""
        spec = task.template.spec
        if spec.method or not spec.max_retries or entry.object_id in self.sources_of:
            return
        sources: dict[ObjectEntry, None] = {}
        self._collect(task.pinned, sources)
        self.sources_of[entry.object_id] = kept = tuple(sources)[-SOURCES_MAX:]
        for source in kept:
            source.refs += 1
            if source not in self._counts:
                self._counts[source] = 0
                self._bytes[source] = size = _bytes_of(source)
                self._bytes_noted += size
            self._counts[source] += 1
        if self._bytes_noted > self._bytes_max:
            self._limit()

    def forget(self, object_id: ObjectId) -> tuple[ObjectEntry, ...]:
        """The object has gone, or is small now; what it was made of has one reference less by that, taken back here.
        Those with none left are returned."""
        sources = self.sources_of.pop(object_id, ())
        for source in sources:
            source.refs -= 1
            self._counts[source] -= 1
            if not self._counts[source]:
                self._drop(source)
        return tuple([source for source in sources if not source.refs])

    def _collect(self, entries: Iterable[ObjectEntry], found: dict[ObjectEntry, None]) -> None:
        """The sources among these, and behind them. A loop: values can contain each other in long chains."""
        seen: set[ObjectEntry] = set()
        left = list(entries)
        while left:
            entry = left.pop()
            value = entry.value
            if entry in seen or value is None or value.is_error:
                continue
            seen.add(entry)
            left += entry.contains
            known = self.sources_of.get(entry.object_id)
            if known is not None:
                found.update(dict.fromkeys(known))
            elif self._is_source(entry.object_id, value):
                found[entry] = None

    def _is_source(self, object_id: ObjectId, value: ObjectValue) -> bool:
        return value.kind == SHARED or is_put(object_id) or len(value.data) > self._logged_bytes_max

    def _limit(self) -> None:
        """Give up the oldest of those that are kept for this reason only, until the others fit."""
        idle = [source for source, count in self._counts.items() if source.refs == count]
        kept_bytes = sum(self._bytes[source] for source in idle)
        for source in idle:
            if kept_bytes <= self._bytes_max:
                break
            kept_bytes -= self._bytes[source]
            self.given_up += 1
            self._give_up(source)

    def _give_up(self, source: ObjectEntry) -> None:
        for object_id, sources in self.sources_of.items():
            if source in sources:
                self.sources_of[object_id] = tuple([other for other in sources if other is not source])
                source.refs -= 1
        self._drop(source)
        source.refs += 1
        self._objects.unpin(source)

    def _drop(self, source: ObjectEntry) -> None:
        del self._counts[source]
        self._bytes_noted -= self._bytes.pop(source)


def _bytes_of(entry: ObjectEntry) -> int:
    return 0 if entry.value is None else entry.value.object_bytes or len(entry.value.data)
