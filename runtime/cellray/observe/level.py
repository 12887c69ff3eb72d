"""The two levels of detail of a graph: every task one by one, or one box for each function and cell.

Each remembers what it told, so that it tells of a change only what is new; told everything at once, it makes the
snapshot. So a snapshot and the sum of the deltas are the same by construction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from cellray.ids import ObjectId, TaskId, is_put, producer_of
from cellray.observe.changes import Changes
from cellray.observe.fold import LogFold
from cellray.observe.groups import GroupRecord, ViewKey, group_id, task_group
from cellray.observe.messages import (
    Edge,
    EdgeKind,
    GroupEdge,
    ObjectNode,
    ObjectStateName,
    TaskGroup,
    TaskNode,
)
from cellray.observe.nodes import EdgeKey, edge, object_node, outputs_of, task_node
from cellray.observe.records import ObjectRecord, TaskRecord
from cellray.observe.scope import Scope


class TaskLevel:
    """Tasks, their objects and edges, one by one. Edges are told once both ends are in the view."""

    def __init__(self, fold: LogFold, scope: Scope) -> None:
        self._fold = fold
        self._scope = scope
        self._shown: set[TaskId | ObjectId] = set()
        self._told: dict[ObjectId, tuple[ObjectStateName, int] | None] = {}
        self._gone: set[TaskId | ObjectId] = set()
        self._inputs_of: dict[TaskId, tuple[ObjectId, ...]] = {}
        self._users: Counter[ObjectId] = Counter()
        self._edges: set[EdgeKey] = set()
        self._edges_wanted: dict[TaskId | ObjectId, set[EdgeKey]] = {}
        self.tasks: list[TaskNode] = []
        self.objects: dict[ObjectId, ObjectNode] = {}
        self.edges: list[Edge] = []
        self.removed: list[str] = []

    def show_all(self) -> None:
        """Tell everything inside the scope."""
        self.show(self._scope.tasks())
        for object_id, record in self._fold.objects.items():
            if is_put(object_id):
                self._show_put(object_id, record)

    def change(self, changes: Changes) -> None:
        """Tell what changed, on top of what was told before."""
        self.tasks, self.objects, self.edges, self._gone = [], {}, [], set()
        self._remove(changes.removed)
        inside = []
        for record in changes.tasks:
            if self._scope.matches(record):
                inside.append(record)
            elif self._told:
                self._retell_returns(record)
        self.show(sorted(inside, key=lambda record: record.ordinal))
        for object_id, kept in changes.objects.items():
            if object_id in self._told:
                self._show_object(object_id, kept)
            elif is_put(object_id):
                self._show_put(object_id, kept)
        # What left with one task and came back with another stays: receivers remove last.
        self.removed = [each.hex() for each in self._gone if each not in self._shown]

    def show(self, records: Iterable[TaskRecord]) -> None:
        """Tell about these tasks, their returns, their inputs and the edges to them."""
        for record in records:
            self.tasks.append(task_node(record))
            self._add(record.task_id)
            if record.task_id not in self._inputs_of:
                self._inputs_of[record.task_id] = record.dependencies
                self._users.update(record.dependencies)
            for object_id in outputs_of(record):
                self._show_object(object_id, self._fold.objects.get(object_id))
                self._want(("data", record.task_id, object_id))
            for dependency in record.dependencies:
                self._show_input(dependency)
            for key in self._scope.edges_into(record):
                self._want(key)

    def _show_input(self, object_id: ObjectId) -> None:
        # An input from outside the scope is shown too, without its producer.
        known = self._fold.objects.get(object_id)
        pending = not is_put(object_id) and producer_of(object_id) in self._fold.tasks
        if known is not None or pending:
            self._show_object(object_id, known)
            self._want(("data", producer_of(object_id), object_id))

    def _show_put(self, object_id: ObjectId, record: ObjectRecord) -> None:
        if self._belongs(object_id):
            self._show_object(object_id, record)
            self._want(("data", producer_of(object_id), object_id))

    def _show_object(self, object_id: ObjectId, record: ObjectRecord | None) -> None:
        state = (record.state, record.object_bytes) if record is not None else None
        if object_id not in self._told or self._told[object_id] != state:
            self._told[object_id] = state
            self.objects[object_id] = object_node(object_id, record, self._fold.drivers)
            self._add(object_id)

    def _retell_returns(self, record: TaskRecord) -> None:
        """A task outside the scope changed; its returns may be inputs of those inside."""
        for object_id in outputs_of(record):
            if object_id in self._told:
                self._show_object(object_id, self._fold.objects.get(object_id))

    def _add(self, key: TaskId | ObjectId) -> None:
        if key not in self._shown:
            self._shown.add(key)
            for wanted in self._edges_wanted.pop(key, ()):
                self._want(wanted)

    def _want(self, key: EdgeKey) -> None:
        """Tell an edge, now or when its ends have come."""
        if key in self._edges:
            return
        for end in key[1:]:
            if end not in self._shown:
                self._edges_wanted.setdefault(end, set()).add(key)
                return
        self._edges.add(key)
        self.edges.append(edge(key))

    def _belongs(self, object_id: ObjectId) -> bool:
        """Whether an object that exists is in the view: with its producer, or as an input."""
        return self._scope.whole or producer_of(object_id) in self._shown or self._users[object_id] > 0

    def _remove(self, ids: Iterable[TaskId | ObjectId]) -> None:
        gone = {each for each in ids if each in self._shown}
        if not gone:
            return
        self._shown -= gone
        for each in gone:
            self._users.subtract(self._inputs_of.pop(TaskId(each), ()))
        # Objects that stood in the view only with a task that left, such as inputs from outside the scope.
        gone.update(object_id for object_id in self._told if not self._belongs(object_id))
        self._shown -= gone
        self._told = {object_id: told for object_id, told in self._told.items() if object_id not in gone}
        self._edges = {key for key in self._edges if key[1] not in gone and key[2] not in gone}
        self._gone = gone


class GroupLevel:
    """One box for each function and cell, with edges that count."""

    def __init__(self, fold: LogFold, scope: Scope) -> None:
        self._fold = fold
        self._scope = scope
        self._members: dict[ViewKey, list[GroupRecord]] = {}
        self._member_count = 0
        self._edge_counts: dict[tuple[EdgeKind, str, str], int] = {}
        self._lively: set[ViewKey] = set()
        self.groups: list[TaskGroup] = []
        self.edges: list[GroupEdge] = []

    def show_all(self, now: float) -> None:
        """Tell everything inside the scope."""
        self._note_members()
        self._show(self._members, now)

    def change(self, changes: Changes, now: float) -> None:
        """Tell the boxes with changed tasks, and those whose rate is falling."""
        self._note_members()
        indexes = {record.group for record in changes.tasks} | changes.groups_folded
        keys = {self._fold.groups[index].view_key for index in indexes if self._scope.inside(index)}
        self._show({key: self._members[key] for key in self._members if key in keys | self._lively}, now)

    def _show(self, boxes: Mapping[ViewKey, list[GroupRecord]], now: float) -> None:
        self.groups = [task_group(key, members, now) for key, members in boxes.items()]
        for key, group in zip(boxes, self.groups, strict=True):
            (self._lively.add if group.rate_per_s else self._lively.discard)(key)
        self.edges = []
        for edge_key, count in self._count_edges().items():
            if self._edge_counts.get(edge_key) != count:
                self._edge_counts[edge_key] = count
                self.edges.append(GroupEdge(*edge_key, count))

    def _note_members(self) -> None:
        groups = self._scope.groups()
        for group in groups[self._member_count :]:
            self._members.setdefault(group.view_key, []).append(group)
        self._member_count = len(groups)

    def _count_edges(self) -> dict[tuple[EdgeKind, str, str], int]:
        counts: dict[tuple[EdgeKind, str, str], int] = {}
        groups = self._fold.groups
        for (kind, source, target), count in self._fold.ledger.group_edges.items():
            if self._scope.inside(source) and self._scope.inside(target):
                key = (kind, group_id(groups[source].view_key), group_id(groups[target].view_key))
                counts[key] = counts.get(key, 0) + count
        return counts
