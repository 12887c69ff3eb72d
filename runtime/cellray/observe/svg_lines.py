"""Owns the course of edges in a static picture; those of wrapped layers run in the gaps between rows."""

from __future__ import annotations

from cellray.observe.svg_layout import Positions
from cellray.observe.svg_pen import Pen
from cellray.observe.svg_scene import Line
from cellray.observe.visual import tokens

_SHAPE = tokens().shape
_TURN = _SHAPE.column_gap - 4


def draw_line(pen: Pen, line: Line, positions: Positions, docks: int, faded: bool) -> None:
    """One edge; `docks` is the number of objects at the right edge of its source."""
    source, target = positions.boxes[line.source], positions.boxes[line.target]
    x1, x2 = source.right, target.x
    y1 = source.middle if line.dock is None else source.y + source.height * (line.dock + 1) / (docks + 1)
    y2 = target.middle
    if line.kind == "stateful":
        y1, y2 = source.y + source.height * 0.78, target.y + target.height * 0.78
    source_span, target_span = positions.spans.get(line.source), positions.spans.get(line.target)
    same_layer = source_span is not None and source_span == target_span
    path = f"M{x1:.1f} {y1:.1f}"
    from_x, from_y = x1, y1
    if source_span and not same_layer and x1 < source_span[1] - 1:
        gap = source.bottom + _SHAPE.row_gap * 0.35
        from_x, from_y = source_span[1], gap
        turn = x1 + _TURN
        path += f"C{turn:.1f} {y1:.1f} {x1 + _TURN / 3:.1f} {gap:.1f} {turn:.1f} {gap:.1f}H{from_x:.1f}"
    to_x, to_y, rest = x2, y2, ""
    if target_span and not same_layer and x2 > target_span[0] + 1:
        to_x, to_y = target_span[0], target.y - _SHAPE.row_gap * 0.35
        rest = f"H{x2 - _TURN:.1f}C{x2 - _TURN / 3:.1f} {to_y:.1f} {x2 - _TURN:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    along = to_x - from_x
    bend = max(18.0, min(along * 0.5, 120.0)) if along >= 0 else min(160.0, 40 - along * 0.25)
    path += f"C{from_x + bend:.1f} {from_y:.1f} {to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}{rest}"
    if faded:
        pen.raw('<g opacity="0.25">')
    pen.edge(path, line.kind)
    if tokens().edges[line.kind].arrow:
        pen.add("path", d=f"M{x2 + 1:.1f} {y2:.1f}l-7 -3.2v6.4z", fill="edge")
    if faded:
        pen.raw("</g>")
