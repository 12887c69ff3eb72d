"""Owns the folding of long lanes: of an actor with many calls a static picture shows the first and the latest ones, and
one box for those in between. A page cannot be panned, and scaled down to fit nobody could read it."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median

from msgspec.structs import replace

from cellray.observe.messages import Edge, GraphDelta, TaskGroup, TaskNode

LANE_CALLS_MAX = 10
LATEST_SHOWN = 7


def fold_lanes(snapshot: GraphDelta) -> tuple[GraphDelta, dict[str, TaskGroup], dict[str, TaskNode]]:
    """The snapshot without the calls that are folded, the boxes for these, and by box the first call in it.

    Edges from and to folded calls, and of what they returned, are those of their box.
    """
    lanes: dict[str, list[TaskNode]] = defaultdict(list)
    for task in sorted(snapshot.tasks, key=lambda each: each.submitted_at):
        if task.actor is not None:
            lanes[task.actor].append(task)
    boxes: dict[str, TaskGroup] = {}
    firsts: dict[str, TaskNode] = {}
    box_of: dict[str, str] = {}
    for actor, calls in lanes.items():
        if len(calls) > LANE_CALLS_MAX:
            between = calls[1:-LATEST_SHOWN]
            box = _box(f"{actor}/between", between)
            boxes[box.id], firsts[box.id] = box, between[0]
            box_of.update((call.id, box.id) for call in between)
    if not boxes:
        return snapshot, boxes, firsts
    return _without(snapshot, box_of), boxes, firsts


def _without(snapshot: GraphDelta, box_of: dict[str, str]) -> GraphDelta:
    gone = [item for item in snapshot.objects if item.producer in box_of and not item.is_put]
    place_of = {**box_of, **{item.id: box_of[item.producer] for item in gone if item.producer is not None}}
    edges = dict.fromkeys(
        (edge.kind, place_of.get(edge.source, edge.source), place_of.get(edge.target, edge.target))
        for edge in snapshot.edges
    )
    folded = {item.id for item in gone}
    return replace(
        snapshot,
        tasks=[task for task in snapshot.tasks if task.id not in box_of],
        objects=[item for item in snapshot.objects if item.id not in folded],
        edges=[Edge(*key) for key in edges if key[1] != key[2]],
    )


def _box(key: str, calls: list[TaskNode]) -> TaskGroup:
    functions = dict.fromkeys(call.function for call in calls)
    took = [call.finished_at - call.started_at for call in calls if call.started_at and call.finished_at]
    return TaskGroup(
        id=key,
        function=next(iter(functions)) if len(functions) == 1 else "calls in between",
        cell=None,
        counts=dict(Counter(call.state for call in calls)),
        rate_per_s=0.0,
        duration_p50_s=median(took) if took else None,
        latest=[],
        slowest=[],
    )
