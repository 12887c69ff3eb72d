"""Who is next to whom in the graph of a fold, and what can be reached from where."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from typing import Protocol

from cellray.ids import TaskId, is_put, producer_of
from cellray.observe.fold import LogFold
from cellray.observe.messages import EdgeKind
from cellray.observe.nodes import EdgeKey, edges_into, outputs_of
from cellray.observe.subjects import NodeKey

ALL_KINDS: frozenset[EdgeKind] = frozenset({"data", "control", "stateful"})


class Steps(Protocol):
    """Where one gets from a node, and whether what is reached is reached as more than a parent."""

    def __call__(self, here: NodeKey, *, whole: bool) -> Iterator[tuple[NodeKey, bool]]:
        """The next nodes."""


class GraphLinks:
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
