"""An answer of `why` as a notebook shows it: its sentences with the marks of their states, and what was before."""

from __future__ import annotations

from html import escape

from cellray.observe.messages import TaskStateName
from cellray.observe.svg_pen import Pen
from cellray.observe.visual import tokens
from cellray.observe.why.answer import CIRCLE, Cause, Why, ago, clock

# Actors and objects have no marks of their own: those of the tasks' states that say the same.
_LIKE: dict[str, TaskStateName] = {
    "pending": "waiting", "alive": "running", "restarting": "retried", "dead": "failed",
    "inline": "finished", "shared": "finished", "spilled": "finished", "freed": "cancelled",
}  # fmt: skip


def render_why(answer: Why) -> str:
    """HTML without a script; colours follow the reader's theme, and no state is told by colour alone."""
    rows = [
        f'<div style="display:flex;gap:8px;align-items:flex-start;margin:2px 0 2px {min(depth, 6) * 14}px">'
        f'<span style="flex:none;line-height:1.5">{_mark(cause)}</span>'
        f'<span style="line-height:1.5">{_emphasised(cause)}</span></div>'
        for depth, cause in enumerate(answer.chain)
    ]
    if answer.is_circle:
        rows.append(f'<div style="margin:2px 0 2px 22px">{CIRCLE}</div>')
    before = "".join(
        f'<tr><td style="text-align:right;white-space:nowrap">{clock(event.at)}</td>'
        f'<td style="text-align:right;white-space:nowrap">{ago(event.at, answer.at)} ago</td>'
        f'<td style="text-align:left">{escape(event.text)}</td></tr>'
        for event in answer.before
    )
    table = f'<table style="margin:6px 0 0 22px">{before}</table>' if before else ""
    return f'<div class="cellray-why">{"".join(rows)}{table}</div>'


def _emphasised(cause: Cause) -> str:
    """With the name, which a sentence begins with, in bold; that of an actor with a capital letter."""
    text, name = escape(cause.text), escape(cause.name)
    is_first = text.lower().startswith(name.lower())
    return f"<b>{text[: len(name)]}</b>{text[len(name) :]}" if is_first else text


def _mark(cause: Cause) -> str:
    wanted = _LIKE.get(cause.state, cause.state)
    state = next(each for each in tokens().task_states if each == wanted)
    pen = Pen()
    pen.mark(state, 8, 8, 14, 1, "paper")
    return (
        f'<svg width="16" height="16" viewBox="0 0 16 16" role="img" style="vertical-align:-3px">'
        f"<title>{escape(cause.state)}</title>{pen.style_sheet()}{''.join(pen.parts)}</svg>"
    )
