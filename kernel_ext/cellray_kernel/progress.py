"""The progress line of a remote cell, as text and as HTML of fixed height without scripts.

State is never colour alone: every state has a pattern in the bar and a number in the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Literal

from cellray.observe.messages import TaskStateName
from cellray.observe.visual.format import count, duration, rate
from cellray.observe.visual.table import state_style

from cellray_kernel.human import plural, whole_duration

Phase = Literal["running", "done", "failed", "cancelled"]

BAR_WIDTH_PX = 160
BAR_HEIGHT_PX = 10
TEXT_BAR_CHARS = 24
RATE_TASKS_MIN = 2

# The states in the order in which they stand in the bar, and their characters in the text bar. Their colours are
# those of the graph and the timeline.
SEGMENTS: tuple[tuple[TaskStateName, str], ...] = (
    ("finished", "#"),
    ("failed", "x"),
    ("cancelled", "-"),
    ("running", ">"),
)

LINE_STYLE = (
    "display:flex;align-items:center;gap:8px;height:20px;line-height:20px;overflow:hidden;white-space:nowrap;"
    "padding:0 var(--jp-code-padding,5px);"
    "font-family:var(--jp-ui-font-family,sans-serif);font-size:var(--jp-ui-font-size1,13px);"
    "color:var(--jp-ui-font-color1,inherit)"
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of a cell's tasks at one moment.

    `running` and `retried` are 0 while nothing is known of them, `rate_per_s` while there is none of late;
    `is_complete` says that no more will be submitted.
    """

    label: str
    total: int
    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    running: int = 0
    retried: int = 0
    elapsed_s: float = 0.0
    rate_per_s: float = 0.0
    note: str = ""
    is_complete: bool = True

    @property
    def ended(self) -> int:
        """Tasks that will not change any more."""
        return self.finished + self.failed + self.cancelled

    @property
    def phase(self) -> Phase:
        """What the cell as a whole does."""
        if self.ended < self.total or not self.is_complete:
            return "running"
        if self.failed:
            return "failed"
        return "cancelled" if self.cancelled else "done"


def progress_words(progress: Progress) -> str:
    """`37/64 done, 2 running, 1 retried, 8.2/s, 3 s left`, or the summary when all has ended."""
    words = _summary(progress) if progress.phase != "running" else _running(progress)
    if progress.note:
        words.append(progress.note)
    return ", ".join(words)


def _running(progress: Progress) -> list[str]:
    if progress.total == 1:
        return [f"running, {whole_duration(progress.elapsed_s)}" if progress.elapsed_s >= 1 else "running"]
    words = [f"{count(progress.finished)}/{count(progress.total)} done"]
    for number, state in (
        (progress.running, "running"),
        (progress.failed, "failed"),
        (progress.cancelled, "cancelled"),
        (progress.retried, "retried"),
    ):
        if number:
            words.append(f"{count(number)} {state}")
    if progress.ended >= RATE_TASKS_MIN and progress.elapsed_s > 0:
        per_s = progress.rate_per_s or progress.ended / progress.elapsed_s
        words.append(rate(per_s))
        words.append(f"{whole_duration((progress.total - progress.ended) / per_s)} left")
    return words


def _summary(progress: Progress) -> list[str]:
    took = duration(progress.elapsed_s)
    if progress.total == 0:
        words = ["nothing submitted"]
    elif progress.total == 1:
        how = {"done": "done in", "failed": "failed after", "cancelled": "cancelled after", "running": ""}
        words = [f"{how[progress.phase]} {took}"]
    elif progress.phase == "done":
        words = [f"{plural(progress.total, 'task')} done in {took}"]
    else:
        words = [f"{count(progress.finished)}/{count(progress.total)} done"]
        words += [f"{count(progress.failed)} failed"] if progress.failed else []
        words += [f"{count(progress.cancelled)} cancelled"] if progress.cancelled else []
        words[-1] += f" in {took}"
    if progress.retried:
        words.append(f"{count(progress.retried)} retried")
    return words


def progress_text(progress: Progress) -> str:
    """The line for terminals and plain text."""
    bar = f"[{_text_bar(progress)}] " if progress.phase == "running" and progress.total > 1 else ""
    return f"{progress.label} {bar}{progress_words(progress)}"


def progress_html(progress: Progress, unique: str) -> str:
    """The line for notebooks; `unique` makes the ids of its patterns unique in the page."""
    words = escape(progress_words(progress))
    label = f'<span style="color:var(--jp-ui-font-color2,#666)">{escape(progress.label)}</span>'
    return f'<div style="{LINE_STYLE}" role="status">{label}{_picture(progress, unique)}<span>{words}</span></div>'


def _text_bar(progress: Progress) -> str:
    bar = "".join(mark * chars for (_, mark), chars in _shares(progress, TEXT_BAR_CHARS))
    return bar.ljust(TEXT_BAR_CHARS, ".")


def _shares(progress: Progress, width: int) -> list[tuple[tuple[TaskStateName, str], int]]:
    """How much of `width` each state takes: whole parts, at least one where there is anything, never too many."""
    left, shares = width, []
    for segment in SEGMENTS:
        number = getattr(progress, segment[0])
        part = min(left, max(1, number * width // max(1, progress.total))) if number else 0
        left -= part
        shares.append((segment, part))
    return shares


def _picture(progress: Progress, unique: str) -> str:
    """The bar while many tasks run; one square otherwise."""
    is_bar = progress.total > 1 and progress.phase == "running"
    width = BAR_WIDTH_PX if is_bar else BAR_HEIGHT_PX
    if not is_bar and progress.phase == "running":
        parts = [(SEGMENTS[3], width)]
    elif not is_bar:
        parts = [(SEGMENTS[("done", "failed", "cancelled").index(progress.phase)], width)]
    else:
        parts = _shares(progress, width)
    rectangles, x = [], 0
    for (name, _), part in parts:
        if part:
            fill = f"url(#{unique}-{name})"
            rectangles.append(f'<rect x="{x}" width="{part}" height="{BAR_HEIGHT_PX}" fill="{fill}"/>')
        x += part
    title = escape(progress_words(progress))
    return (
        f'<svg width="{width}" height="{BAR_HEIGHT_PX}" style="flex:none" role="img"><title>{title}</title>'
        f"<defs>{_patterns(unique)}</defs>{''.join(rectangles)}"
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{BAR_HEIGHT_PX - 1}" fill="none" '
        'style="stroke:var(--jp-border-color1,#999)"/></svg>'
    )


def _patterns(unique: str) -> str:
    """Finished is plain, failed crossed, cancelled struck, running dotted."""
    marks = {
        "finished": "",
        "failed": '<path d="M0 0L6 6M6 0L0 6" stroke="#fff" stroke-width="1"/>',
        "cancelled": '<path d="M0 3H6" stroke="#fff" stroke-width="1"/>',
        "running": '<circle cx="3" cy="3" r="1" fill="#fff"/>',
    }
    return "".join(
        f'<pattern id="{unique}-{name}" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<rect width="6" height="6" fill="{state_style(name).light}"/>{marks[name]}</pattern>'
        for name, _ in SEGMENTS
    )
