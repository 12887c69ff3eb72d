"""Owns the static picture of a task graph: one self-contained SVG for saved notebooks, GitHub and print."""

from __future__ import annotations

from html import escape

from cellray.observe.messages import GraphDelta, TaskGroup, TaskNode, TaskStateName
from cellray.observe.svg_boxes import draw_group, draw_object, draw_put, draw_task
from cellray.observe.svg_layout import Positions, Rect, lay_out, union
from cellray.observe.svg_legend import draw_legend
from cellray.observe.svg_lines import draw_line
from cellray.observe.svg_pen import FONT, Pen, fitting, text_width
from cellray.observe.svg_scene import Box, Scene, scene_of
from cellray.observe.visual import count, rate, state_style, tokens

_SHAPE = tokens().shape
_STATES = tuple(tokens().task_states)
_MARGIN = 16.0
_HEAD_HEIGHT = 34.0
_WIDTH_MIN = 560.0


def graph_svg(
    delta_snapshot: GraphDelta, *, title: str | None = None, highlight: str | None = None, width: float = 1200
) -> str:
    """Draws a snapshot (a delta with `reset` set) as an SVG document.

    `highlight` is the id of a node whose ancestors and descendants stay bright. A picture wider than `width` pixels
    is scaled down to it. More than `svg_nodes_max` tasks are folded by function and cell.

        >>> Path("graph.svg").write_text(graph_svg(snapshot, title="Training"))
    """
    scene = scene_of(delta_snapshot)
    positions = lay_out(scene)
    bounds = union([*positions.blocks.values(), *positions.lanes.values()])
    inner_width = max(bounds.width, _WIDTH_MIN - 2 * _MARGIN)
    pen = Pen()
    words = graph_words(delta_snapshot)
    _draw_head(pen, title, words, inner_width)
    bottom = _HEAD_HEIGHT
    if scene.boxes:
        pen.raw(f'<g transform="translate({_MARGIN - bounds.x:.1f} {_HEAD_HEIGHT - bounds.y:.1f})">')
        _draw_graph(pen, scene, positions, _lit(scene, highlight))
        pen.raw("</g>")
        bottom += bounds.height
    bottom = draw_legend(pen, scene, delta_snapshot, _MARGIN, inner_width, bottom + 6)
    full = Rect(0, 0, inner_width + 2 * _MARGIN, bottom + 6)
    return _document(pen, full, width, f"{title}: {words}" if title else f"Task graph: {words}")


def graph_words(snapshot: GraphDelta) -> str:
    """`37/64 done, 8.2/s, 2 running, 1 retried`: the picture for those who cannot see it."""
    states: dict[TaskStateName, int] = {
        state: snapshot.totals[state] for state in tokens().task_states if snapshot.totals.get(state)
    }
    if not states:
        return "no tasks yet"
    parts = [f"{count(states.pop('finished', 0))}/{count(sum(snapshot.totals.get(s, 0) for s in _STATES))} done"]
    if snapshot.rate_per_s > 0 and states:
        parts.append(rate(snapshot.rate_per_s))
    parts += [f"{count(many)} {state_style(state).label}" for state, many in states.items()]
    return ", ".join(parts)


def _document(pen: Pen, full: Rect, width_max: float, words: str) -> str:
    scale = min(1.0, width_max / full.width)
    pen.add("rect", x=0.5, y=0.5, width=full.width - 1, height=full.height - 1, rx=4, fill="paper", stroke="line")
    background = pen.parts.pop()
    body = "\n".join([f"<title>{escape(words)}</title>", pen.style_sheet(), background, *pen.parts])
    size = f'width="{full.width * scale:.0f}" height="{full.height * scale:.0f}"'
    box = f'viewBox="0 0 {full.width:.0f} {full.height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {box} {size} font-family="{FONT}">'
    return f"{head}\n{body}\n</svg>\n"


def _draw_head(pen: Pen, title: str | None, words: str, width: float) -> None:
    x = _MARGIN
    if title:
        shown = fitting(title, width * 0.5, 13.5)
        pen.label(shown, x, 18, 13.5, "text", font_weight=600)
        x += text_width(shown, 13.5) + 18
    pen.label(fitting(words, width - x, 12), x, 18, 12, "text_soft")


def _draw_graph(pen: Pen, scene: Scene, positions: Positions, lit: set[str] | None) -> None:
    for block, rect in positions.blocks.items():
        title = scene.block_titles.get(block, "")
        if title:
            pen.add("rect", x=rect.x, y=rect.y, width=rect.width, height=rect.height, rx=8, fill="soft")
            shown = fitting(title, rect.width - 16, 11.5)
            pen.label(shown, rect.x + 10, rect.y + 12.5, 11.5, "text_soft", font_weight=600)
    for lane, rect in positions.lanes.items():
        pen.add(
            "rect",
            x=rect.x,
            y=rect.y,
            width=rect.width,
            height=rect.height,
            rx=6,
            fill="paper",
            stroke="line",
        )
        shown = fitting(scene.lane_titles.get(lane, "actor"), rect.width - 16, 11)
        pen.label(shown, rect.x + _SHAPE.lane_pad, rect.y + 10, 11, "text_soft", font_weight=600)
    for line in scene.lines:
        docks = len(scene.docked.get(line.source, ())) or 1
        faded = lit is not None and not (line.source in lit and line.target in lit)
        draw_line(pen, line, positions, docks, faded)
    for box in scene.boxes:
        faded = lit is not None and box.id not in lit
        if faded:
            pen.raw('<g opacity="0.25">')
        _draw_box(pen, box, positions.boxes[box.id], scene)
        if faded:
            pen.raw("</g>")


def _draw_box(pen: Pen, box: Box, rect: Rect, scene: Scene) -> None:
    if isinstance(box.node, TaskNode):
        draw_task(pen, box.node, rect)
        docked = scene.docked.get(box.id, [])
        for index, item in enumerate(docked):
            draw_object(pen, item, rect.right, rect.y + rect.height * (index + 1) / (len(docked) + 1))
    elif isinstance(box.node, TaskGroup):
        draw_group(pen, box.node, rect)
    else:
        draw_put(pen, box.node, rect)


def _lit(scene: Scene, highlight: str | None) -> set[str] | None:
    """The boxes of a node, its ancestors and its descendants; `None` when there is nothing to point out."""
    docks = {item.id: task for task, items in scene.docked.items() for item in items}
    start = docks.get(highlight or "", highlight)
    if start is None or all(box.id != start for box in scene.boxes):
        return None
    lit = {start}
    for forwards in (True, False):
        queue = [start]
        seen = {start}
        while queue:
            current = queue.pop()
            for line in scene.lines:
                here, there = (line.source, line.target) if forwards else (line.target, line.source)
                if here == current and there not in seen:
                    seen.add(there)
                    queue.append(there)
        lit |= seen
    return lit
