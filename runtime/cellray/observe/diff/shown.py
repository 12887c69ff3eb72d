"""A difference of two runs as a notebook shows it: what went another way first, what followed, durations as bars."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from cellray.observe.diff.answer import TOLD_MAX, Diff, Divergence, FunctionTimes, path_words
from cellray.observe.visual import function_colour
from cellray.observe.visual.format import count, duration

_BAR_WIDTH = 120


def render_diff(diff: Diff) -> str:
    """HTML without a script; colours follow the reader's theme where they carry no meaning."""
    parts = [f"<p><b>{escape(diff.headline)}</b></p>"]
    if diff.first is not None:
        parts.append(_divergences("First", [diff.first]))
        parts.append(_divergences("Downstream of it", diff.downstream))
        parts.append(_divergences("Besides", diff.others))
    if diff.functions:
        parts.append(_durations(diff.functions))
    return f'<div class="cellray-diff">{"".join(parts)}</div>'


def _divergences(title: str, divergences: Sequence[Divergence]) -> str:
    if not divergences:
        return ""
    rows = "".join(
        f'<tr><td style="text-align:left;white-space:nowrap">{_strip(each.function)}<b>{escape(each.name)}</b></td>'
        f'<td style="text-align:left;white-space:nowrap">{path_words(each.path)}</td>'
        f'<td style="text-align:left">{escape(", ".join(each.aspects))}</td>'
        f'<td style="text-align:left">{escape(each.text)}</td></tr>'
        for each in divergences[:TOLD_MAX]
    )
    more = len(divergences) - TOLD_MAX
    rest = f'<tr><td colspan="4" style="text-align:left">and {count(more)} more tasks</td></tr>' if more > 0 else ""
    number = f": {count(len(divergences))} tasks" if len(divergences) > 1 else ""
    return f"<table><caption style='text-align:left'>{title}{number}</caption>{rows}{rest}</table>"


def _durations(functions: Sequence[FunctionTimes]) -> str:
    shown = functions[:TOLD_MAX]
    longest = max([each.total_a_s for each in shown] + [each.total_b_s for each in shown]) or 1.0
    rows = "".join(
        f'<tr><td style="text-align:left;white-space:nowrap">{_strip(each.function)}{escape(each.function)}</td>'
        f"<td>{_bar(each.tasks_a, each.total_a_s, longest)}</td><td>{_bar(each.tasks_b, each.total_b_s, longest)}</td>"
        f"<td>{f'{each.ratio:.2f} x' if each.ratio is not None else ''}</td></tr>"
        for each in shown
    )
    more = len(functions) - TOLD_MAX
    rest = f'<tr><td colspan="4" style="text-align:left">and {count(more)} more functions</td></tr>' if more > 0 else ""
    head = "<tr><th style='text-align:left'>function</th><th>first run</th><th>second run</th><th>change</th></tr>"
    return f"<table>{head}{rows}{rest}</table>"


def _bar(tasks: int, total_s: float, longest_s: float) -> str:
    if not tasks:
        return "none"
    width = max(1, round(_BAR_WIDTH * total_s / longest_s))
    bar = f'<span style="flex:none;width:{width}px;height:8px;background:currentColor;opacity:.45"></span>'
    room = f'<span style="flex:none;width:{_BAR_WIDTH - width}px"></span>'
    text = f"<span>{count(tasks)} x {duration(total_s / tasks)}</span>"
    return f'<div style="display:flex;align-items:center;gap:8px;white-space:nowrap">{bar}{text}{room}</div>'


def _strip(function: str) -> str:
    """The function's hue, as in every other view."""
    colour = function_colour(function)
    return (
        f'<span style="display:inline-block;width:4px;height:12px;border-radius:2px;margin-right:6px;'
        f'background:{colour};vertical-align:-1px"></span>'
    )
