"""Owns what a static picture shows of a snapshot: boxes and lines, and the folding of too many tasks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from cellray.observe.messages import (
    CellLabel,
    EdgeKind,
    GraphDelta,
    GroupEdge,
    ObjectNode,
    TaskGroup,
    TaskNode,
)
from cellray.observe.svg_lanes import fold_lanes
from cellray.observe.visual import tokens

_SHAPE = tokens().shape
_DOCKED_MAX = tokens().limits.docked_objects_max
_DOTTED = re.compile(r"[^\W\d][\w.<>]*")


@dataclass(frozen=True, slots=True)
class Box:
    """One thing that takes up room; `block` is the cell that it stands in, `lane` the actor."""

    id: str
    block: str
    width: float
    height: float
    node: TaskNode | TaskGroup | ObjectNode
    lane: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """An edge between two boxes; `dock` is the place of the object at the right edge of the first."""

    kind: EdgeKind
    source: str
    target: str
    dock: int | None = None


@dataclass(slots=True)
class Scene:
    """What is drawn; `folded` tasks stand in groups and not for themselves, `folded_calls` in one of their actor."""

    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    docked: dict[str, list[ObjectNode]] = field(default_factory=dict)
    block_titles: dict[str, str] = field(default_factory=dict)
    lane_titles: dict[str, str] = field(default_factory=dict)
    folded: int = 0
    folded_calls: int = 0


def scene_of(snapshot: GraphDelta) -> Scene:
    """Tasks one by one while there are few, otherwise one box for each function and cell."""
    if snapshot.mode == "groups":
        return _group_scene(snapshot.groups, snapshot.group_edges, sum(snapshot.totals.values()))
    if len(snapshot.tasks) > tokens().limits.svg_nodes_max:
        groups, edges = fold(snapshot)
        return _group_scene(groups, edges, len(snapshot.tasks))
    return _task_scene(snapshot)


def fold(snapshot: GraphDelta) -> tuple[list[TaskGroup], list[GroupEdge]]:
    """The tasks of a snapshot by function and cell, and the edges between these groups."""
    members: dict[str, list[TaskNode]] = defaultdict(list)
    group_of: dict[str, str] = {}
    for task in sorted(snapshot.tasks, key=lambda each: each.submitted_at):
        key = f"{_block(task.cell)}\n{task.function}"
        members[key].append(task)
        group_of[task.id] = key
    for item in snapshot.objects:
        if item.producer in group_of:
            group_of[item.id] = group_of[item.producer]
    crossings: dict[tuple[EdgeKind, str, str], int] = defaultdict(int)
    for edge in snapshot.edges:
        source, target = group_of.get(edge.source), group_of.get(edge.target)
        if source is not None and target is not None and source != target:
            crossings[edge.kind, source, target] += 1
    groups = [_group(key, tasks) for key, tasks in members.items()]
    return groups, [GroupEdge(kind, source, target, many) for (kind, source, target), many in crossings.items()]


def short_name(name: str) -> str:
    """The last part of a dotted name; others, such as `lr=0.5`, as they are."""
    return (_DOTTED.fullmatch(name) and name.rpartition(".")[2]) or name


def _group(key: str, tasks: list[TaskNode]) -> TaskGroup:
    counts: dict[str, int] = defaultdict(int)
    took: list[float] = []
    for task in tasks:
        counts[task.state] += 1
        if task.started_at is not None and task.finished_at is not None:
            took.append(task.finished_at - task.started_at)
    return TaskGroup(
        id=key,
        function=tasks[0].function,
        cell=tasks[0].cell,
        counts=dict(counts),
        rate_per_s=0.0,
        duration_p50_s=median(took) if took else None,
        latest=[],
        slowest=[],
    )


def _group_scene(groups: Iterable[TaskGroup], edges: Iterable[GroupEdge], folded: int) -> Scene:
    scene = Scene(folded=folded)
    for group in groups:
        block = _block(group.cell)
        scene.block_titles[block] = group.cell.label if group.cell else ""
        scene.boxes.append(Box(group.id, block, _SHAPE.group_width, _SHAPE.group_height, group))
    present = {box.id for box in scene.boxes}
    scene.lines = [
        Line(edge.kind, edge.source, edge.target)
        for edge in edges
        if edge.source != edge.target and edge.source in present and edge.target in present
    ]
    return scene


def _task_scene(snapshot: GraphDelta) -> Scene:
    # Tasks that were submitted together have one time: among them the snapshot's order counts.
    order = {task.id: at for at, task in enumerate(sorted(snapshot.tasks, key=lambda each: each.submitted_at))}
    snapshot, folded, firsts = fold_lanes(snapshot)
    scene = Scene(folded_calls=sum(sum(group.counts.values()) for group in folded.values()))
    tasks = sorted([*snapshot.tasks, *firsts.values()], key=lambda each: order[each.id])
    box_of = {first.id: folded[key] for key, first in firsts.items()}
    dock_of = _dock(scene, snapshot, {task.id for task in tasks})
    puts = _standing_alone(snapshot, dock_of)
    for task in tasks:
        block = _block(task.cell)
        scene.block_titles[block] = task.cell.label if task.cell else ""
        for item in puts.get(task.id, []):
            scene.boxes.append(Box(item.id, block, _SHAPE.put_width, _SHAPE.put_height, item))
        if task.id in box_of:
            group = box_of[task.id]
            scene.boxes.append(Box(group.id, block, _SHAPE.group_width, _SHAPE.group_height, group, task.actor))
        else:
            scene.boxes.append(Box(task.id, block, _SHAPE.task_width, _SHAPE.task_height, task, task.actor))
        if task.actor is not None and task.actor not in scene.lane_titles:
            owner = short_name(task.function.rpartition(".")[0]) or "actor"
            scene.lane_titles[task.actor] = f"{owner}  {task.actor[-4:]}"
    present = {box.id for box in scene.boxes}
    for edge in snapshot.edges:
        source, dock = dock_of.get(edge.source, (edge.source, None))
        returned_here = dock_of.get(edge.target, ("", 0))[0] == edge.source
        if not returned_here and source != edge.target and source in present and edge.target in present:
            scene.lines.append(Line(edge.kind, source, edge.target, dock))
    return scene


def _dock(scene: Scene, snapshot: GraphDelta, tasks: set[str]) -> dict[str, tuple[str, int | None]]:
    dock_of: dict[str, tuple[str, int | None]] = {}
    for item in sorted(snapshot.objects, key=lambda each: each.return_index):
        if item.producer in tasks and not item.is_put:
            here = scene.docked.setdefault(item.producer, [])
            if len(here) < _DOCKED_MAX:
                here.append(item)
            dock_of[item.id] = (item.producer, len(here) - 1)
    return dock_of


def _standing_alone(snapshot: GraphDelta, dock_of: dict[str, tuple[str, int | None]]) -> dict[str, list[ObjectNode]]:
    """Objects without a task that returned them, by the first task that uses them."""
    objects = {item.id: item for item in snapshot.objects if item.id not in dock_of}
    puts: dict[str, list[ObjectNode]] = defaultdict(list)
    tasks = {task.id for task in snapshot.tasks}
    for edge in snapshot.edges:
        if edge.source in objects and edge.target in tasks:
            puts[edge.target].append(objects.pop(edge.source))
    return puts


def _block(cell: CellLabel | None) -> str:
    return "" if cell is None else f"{cell.cell_id}\n{cell.label}"
