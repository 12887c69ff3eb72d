"""Lineage: what a task or an object was made from, what came of it, and the chain that decided when it was done.

Nodes are tasks and objects. Edges are data (task to object, object to task), control (parent to child) and stateful
(a call of an actor to the next); the paper's section 3.2.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator
from math import inf

import msgspec

from cellray.clock import SystemClock
from cellray.config import Config
from cellray.ids import TASK_ID_BYTES, ObjectId, TaskId, is_put, producer_of
from cellray.observe.fold import LogFold
from cellray.observe.groups import ended_count
from cellray.observe.level import GroupLevel, TaskLevel
from cellray.observe.messages import EdgeKind, GraphDelta, ObjectNode
from cellray.observe.nodes import EdgeKey, edges_into, outputs_of
from cellray.observe.records import RUNNING, STATES, TaskRecord
from cellray.observe.scope import GraphFilter, Scope
from cellray.observe.visual.format import data_size
from cellray.ports import Clock

NodeKey = TaskId | ObjectId
Link = tuple[EdgeKind, NodeKey]
ALL_KINDS: frozenset[EdgeKind] = frozenset({"data", "control", "stateful"})


class FunctionTotals(msgspec.Struct, frozen=True):
    """What became of all calls of a function; `busy_s` is the time they ran."""

    function: str
    tasks: int
    ended: int
    running: int
    failed: int
    retried: int
    busy_s: float


class Lineage:
    """The graph of what a fold keeps in detail, as of now: make a new one after the fold has changed.

    Made and used under the follower's lock. Ids that are not in the graph raise KeyError.
    """

    def __init__(self, fold: LogFold, *, config: Config | None = None, clock: Clock | None = None) -> None:
        self._fold = fold
        self._tasks_max = (config or Config()).view_tasks_max
        self._clock = clock or SystemClock()
        self._into: dict[NodeKey, list[Link]] = {}
        self._out_of: dict[NodeKey, list[Link]] = {}
        nodes = set(_nodes(fold))
        for node in nodes:
            self._into[node], self._out_of[node] = [], []
        for kind, source, target in _edges(fold):
            if source in nodes and target in nodes:
                self._into[target].append((kind, source))
                self._out_of[source].append((kind, target))

    def ancestors(self, start: NodeKey, kinds: Collection[EdgeKind] = ALL_KINDS) -> list[NodeKey]:
        """Everything that `start` came from, nearest first, without itself."""
        return _reach(start, self._into, kinds)

    def descendants(self, start: NodeKey, kinds: Collection[EdgeKind] = ALL_KINDS) -> list[NodeKey]:
        """Everything that came of `start`, nearest first, without itself."""
        return _reach(start, self._out_of, kinds)

    def critical_path(self, end: NodeKey | None = None) -> list[TaskId]:
        """Tasks, first to last, each of which was the last thing the next one had to wait for.

        That is the producer of an input that came last, the call that the actor had before, or the parent, when it
        submitted the task later than that.
        `end` is a task or an object; without it, the task that ended last.
        """
        record = self._fold.tasks[_task_of(end)] if end is not None else self._last_ended()
        path: list[TaskId] = []
        while record is not None and record.task_id not in path:
            path.append(record.task_id)
            record = self._awaited_last(record)
        return path[::-1]

    def totals(self) -> dict[str, FunctionTotals]:
        """By function, all calls, those included that the fold keeps as counts only."""
        totals: dict[str, FunctionTotals] = {}
        for group in self._fold.groups:
            before = totals.get(group.function, FunctionTotals(group.function, 0, 0, 0, 0, 0, 0.0))
            totals[group.function] = FunctionTotals(
                group.function,
                before.tasks + group.total,
                before.ended + ended_count(group),
                before.running + group.counts[RUNNING],
                before.failed + sum(group.counts[STATES.index(name)] for name in ("failed", "lost")),
                before.retried + group.retried,
                before.busy_s + group.busy_s,
            )
        return totals

    def to_snapshot(self, highlight: NodeKey | None = None) -> GraphDelta:
        """The graph as a view draws it; with `highlight` only that node, its ancestors and its descendants.

        Without `highlight`, and above `view_tasks_max` tasks, functions and cells are folded into boxes.
        """
        if highlight is not None:
            return self._one_by_one({highlight, *self.ancestors(highlight), *self.descendants(highlight)})
        scope = self._whole()
        if scope.size() <= self._tasks_max:
            return self._one_by_one(None)
        now = self._clock.now()
        level = GroupLevel(self._fold, scope)
        level.show_all(now)
        return GraphDelta(
            sequence=0,
            reset=True,
            at=now,
            mode="groups",
            totals=scope.totals(),
            rate_per_s=scope.rate_per_s(now),
            groups=level.groups,
            group_edges=level.edges,
            dropped=scope.dropped(),
        )

    def to_json(self) -> str:
        """Tasks, objects and edges of the whole graph, spelled as in `observe.messages`."""
        return msgspec.json.encode(self._one_by_one(None)).decode()

    def to_dot(self) -> str:
        """The whole graph in the DOT language of Graphviz: boxes are tasks, ellipses objects."""
        graph = self._one_by_one(None)
        styles = {"data": "solid", "control": "dashed", "stateful": "dotted"}
        boxes = [f'  "{task.id}" [shape=box, label={_quoted(f"{task.name} ({task.state})")}];' for task in graph.tasks]
        ellipses = [f'  "{item.id}" [shape=ellipse, label={_quoted(_size(item))}];' for item in graph.objects]
        arrows = [f'  "{line.source}" -> "{line.target}" [style={styles[line.kind]}];' for line in graph.edges]
        return "\n".join(["digraph lineage {", "  rankdir=LR;", *boxes, *ellipses, *arrows, "}", ""])

    def _one_by_one(self, chosen: set[NodeKey] | None) -> GraphDelta:
        scope = self._whole()
        level = TaskLevel(self._fold, scope)
        level.show_all()
        inside = None if chosen is None else {node.hex() for node in chosen}
        tasks = [task for task in level.tasks if inside is None or task.id in inside]
        return GraphDelta(
            sequence=0,
            reset=True,
            at=self._clock.now(),
            mode="tasks",
            totals=scope.totals() if inside is None else dict(Counter(task.state for task in tasks)),
            tasks=tasks,
            objects=[item for item in level.objects.values() if inside is None or item.id in inside],
            edges=[line for line in level.edges if inside is None or (line.source in inside and line.target in inside)],
            dropped=scope.dropped() if inside is None else 0,
        )

    def _whole(self) -> Scope:
        return Scope(self._fold, GraphFilter(), self._tasks_max)

    def _last_ended(self) -> TaskRecord | None:
        return max(
            (record for record in self._fold.tasks.values() if record.ended),
            key=lambda record: (record.finished_at, record.ordinal),
            default=None,
        )

    def _awaited_last(self, record: TaskRecord) -> TaskRecord | None:
        """The task that `record` had to wait for last; one that has not ended is still waited for."""
        tasks = self._fold.tasks
        awaited: list[tuple[float, int, TaskRecord]] = []
        for dependency in record.dependencies:
            producer = tasks.get(producer_of(dependency))
            if producer is not None:
                at = producer.finished_at if producer.ended else inf
                awaited.append((at, producer.ordinal, producer))
        before = tasks.get(record.previous_call) if record.previous_call is not None else None
        if before is not None and (not record.started_at or before.finished_at <= record.started_at):
            # A call that was still under way when this one began held up nothing.
            awaited.append((before.finished_at if before.ended else inf, before.ordinal, before))
        parent = tasks.get(record.parent_id)
        if parent is not None:
            awaited.append((record.submitted_at, parent.ordinal, parent))
        return max(awaited, key=lambda entry: entry[:2])[2] if awaited else None


def _reach(start: NodeKey, near: dict[NodeKey, list[Link]], kinds: Collection[EdgeKind]) -> list[NodeKey]:
    found: dict[NodeKey, None] = {start: None}
    queue = deque([start])
    while queue:
        for kind, node in near[queue.popleft()]:
            if kind in kinds and node not in found:
                found[node] = None
                queue.append(node)
    del found[start]
    return list(found)


def _nodes(fold: LogFold) -> Iterator[NodeKey]:
    yield from fold.objects
    for record in fold.tasks.values():
        yield record.task_id
        yield from outputs_of(record)


def _edges(fold: LogFold) -> Iterator[EdgeKey]:
    for record in fold.tasks.values():
        yield from edges_into(record)
        for object_id in outputs_of(record):
            yield "data", record.task_id, object_id
    for object_id in fold.objects:
        if is_put(object_id):
            yield "data", producer_of(object_id), object_id


def _task_of(node: NodeKey) -> TaskId:
    return TaskId(node) if len(node) == TASK_ID_BYTES else producer_of(ObjectId(node))


def _size(item: ObjectNode) -> str:
    return data_size(item.object_bytes) if item.object_bytes is not None else item.state


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
