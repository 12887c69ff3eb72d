"""Owns the boxes of a static picture: tasks, groups of tasks, objects."""

from __future__ import annotations

from cellray.observe.messages import ObjectNode, TaskGroup, TaskNode, TaskStateName
from cellray.observe.svg_layout import Rect
from cellray.observe.svg_pen import Pen, fitting, fitting_name, hue_ink, text_width, tint_ink
from cellray.observe.svg_scene import short_name
from cellray.observe.visual import count, data_size, duration, object_radius, rate, state_style, tokens

_SHAPE = tokens().shape
_PAD = 10.0
# As in a progress bar: what is done fills up from the left.
_BAR_ORDER: tuple[TaskStateName, ...] = (
    "finished", "failed", "lost", "cancelled", "retried", "running", "fetching", "ready", "waiting",
)  # fmt: skip
# What went wrong first: when room is short, it is what must not be cut.
_COUNT_ORDER: tuple[TaskStateName, ...] = (
    "failed", "lost", "retried", "running", "finished", "cancelled", "fetching", "ready", "waiting",
)  # fmt: skip


def draw_task(pen: Pen, task: TaskNode, rect: Rect) -> None:
    """A rounded box: mark, name, what became of it, the function's hue."""
    style = state_style(task.state)
    dash = " ".join(f"{length:g}" for length in style.dash) or None
    fill = tint_ink(task.state)
    pen.add(
        "rect", x=rect.x, y=rect.y, width=rect.width, height=rect.height, rx=_SHAPE.task_radius, fill=fill,
        stroke=task.state, stroke_width=1.3, stroke_dasharray=dash,
    )  # fmt: skip
    _strip(pen, task.function, rect)
    pen.mark(task.state, rect.x + _SHAPE.mark_cell_width / 2 + 1, rect.middle, 16, task.attempt, fill)
    left = rect.x + _SHAPE.mark_cell_width + 3
    room = rect.right - _SHAPE.function_strip_width - 11 - left
    struck = "line-through" if task.state == "cancelled" else None
    pen.label(
        fitting_name(short_name(task.name), room, 12.5),
        left,
        rect.middle - 7,
        12.5,
        "text",
        text_decoration=struck,
    )
    ink = "failed" if task.state == "failed" else "text_soft"
    pen.label(fitting(detail_words(task), room, 10.5), left, rect.middle + 8, 10.5, ink)


def draw_group(pen: Pen, group: TaskGroup, rect: Rect) -> None:
    """All tasks of one function and cell: a stacked bar of their states, counts by mark, speed."""
    pen.add(
        "rect", x=rect.x, y=rect.y, width=rect.width, height=rect.height, rx=_SHAPE.task_radius, fill="paper",
        stroke="line", stroke_width=1.3,
    )  # fmt: skip
    _strip(pen, group.function, rect)
    left, room = rect.x + _PAD, rect.width - 2 * _PAD - 8
    total = sum(group.counts.get(state, 0) for state in _BAR_ORDER)
    words = f"{count(total)} tasks"
    pen.label(words, left + room, rect.y + 15, 12, "text_soft", text_anchor="end")
    name = fitting(short_name(group.function), room - text_width(words, 12) - 8, 12.5)
    pen.label(name, left, rect.y + 15, 12.5, "text", font_weight=600)
    _bar(pen, group, total, Rect(left, rect.y + 29, room, 9))
    _counts(pen, group, left, rect.y + 51, room)
    speed = [rate(group.rate_per_s)] if group.rate_per_s > 0 else []
    if group.duration_p50_s is not None:
        speed.append(f"half take under {duration(group.duration_p50_s)}")
    pen.label(fitting(", ".join(speed), room, 10.5), left, rect.y + 73, 10.5, "text_soft")


def draw_put(pen: Pen, item: ObjectNode, rect: Rect) -> None:
    """An object that no task in the picture returned."""
    draw_object(pen, item, rect.right - 8, rect.middle)
    words = "put" if item.object_bytes is None else f"put {data_size(item.object_bytes)}"
    pen.label(fitting(words, rect.width - 22, 11), rect.right - 20, rect.middle, 11, "text_soft", text_anchor="end")


def draw_object(pen: Pen, item: ObjectNode, x: float, y: float) -> None:
    """A circle: larger for more bytes, hollow until it is made, ringed on disk, dashed when freed."""
    style = tokens().object_states[item.state]
    radius = object_radius(item.object_bytes)
    dash = " ".join(f"{length:g}" for length in style.dash) or None
    fill = "text" if style.fill else "paper"
    pen.add(
        "circle",
        cx=x,
        cy=y,
        r=radius,
        fill=fill,
        stroke="text",
        stroke_width=style.width,
        stroke_dasharray=dash,
    )
    if style.ring:
        pen.add("circle", cx=x, cy=y, r=radius + 2.6, fill="none", stroke="text", stroke_width=style.width)


def detail_words(task: TaskNode) -> str:
    """The second line of a task's box."""
    attempt = f", attempt {task.attempt + 1}" if task.attempt else ""
    match task.state:
        case "waiting":
            return "waiting for inputs"
        case "fetching":
            return "fetching inputs"
        case "finished":
            if task.started_at is None or task.finished_at is None:
                return "finished" + attempt
            return duration(max(0.0, task.finished_at - task.started_at)) + attempt
        case "failed":
            error = (task.error or "failed").split("\n")[0]
            return error.split(":")[0].split("(")[0]
        case "retried":
            return f"again, attempt {task.attempt + 1}"
        case _:
            return state_style(task.state).label + attempt


def _strip(pen: Pen, function: str, rect: Rect) -> None:
    width = _SHAPE.function_strip_width
    pen.add(
        "rect", x=rect.right - width - 7, y=rect.y + 5, width=width, height=rect.height - 10, rx=width / 2,
        fill=hue_ink(function),
    )  # fmt: skip


def _bar(pen: Pen, group: TaskGroup, total: int, bar: Rect) -> None:
    x = bar.x
    for state in _BAR_ORDER:
        width = group.counts.get(state, 0) / total * bar.width if total else 0.0
        if width > 0 and state_style(state).solid:
            # A single failure among thousands must not be thinner than the eye can see.
            shown = max(width, 2.0)
            pen.add("rect", x=min(x, bar.right - shown), y=bar.y, width=shown, height=bar.height, fill=state)
        elif width > 0:
            pen.add(
                "rect", x=x + 0.5, y=bar.y + 0.5, width=max(0.5, width - 1), height=bar.height - 1,
                fill="none", stroke=state, stroke_width=1,
            )  # fmt: skip
        x += width


def _counts(pen: Pen, group: TaskGroup, left: float, y: float, room: float) -> None:
    x = left
    for state in _COUNT_ORDER:
        many = group.counts.get(state, 0)
        words = count(many)
        needed = 17 + text_width(words, 11)
        if many and x + needed <= left + room:
            pen.mark(state, x + 7, y, 13, 1, "paper")
            pen.label(words, x + 17, y, 11, "text")
            x += needed + 9
