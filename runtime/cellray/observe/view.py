"""A live view of the task graph: turns what changed in a fold into coalesced deltas, at the right level of detail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from cellray.clock import SystemClock
from cellray.config import Config
from cellray.observe.changes import Changes
from cellray.observe.follow import LogFollower, Notice
from cellray.observe.level import GroupLevel, TaskLevel
from cellray.observe.messages import GraphDelta
from cellray.observe.scope import GraphFilter, Scope
from cellray.ports import Clock

DeltaCallback = Callable[[GraphDelta], None]
EVERYTHING = GraphFilter()


class GraphSource(Protocol):
    """Where a widget or panel gets its graph."""

    def snapshot(self) -> GraphDelta:
        """Everything now, with `reset` set; the deltas after it go on from its sequence."""

    def subscribe(self, callback: DeltaCallback) -> Callable[[], None]:
        """Call `callback` with each delta, on a background thread, until the returned function is called."""


class GraphView:
    """The `GraphSource` over a followed log.

    While nobody subscribes nothing is computed. The first delta after that is a reset, so that none is missed in
    between. Deltas come as often as the follower looks, at most one in `follow_interval_ms`; a delta whose sequence
    the receiver has already (from a snapshot taken meanwhile) is to be passed over.
    """

    def __init__(
        self,
        follower: LogFollower,
        wanted: GraphFilter = EVERYTHING,
        *,
        config: Config | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._follower = follower
        self._fold = follower.fold
        self._clock = clock or SystemClock()
        self._tasks_max = (config or Config()).view_tasks_max
        self._scope = Scope(self._fold, wanted, self._tasks_max)
        self._sequence = 0
        self._level: TaskLevel | GroupLevel | None = None
        self._told: tuple[object, ...] | None = None
        self._callbacks: list[DeltaCallback] = []
        self._detach: Callable[[], None] | None = None

    def snapshot(self) -> GraphDelta:
        """Everything now. Starts the follower."""
        self._follower.start()
        with self._follower.lock:
            self._scope.refresh()
            now = self._clock.now()
            return self._delta(self._whole(now), now, reset=True)

    def subscribe(self, callback: DeltaCallback) -> Callable[[], None]:
        """Call `callback` with each delta, on the follower's thread, until the returned function is called."""
        with self._follower.lock:
            self._callbacks.append(callback)
            if self._detach is None:
                self._level = None
                self._detach = self._follower.listen(self.collect)
        return partial(self._unsubscribe, callback)

    def collect(self, changes: Changes) -> Notice | None:
        """The delta of these changes as a notice to be given outside the lock; None when nothing is to be told."""
        delta = self.next_delta(changes)
        if delta is None:
            return None
        return partial(_tell, list(self._callbacks), delta)

    def next_delta(self, changes: Changes) -> GraphDelta | None:
        """What changed since the last delta, a reset after a change of level; under the follower's lock."""
        anew = self._scope.refresh() or changes.overflow
        now = self._clock.now()
        mode = self._mode()
        level = self._level
        if anew or not isinstance(level, mode):
            self._level = level = self._whole(now)
            anew = True
        elif isinstance(level, TaskLevel):
            level.change(changes)
        else:
            level.change(changes, now)
        told = self._header(now)
        if not anew and told == self._told and not _says_something(level):
            return None
        self._told = told
        self._sequence += 1
        return self._delta(level, now, reset=anew)

    def _mode(self) -> type[TaskLevel] | type[GroupLevel]:
        return GroupLevel if self._scope.has_groups and self._scope.size() > self._tasks_max else TaskLevel

    def _whole(self, now: float) -> TaskLevel | GroupLevel:
        if self._mode() is TaskLevel:
            tasks = TaskLevel(self._fold, self._scope)
            tasks.show_all()
            return tasks
        groups = GroupLevel(self._fold, self._scope)
        groups.show_all(now)
        return groups

    def _header(self, now: float) -> tuple[object, ...]:
        return (
            self._scope.totals(),
            self._scope.rate_per_s(now),
            self._scope.dropped(),
            self._follower.disconnected_since,
            self._missed(),
        )

    def _missed(self) -> int:
        return self._follower.missed_records + self._follower.unreadable_records

    def _delta(self, level: TaskLevel | GroupLevel, now: float, *, reset: bool) -> GraphDelta:
        in_tasks = isinstance(level, TaskLevel)
        return GraphDelta(
            sequence=self._sequence,
            reset=reset,
            at=now,
            mode="tasks" if in_tasks else "groups",
            totals=self._scope.totals(),
            rate_per_s=self._scope.rate_per_s(now),
            tasks=level.tasks if isinstance(level, TaskLevel) else [],
            objects=list(level.objects.values()) if isinstance(level, TaskLevel) else [],
            edges=level.edges if isinstance(level, TaskLevel) else [],
            removed=level.removed if isinstance(level, TaskLevel) else [],
            groups=level.groups if isinstance(level, GroupLevel) else [],
            group_edges=level.edges if isinstance(level, GroupLevel) else [],
            dropped=self._scope.dropped(),
            disconnected_since=self._follower.disconnected_since,
            missed_records=self._missed(),
        )

    def _unsubscribe(self, callback: DeltaCallback) -> None:
        with self._follower.lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)
            if not self._callbacks and self._detach is not None:
                self._detach()
                self._detach = None


def _says_something(level: TaskLevel | GroupLevel) -> bool:
    if isinstance(level, GroupLevel):
        return bool(level.groups or level.edges)
    return bool(level.tasks or level.objects or level.edges or level.removed)


def _tell(callbacks: list[DeltaCallback], delta: GraphDelta) -> None:
    for callback in callbacks:
        callback(delta)
