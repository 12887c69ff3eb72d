"""What the tasks of fan-outs are called in graphs: by their element, such as `seed=17`.

The runtime does not know elements: a name of its own for each task would make each a function of its own to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import msgspec
from cellray.observe.messages import GraphDelta, TaskNode
from cellray.observe.view import DeltaCallback, GraphSource

RUNS_MAX = 50
"""Tasks of older runs are called by their cell."""


class TaskNames:
    """The elements of the latest runs, by task. Read on any thread while runs grow."""

    def __init__(self) -> None:
        self._runs: deque[Mapping[bytes, str]] = deque(maxlen=RUNS_MAX)

    def add(self, elements: Mapping[bytes, str]) -> None:
        """A run begins; `elements` may still grow."""
        self._runs.appendleft(elements)

    def of(self, task: TaskNode) -> str:
        """The element when there is one, behind the name that the user gave, if any."""
        task_id = bytes.fromhex(task.id)
        element = next((known for run in tuple(self._runs) if (known := run.get(task_id))), "")
        if not element:
            return task.name
        is_named = task.cell is None or task.name != task.cell.label
        return f"{task.name} {element}" if is_named else element


class NamedGraph:
    """A `GraphSource` with the names of another one's tasks exchanged."""

    def __init__(self, source: GraphSource, names: TaskNames) -> None:
        self._source = source
        self._names = names

    def snapshot(self) -> GraphDelta:
        """Everything now."""
        return self._named(self._source.snapshot())

    def subscribe(self, callback: DeltaCallback) -> Callable[[], None]:
        """Call `callback` with each delta."""
        return self._source.subscribe(lambda delta: callback(self._named(delta)))

    def _named(self, delta: GraphDelta) -> GraphDelta:
        if not delta.tasks and not delta.groups:
            return delta
        groups = [
            msgspec.structs.replace(group, latest=self._all(group.latest), slowest=self._all(group.slowest))
            for group in delta.groups
        ]
        return msgspec.structs.replace(delta, tasks=self._all(delta.tasks), groups=groups)

    def _all(self, tasks: list[TaskNode]) -> list[TaskNode]:
        named = []
        for task in tasks:
            name = self._names.of(task)
            named.append(task if name == task.name else msgspec.structs.replace(task, name=name))
        return named
