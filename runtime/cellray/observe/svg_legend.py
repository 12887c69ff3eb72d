"""Owns what stands below a static picture: a legend of just what occurs in it, and what it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cellray.observe.messages import EdgeKind, GraphDelta, ObjectNode, TaskStateName
from cellray.observe.svg_pen import Pen, hue_ink, text_width
from cellray.observe.svg_scene import Scene, short_name
from cellray.observe.visual import count, tokens

_ROW_HEIGHT = 21.0
_SIZE = 11.5
_GAP = 20.0
_FUNCTIONS_MAX = 8


@dataclass(frozen=True, slots=True)
class _Item:
    words: str
    sign_width: float
    draw: Callable[[Pen, float, float], None]


def draw_legend(pen: Pen, scene: Scene, snapshot: GraphDelta, left: float, width: float, top: float) -> float:
    """Rows of legend and remarks from `top` on; returns the height below the last."""
    x, y = left, top + _ROW_HEIGHT / 2
    for item in _items(scene, snapshot):
        needed = item.sign_width + 6 + text_width(item.words, _SIZE)
        if x > left and x + needed > left + width:
            x, y = left, y + _ROW_HEIGHT
        item.draw(pen, x, y)
        pen.label(item.words, x + item.sign_width + 6, y, _SIZE, "text_soft")
        x += needed + _GAP
    for remark in _remarks(scene, snapshot):
        y += _ROW_HEIGHT
        pen.label(remark, left, y, _SIZE, "text")
    return y + _ROW_HEIGHT / 2


def _items(scene: Scene, snapshot: GraphDelta) -> list[_Item]:
    table = tokens()
    items: list[_Item] = []
    for state, style in table.task_states.items():
        if snapshot.totals.get(state):
            items.append(_Item(style.label, 14, partial(_draw_mark, state)))
    kinds = {line.kind for line in scene.lines}
    for kind, edge in table.edges.items():
        if kind in kinds:
            items.append(_Item(edge.label, 24, partial(_draw_edge, kind)))
    if scene.docked or any(isinstance(box.node, ObjectNode) for box in scene.boxes):
        items.append(_Item("object", 8, lambda pen, x, y: pen.add("circle", cx=x + 4, cy=y, r=4, fill="text")))
    # The tasks of a remote cell go by the cell's name, which is the title of their group.
    nodes = [box.node for box in scene.boxes if not isinstance(box.node, ObjectNode)]
    functions = dict.fromkeys(node.function for node in nodes if not node.cell or node.function != node.cell.label)
    shown = list(functions)[:_FUNCTIONS_MAX]
    return items + [_Item(_plain(function), 4, partial(_draw_strip, function)) for function in shown]


def _draw_mark(state: TaskStateName, pen: Pen, x: float, y: float) -> None:
    pen.mark(state, x + 7, y, 14, 1, "paper")


def _draw_edge(kind: EdgeKind, pen: Pen, x: float, y: float) -> None:
    pen.edge(f"M{x:.1f} {y:.1f}h24", kind)


def _draw_strip(function: str, pen: Pen, x: float, y: float) -> None:
    pen.add("rect", x=x, y=y - 6.5, width=4, height=13, rx=2, fill=hue_ink(function))


def _remarks(scene: Scene, snapshot: GraphDelta) -> list[str]:
    said: list[str] = []
    if not scene.boxes:
        said.append("Nothing has run yet.")
    if scene.folded:
        said.append(f"{count(scene.folded)} tasks, folded into one box for each function and cell.")
    if scene.folded_calls:
        said.append(f"{count(scene.folded_calls)} calls, folded into one box for each actor.")
    if snapshot.dropped:
        many = "1 task is" if snapshot.dropped == 1 else f"{count(snapshot.dropped)} tasks are"
        said.append(f"{many} missing from this picture; the counts include them.")
    if snapshot.missed_records:
        many = "1 record" if snapshot.missed_records == 1 else f"{count(snapshot.missed_records)} records"
        said.append(f"{many} of the log could not be read any more: what they told is missing, in the counts too.")
    return said


def _plain(function: str) -> str:
    if short_name(function) == function:
        return function
    owner, _, name = function.rpartition("<locals>.")[2].rpartition(".")
    return f"{short_name(owner)}.{name}" if short_name(owner)[:1].isupper() else name
