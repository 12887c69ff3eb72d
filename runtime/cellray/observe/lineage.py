"""Lineage: what a task or an object was made from, what came of it, and the chain that decided when it was done.

Nodes are tasks and objects. Edges are data (task to object, object to task), control (parent to child) and stateful
(a call of an actor to the next); the paper's section 3.2.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from math import inf
from typing import Any, Protocol

import msgspec
from msgspec.structs import astuple

from cellray.clock import SystemClock
from cellray.ids import ObjectId, TaskId, is_put, producer_of
from cellray.observe import lineage_formats
from cellray.observe.fold import LogFold
from cellray.observe.groups import ended_count
from cellray.observe.messages import Edge, EdgeKind, GraphDelta, ObjectNode, TaskNode
from cellray.observe.nodes import EdgeKey, edge, edges_into, object_node, outputs_of, task_node
from cellray.observe.records import RUNNING, STATES
from cellray.observe.subjects import NodeKey, key_of
from cellray.observe.svg import graph_svg
from cellray.ports import Clock

Node = TaskNode | ObjectNode
ALL_KINDS: frozenset[EdgeKind] = frozenset({"data", "control", "stateful"})
ENDED_NAMES = frozenset({"finished", "failed", "cancelled", "lost"})


class Steps(Protocol):
    """Where one gets from a node, and whether what is reached is reached as more than a parent."""

    def __call__(self, here: NodeKey, *, whole: bool) -> Iterator[tuple[NodeKey, bool]]:
        """The next nodes."""


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
    """A graph of tasks, objects and edges, as it was when it was made: what belongs to `start`, or all of a fold.

    A node is named by its id, in bytes or hexadecimal, by a reference, or by itself. A child's result reaches its
    parent through `get`, which the log has no edge for: for what a parent returned, what its children made counts, and
    what comes of a parent comes of its children too. `left_out` counts tasks that belong here and are kept as counts
    only. Make it under the lock of the fold's follower; use it anywhere.

        graph = cellray.lineage(ref)
        [task.name for task in graph.critical_path()]
    """

    def __init__(self, fold: LogFold, start: NodeKey | None = None, *, clock: Clock | None = None) -> None:
        self._links = _Links(fold)
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
        self._whole_totals = _totals_of_groups(fold) if start is None else None
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
        return self._whole_totals if self._whole_totals is not None else _totals_of_tasks(self._tasks.values())

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


class _Links:
    """Who is next to whom: the edges by both of their ends."""

    def __init__(self, fold: LogFold) -> None:
        self.into: dict[NodeKey, list[tuple[EdgeKind, NodeKey]]] = {key: [] for key in _nodes(fold)}
        self.out_of: dict[NodeKey, list[tuple[EdgeKind, NodeKey]]] = {key: [] for key in self.into}
        self._tasks = fold.tasks
        for kind, source, target in _edges(fold):
            if source in self.into and target in self.into:
                self.into[target].append((kind, source))
                self.out_of[source].append((kind, target))

    def edges(self) -> Iterator[EdgeKey]:
        """All edges, in the order of their targets."""
        for target, near in self.into.items():
            for kind, source in near:
                yield kind, source, target

    def restrict(self, chosen: set[NodeKey]) -> None:
        """Forget all nodes but these, and edges that have lost an end."""
        for links in (self.into, self.out_of):
            for key in [key for key in links if key not in chosen]:
                del links[key]
            for key, near in links.items():
                links[key] = [link for link in near if link[1] in chosen]

    def before(self, start: NodeKey, kinds: Collection[EdgeKind] = ALL_KINDS) -> list[NodeKey]:
        """Ancestors. A task that made something may have got from its children what it made; a mere parent did not."""
        through_get = {"data", "control"} <= set(kinds)

        def steps(here: NodeKey, *, whole: bool) -> Iterator[tuple[NodeKey, bool]]:
            yield from ((key, kind != "control") for kind, key in self.into[here] if kind in kinds)
            if whole and through_get:
                yield from ((key, True) for kind, key in self.out_of[here] if kind == "control")

        return _walk(start, steps)

    def after(self, start: NodeKey, kinds: Collection[EdgeKind] = ALL_KINDS) -> list[NodeKey]:
        """Descendants. What a child made may be in what its parent returned, but not in the parent's other children."""
        through_get = {"data", "control"} <= set(kinds)

        def steps(here: NodeKey, *, whole: bool) -> Iterator[tuple[NodeKey, bool]]:
            mine = self.out_of[here]
            yield from ((key, True) for kind, key in mine if kind in kinds and (whole or kind != "control"))
            if through_get:
                yield from ((key, False) for kind, key in self.into[here] if kind == "control")

        return _walk(start, steps)

    def unknown_before(self, chosen: Collection[NodeKey], fold: LogFold) -> set[TaskId]:
        """Tasks that these came from by data or state, and that are not known any more."""
        records = [fold.tasks[TaskId(key)] for key in chosen if key in fold.tasks]
        sources = {producer_of(dependency) for record in records for dependency in record.dependencies}
        sources |= {record.previous_call for record in records if record.previous_call is not None}
        return {each for each in sources if each not in fold.tasks and each not in fold.drivers}


def _walk(start: NodeKey, steps: Steps) -> list[NodeKey]:
    """All that steps lead to, nearest first. What was reached only as a parent may be reached as a whole later."""
    whole: dict[NodeKey, bool] = {start: True}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for key, as_whole in steps(here, whole=whole[here]):
            if key not in whole or (as_whole and not whole[key]):
                whole[key] = as_whole
                queue.append(key)
    del whole[start]
    return list(whole)


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


def _totals_of_groups(fold: LogFold) -> dict[str, FunctionTotals]:
    totals: dict[str, FunctionTotals] = {}
    for group in fold.groups:
        more = FunctionTotals(
            group.function,
            group.total,
            ended_count(group),
            group.counts[RUNNING],
            sum(group.counts[STATES.index(name)] for name in ("failed", "lost")),
            group.retried,
            group.busy_s,
        )
        totals[group.function] = _sum(totals.get(group.function), more)
    return totals


def _totals_of_tasks(tasks: Iterable[TaskNode]) -> dict[str, FunctionTotals]:
    totals: dict[str, FunctionTotals] = {}
    for task in tasks:
        ran_s = task.finished_at - task.started_at if task.finished_at and task.started_at else 0.0
        more = FunctionTotals(
            task.function,
            1,
            int(task.state in ENDED_NAMES),
            int(task.state == "running"),
            int(task.state in ("failed", "lost")),
            int(task.attempt > 0),
            ran_s if task.state in ("finished", "failed") else 0.0,
        )
        totals[task.function] = _sum(totals.get(task.function), more)
    return totals


def _sum(one: FunctionTotals | None, other: FunctionTotals) -> FunctionTotals:
    if one is None:
        return other
    added = [a + b for a, b in zip(astuple(one)[1:], astuple(other)[1:], strict=True)]
    return FunctionTotals(one.function, *added)
