"""Owns where things stand in a static picture: the layered layout of the live view, for a whole snapshot.

Cells are blocks of columns from left to right; within a block a box's layer is its longest path; wide layers
wrap; actors have lanes above. `labextension/src/views/graph/layout.ts` is the incremental twin and says why.
Here blocks also continue below, like lines of text, because a page cannot be panned.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cellray.observe.svg_scene import Box, Line, Scene
from cellray.observe.visual import tokens

_SHAPE = tokens().shape
_LIMITS = tokens().limits
_SHELF_WIDTH = 1700.0
_SHELF_GAP = _SHAPE.cell_title_height + 2 * _SHAPE.cell_pad + 16
Near = Mapping[str, Sequence[str]]


@dataclass(slots=True)
class Rect:
    """A place on the picture, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """The height of its centre."""
        return self.y + self.height / 2


@dataclass(slots=True)
class Positions:
    """Where everything stands; `spans` has the edges of the layer, for boxes in wrapped layers."""

    boxes: dict[str, Rect] = field(default_factory=dict)
    blocks: dict[str, Rect] = field(default_factory=dict)
    lanes: dict[str, Rect] = field(default_factory=dict)
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)


def lay_out(scene: Scene) -> Positions:
    """Places every box of the scene."""
    positions = Positions()
    blocks: dict[str, list[Box]] = defaultdict(list)
    for box in scene.boxes:
        blocks[box.block].append(box)
    # A lane cannot continue on the next shelf: with actors everything stays on one.
    shelf_width = float("inf") if scene.lane_titles else _SHELF_WIDTH
    x, shelf_top, shelf = 0.0, 0.0, list[Rect]()
    for members in blocks.values():
        right = _place_block(members, scene.lines, positions, x + _SHAPE.cell_pad, level=shelf_top == 0)
        rects = [positions.boxes[box.id] for box in members]
        if shelf and right > shelf_width:
            shelf_top = max(rect.bottom for rect in shelf) + _SHELF_GAP
            _move(rects, positions, members, -x)
            right, shelf = right - x, []
            # Level with its inputs it stands only beside them.
            lift = min(rect.y for rect in rects)
            for rect in rects:
                rect.y -= lift
        for rect in rects:
            rect.y += shelf_top
        shelf += rects
        x = right + _SHAPE.cell_pad + _SHAPE.cell_gap
    _place_lanes(scene.boxes, positions)
    for block, members in blocks.items():
        positions.blocks[block] = _block_rect([positions.boxes[box.id] for box in members], positions)
    return positions


def union(rects: Iterable[Rect]) -> Rect:
    """The smallest rectangle around all of them."""
    known = list(rects)
    if not known:
        return Rect(0, 0, 0, 0)
    x, y = min(rect.x for rect in known), min(rect.y for rect in known)
    return Rect(x, y, max(rect.right for rect in known) - x, max(rect.bottom for rect in known) - y)


def _move(rects: list[Rect], positions: Positions, members: list[Box], dx: float) -> None:
    for rect in rects:
        rect.x += dx
    for box in members:
        if box.id in positions.spans:
            left, right = positions.spans[box.id]
            positions.spans[box.id] = (left + dx, right + dx)


def _place_block(members: list[Box], lines: list[Line], positions: Positions, x: float, *, level: bool) -> float:
    sources, targets = _inside(members, lines)
    layer_of = longest_paths([box.id for box in members], targets)
    layers: dict[int, list[Box]] = defaultdict(list)
    for box in members:
        layers[layer_of[box.id]].append(box)
    order = [layers[index] for index in sorted(layers)]
    _sweep_order(order, sources, targets)
    wrapped: list[list[list[Box]]] = []
    tops: dict[str, float] = {}
    for layer in order:
        free = [box for box in layer if box.lane is None]
        rows = _rows_for(len(free))
        columns = [free[at : at + rows] for at in range(0, len(free), rows)] or [[]]
        for column in columns:
            y = 0.0
            for box in column:
                tops[box.id] = y
                y += box.height + _SHAPE.row_gap
        columns[0] = [box for box in layer if box.lane is not None] + columns[0]
        wrapped.append(columns)
    _sweep_heights(wrapped, tops, sources, targets)
    down = _towards_inputs(members, tops, lines, positions) if level else 0.0
    down -= min(tops.values(), default=0.0)
    for index, columns in enumerate(wrapped):
        x += _SHAPE.layer_gap if index else 0
        left = x
        for at, column in enumerate(columns):
            x += _SHAPE.column_gap if at else 0
            width = max(box.width for box in column)
            for box in column:
                top = tops.get(box.id, 0.0) + down
                positions.boxes[box.id] = Rect(x + width - box.width, top, box.width, box.height)
            x += width
        if len(columns) > 1:
            positions.spans.update((box.id, (left, x)) for column in columns for box in column)
    return x


def _inside(members: list[Box], lines: list[Line]) -> tuple[Near, Near]:
    here = {box.id for box in members}
    sources: dict[str, list[str]] = defaultdict(list)
    targets: dict[str, list[str]] = defaultdict(list)
    pairs = [(line.source, line.target) for line in lines if line.source in here and line.target in here]
    last: dict[str, str] = {}
    for box in members:
        if box.lane is not None:
            if box.lane in last:
                pairs.append((last[box.lane], box.id))
            last[box.lane] = box.id
    for source, target in pairs:
        targets[source].append(target)
        sources[target].append(source)
    return sources, targets


def longest_paths(ids: Sequence[str], targets: Near) -> dict[str, int]:
    """Layer of each id; in a cycle the first of `ids` goes first, edges back to it count for nothing."""
    waiting: dict[str, int] = dict.fromkeys(ids, 0)
    for source in ids:
        for target in targets.get(source, ()):
            waiting[target] += 1
    lower: dict[str, int] = defaultdict(int)
    layers: dict[str, int] = {}
    queue = deque(each for each in ids if waiting[each] == 0)
    rest = iter(ids)
    while len(layers) < len(ids):
        current = queue.popleft() if queue else next(each for each in rest if each not in layers)
        if current in layers:
            continue
        layers[current] = lower[current]
        for target in targets.get(current, ()):
            if target not in layers:
                lower[target] = max(lower[target], layers[current] + 1)
                waiting[target] -= 1
                if waiting[target] == 0:
                    queue.append(target)
    return layers


def _sweep_order(layers: list[list[Box]], sources: Near, targets: Near) -> None:
    at: dict[str, float] = {}

    def number(layer: list[Box]) -> None:
        at.update((box.id, (index + 0.5) / len(layer)) for index, box in enumerate(layer))

    def barycenter(near: Near) -> Callable[[Box], float]:
        return lambda box: _mean([at[each] for each in near.get(box.id, ())], at[box.id])

    for layer in layers:
        number(layer)
    for sweep in range(_LIMITS.barycenter_sweeps):
        forwards = sweep % 2 == 0
        for layer in layers if forwards else reversed(layers):
            layer.sort(key=barycenter(sources if forwards else targets))
            number(layer)


def _sweep_heights(layers: list[list[list[Box]]], tops: dict[str, float], sources: Near, targets: Near) -> None:
    heights = {box.id: box.height for columns in layers for column in columns for box in column}
    for near in (sources, targets, sources, targets, sources):
        for columns in layers if near is sources else reversed(layers):
            free = [box for box in columns[0] if box.lane is None]
            if len(columns) > 1 or not free:
                continue
            wanted = []
            for box in free:
                centres = [tops[each] + heights[each] / 2 for each in near.get(box.id, ()) if each in tops]
                wanted.append(_mean(centres, tops[box.id] + box.height / 2) - box.height / 2)
            for box, top in zip(free, _nearest_stack(wanted, [box.height for box in free]), strict=True):
                tops[box.id] = top


def _nearest_stack(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Tops in the given order that do not overlap, nearest to the wanted ones (pool adjacent violators)."""
    offsets = [0.0]
    for height in heights:
        offsets.append(offsets[-1] + height + _SHAPE.row_gap)
    pools: list[tuple[float, int]] = []
    for top, offset in zip(wanted, offsets, strict=False):
        total, size = top - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / size:
            before, many = pools.pop()
            total, size = total + before, size + many
        pools.append((total, size))
    levels = [total / size for total, size in pools for _ in range(size)]
    return [level + offset for level, offset in zip(levels, offsets, strict=False)]


def _towards_inputs(members: list[Box], tops: dict[str, float], lines: list[Line], positions: Positions) -> float:
    """How far down a block stands, to be level with what it gets from earlier blocks."""
    centres = {box.id: tops[box.id] + box.height / 2 for box in members if box.lane is None}
    least = min(tops.values(), default=0.0)
    apart = [
        positions.boxes[line.source].middle - (centres[line.target] - least)
        for line in lines
        if line.target in centres and line.source in positions.boxes
    ]
    return max(0.0, _mean(apart, 0.0))


def _place_lanes(boxes: list[Box], positions: Positions) -> None:
    calls: dict[str, list[Rect]] = defaultdict(list)
    for box in boxes:
        if box.lane is not None:
            calls[box.lane].append(positions.boxes[box.id])
    top = 0.0
    for lane, rects in calls.items():
        tallest = max(rect.height for rect in rects)
        height = _SHAPE.lane_title_height + tallest + _SHAPE.lane_pad
        top -= height + _SHAPE.lane_gap
        for rect in rects:
            rect.y = top + _SHAPE.lane_title_height + (tallest - rect.height) / 2
        around = union(rects)
        pad = _SHAPE.lane_pad
        positions.lanes[lane] = Rect(around.x - pad, top, around.width + 2 * pad, height)


def _block_rect(members: list[Rect], positions: Positions) -> Rect:
    inner = union(members)
    crossing = [lane.y for lane in positions.lanes.values() if lane.x < inner.right and lane.right > inner.x]
    top = min([inner.y, *crossing]) - _SHAPE.cell_title_height
    pad = _SHAPE.cell_pad
    return Rect(inner.x - pad, top, inner.width + 2 * pad, inner.bottom + pad - top)


def _rows_for(layer_size: int) -> int:
    return next(rows for size, rows in _LIMITS.rows_by_layer_size if size is None or layer_size <= size)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
