"""Lineage: what a task or an object was made from, what came of it, and the chain that decided when it was done.

Nodes are tasks and objects. Edges are data (task to object, object to task), control (parent to child) and stateful
(a call of an actor to the next); the paper's section 3.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from math import inf
from typing import Any

import msgspec

from cellray.clock import SystemClock
from cellray.ids import ObjectId, TaskId, producer_of
from cellray.observe import lineage_formats
from cellray.observe.fold import LogFold
from cellray.observe.function_totals import FunctionTotals, totals_of_groups, totals_of_tasks
from cellray.observe.graph_links import ALL_KINDS, GraphLinks
from cellray.observe.messages import Edge, EdgeKind, GraphDelta, ObjectNode, TaskNode
from cellray.observe.nodes import edge, object_node, task_node
from cellray.observe.records import ENDED_NAMES
from cellray.observe.subjects import NodeKey, key_of
from cellray.observe.svg import graph_svg
from cellray.ports import Clock

Node = TaskNode | ObjectNode


class Lineage:
    """A graph of tasks, objects and edges, as it was when it was made: what belongs to `start`, or all of a fold.

    A node is named by its id, in bytes or hexadecimal, by a reference, or by itself. A child's result reaches its
    parent through `get`, which the log has no edge for: for what a parent returned, what its children made counts, and
    what comes of a parent comes of its children too. `left_out` counts tasks that belong here and are kept as counts
    only. Make it under the lock of the fold's follower; use it anywhere.

        graph = cellray.lineage(ref)
        [task.name for task in graph.critical_path()]
    """

    def __init__(self, fold: LogFold, start: NodeKey | None = None, *, clock: Clock | None = None) -> None:
        self._links = GraphLinks(fold)
        self._start = start
        links = self._links
        if start is not None and start not in links.into:
            raise KeyError(start.hex())
        chosen = set(links.into) if start is None else {start, *links.before(start), *links.after(start)}
        self.left_out = fold.folded if start is None else len(links.unknown_before(chosen, fold))
        links.restrict(chosen)
        records = [record for record in fold.tasks.values() if record.task_id in chosen]
        self._tasks = {record.task_id: task_node(record) for record in records}
        self._ordinals = {task_id: ordinal for ordinal, task_id in enumerate(self._tasks)}
        self._objects = {
            key: object_node(ObjectId(key), fold.objects.get(ObjectId(key)), fold.drivers)
            for key in links.into
            if key not in self._tasks
        }
        self._whole_totals = totals_of_groups(fold) if start is None else None
        self._at = (clock or SystemClock()).now()

    @property
    def start(self) -> Node | None:
        """What was asked for; None when it is the whole graph."""
        return self._node(self._start) if self._start is not None else None

    @property
    def tasks(self) -> list[TaskNode]:
        """All tasks, in order of submission."""
        return list(self._tasks.values())

    @property
    def objects(self) -> list[ObjectNode]:
        """All objects."""
        return list(self._objects.values())

    @property
    def edges(self) -> list[Edge]:
        """All edges between them."""
        return [edge(key) for key in self._links.edges()]

    def ancestors(self, of: Any = None, kinds: Collection[EdgeKind] = ALL_KINDS) -> list[Node]:
        """Everything that a node, or what was asked for, came from, nearest first, without itself.

        Only along edges of these kinds. Raises KeyError when the node is not in the graph.
        """
        return [self._node(key) for key in self._links.before(self._key(of), kinds)]

    def descendants(self, of: Any = None, kinds: Collection[EdgeKind] = ALL_KINDS) -> list[Node]:
        """Everything that came of a node, nearest first, without itself; otherwise as `ancestors`."""
        return [self._node(key) for key in self._links.after(self._key(of), kinds)]

    def critical_path(self, end: Any = None) -> list[TaskNode]:
        """Tasks, first to last, each of which was the last thing the next one had to wait for.

        That is the producer of an input that came last, the call that the actor had before, or the parent, when it
        submitted the task later than that. `end` is a node; without it, what was asked for or the task that ended
        last.
        """
        key = self._key(end) if end is not None or self._start is not None else self._last_ended()
        task_id = producer_of(ObjectId(key)) if key is not None and key in self._objects else key
        path: list[TaskId] = []
        while task_id is not None and task_id in self._tasks and task_id not in path:
            path.append(TaskId(task_id))
            task_id = self._awaited_last(TaskId(task_id))
        return [self._tasks[each] for each in reversed(path)]

    def totals(self) -> dict[str, FunctionTotals]:
        """By function, all calls; of the whole graph those included that are kept as counts only."""
        return self._whole_totals if self._whole_totals is not None else totals_of_tasks(self._tasks.values())

    def to_snapshot(self) -> GraphDelta:
        """The graph as views are told it."""
        return GraphDelta(
            sequence=0,
            reset=True,
            at=self._at,
            mode="tasks",
            totals=dict(Counter(task.state for task in self._tasks.values())),
            tasks=self.tasks,
            objects=self.objects,
            edges=self.edges,
            dropped=self.left_out,
        )

    def to_json(self) -> str:
        """Tasks, objects and edges, spelled as in `observe.messages`."""
        return msgspec.json.encode(self.to_snapshot()).decode()

    def to_dot(self) -> str:
        """The graph in the DOT language of Graphviz: boxes are tasks, ellipses objects."""
        return lineage_formats.to_dot(self.to_snapshot())

    def to_networkx(self) -> Any:
        """The graph as a `networkx.MultiDiGraph`; nodes are ids and have the fields of tasks and objects, edges their
        kind as key. Raises ImportError, which says what to install, without NetworkX."""
        return lineage_formats.to_networkx(self.to_snapshot())

    def to_svg(self, title: str | None = None, width: float = 1200) -> str:
        """The graph as a picture, as `%graph` leaves it in a saved notebook: above a few hundred tasks by function."""
        start = self._start.hex() if self._start is not None else None
        return graph_svg(self.to_snapshot(), title=title or self._title(), highlight=start, width=width)

    def __repr__(self) -> str:
        left_out = f", {self.left_out} tasks left out" if self.left_out else ""
        return f"<{self._title()}: {len(self._tasks)} tasks, {len(self._objects)} objects{left_out}>"

    def _repr_html_(self) -> str:
        return self.to_svg()

    def _title(self) -> str:
        start = self.start
        if start is None:
            return "Lineage"
        producer = self._tasks.get(producer_of(ObjectId(self._start))) if isinstance(start, ObjectNode) else start  # type: ignore[arg-type]
        return f"Lineage of {producer.name}" if isinstance(producer, TaskNode) else "Lineage of an object"

    def _key(self, node: Any) -> NodeKey:
        key = key_of(node) if node is not None else self._start
        if key is None:
            raise ValueError("this is the graph of all tasks: say of which one, by its reference or id")
        if key not in self._links.into:
            raise KeyError(key.hex())
        return key

    def _node(self, key: NodeKey) -> Node:
        return self._tasks[TaskId(key)] if key in self._tasks else self._objects[ObjectId(key)]

    def _last_ended(self) -> NodeKey | None:
        ended = [task_id for task_id, task in self._tasks.items() if task.state in ENDED_NAMES]
        return max(ended, key=lambda each: (self._tasks[each].finished_at or 0.0, self._ordinals[each]), default=None)

    def _awaited_last(self, task_id: TaskId) -> TaskId | None:
        """The task that this one had to wait for last; one that has not ended is still waited for."""
        task, tasks = self._tasks[task_id], self._tasks
        awaited: list[tuple[float, int, TaskId]] = []
        for kind, key in self._links.into[task_id]:
            before = TaskId(key) if key in tasks else producer_of(ObjectId(key))
            if before not in tasks:
                continue
            at = tasks[before].finished_at if tasks[before].state in ENDED_NAMES else inf
            if kind == "control":
                at = task.submitted_at
            elif kind == "stateful" and task.started_at and (at is None or at > task.started_at):
                # A call that was still under way when this one began held up nothing.
                continue
            awaited.append((at or 0.0, self._ordinals[before], before))
        return max(awaited)[2] if awaited else None
