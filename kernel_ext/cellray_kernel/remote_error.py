"""A remote traceback the way IPython shows a local one: the user's frames with their source, nothing of the runtime."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator
from html import escape
from types import TracebackType
from typing import NamedTuple

from cellray_kernel.captured_text import PRE_STYLE
from cellray_kernel.human import plain

CONTEXT_LINES = 2
FRAMES_MAX = 12
FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
RUNTIME_FILE = re.compile(
    r"[/\\](cellray[/\\](api|client|engines|node|serialization|worker)|cellray_kernel)[/\\]\w+\.py$|^<frozen "
)
TRACEBACK_HEAD = "Traceback (most recent call last):"

RED, GREEN, CYAN, RESET = "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"

# What stands out in a terminal by colour stands out in a notebook by weight.
TAGS = {RED: "b", GREEN: "b", CYAN: 'span style="opacity:0.75"'}

MAGIC_CALL = "get_ipython().run_cell_magic("
"""What IPython makes of a cell magic; it says nothing to the user, whose cell this is."""

FileLabel = Callable[[str], str]


class RemoteFrame(NamedTuple):
    """One frame of a traceback's text; `source` is the line as the worker saw it, perhaps empty."""

    file: str
    line: int
    function: str
    source: str


def render(
    error_type: str,
    message: str,
    traceback_text: str,
    label_of: FileLabel,
    where: str = "",
    notes: tuple[str, ...] = (),
) -> list[str]:
    """Lines, with terminal colours, for IPython to show. `label_of` names a file (`Cell In[5]`)."""
    blocks: list[str] = []
    for line in _items(traceback_text):
        blocks += _frame_lines(line, label_of) if isinstance(line, RemoteFrame) else [line]
    title = f"{RED}{error_type}{RESET}: {message}" if message else f"{RED}{error_type}{RESET}"
    context = [f"{CYAN}{where}{RESET}"] if where else []
    return [*context, *blocks, title, *notes]


def to_html(lines: list[str]) -> str:
    """The rendered lines as a block of HTML, escaped, on the ground of the notebook's own errors."""
    style = PRE_STYLE + ";background:var(--jp-rendermime-error-background,rgba(213,94,0,0.12))"
    text = escape("\n".join(lines))
    for code, tag in TAGS.items():
        text = re.sub(
            f"{re.escape(code)}(.*?){re.escape(RESET)}", rf"<{tag}>\1</{tag.split()[0]}>", text, flags=re.DOTALL
        )
    return f'<pre style="{style}">{plain(text)}</pre>'


def _items(traceback_text: str) -> Iterator[RemoteFrame | str]:
    """The user's frames, and the sentences that stand between the tracebacks of a chain."""
    lines = traceback_text.splitlines()
    frames: list[RemoteFrame] = []
    position, in_traceback = 0, False
    while position < len(lines):
        line = lines[position]
        found = FRAME.match(line)
        if found:
            source = lines[position + 1] if position + 1 < len(lines) else ""
            source = source[4:] if source.startswith("    ") else ""
            frames.append(RemoteFrame(found["file"], int(found["line"]), found["function"] or "", source))
        elif line == TRACEBACK_HEAD:
            in_traceback = True
        elif in_traceback and line and not line.startswith(" "):
            yield from _shown(frames)
            frames, in_traceback = [], False
            if _has_more(lines[position + 1 :]):
                yield f"{RED}{line}{RESET}"
        elif not in_traceback and line.strip() and _is_joint(line):
            yield f"\n{line}\n"
        position += 1
    yield from _shown(frames)


def _has_more(lines: list[str]) -> bool:
    """Whether another traceback follows: then this one's last line is a cause, and not the title shown at the end."""
    return TRACEBACK_HEAD in lines


def _is_joint(line: str) -> bool:
    return line.startswith(("The above exception", "During handling", "reached "))


def _shown(frames: list[RemoteFrame]) -> list[RemoteFrame | str]:
    users = [frame for frame in frames if not RUNTIME_FILE.search(frame.file)]
    if len(users) <= FRAMES_MAX:
        return list(users)
    left_out = len(users) - FRAMES_MAX
    half = FRAMES_MAX // 2
    return [*users[:half], f"    ... {left_out} frames left out ...", *users[-half:]]


def _frame_lines(frame: RemoteFrame, label_of: FileLabel) -> list[str]:
    function = "" if frame.function in ("", "<module>") else f", in {frame.function}"
    lines = [f"{GREEN}{label_of(frame.file)}, line {frame.line}{RESET}{function}"]
    known = linecache.getlines(frame.file)
    if not known:
        return [*lines, f"----> {frame.line} {frame.source}"] if frame.source else lines
    first = max(1, frame.line - CONTEXT_LINES)
    for number in range(first, min(len(known), frame.line + CONTEXT_LINES) + 1):
        text = known[number - 1].rstrip("\n")
        if number == frame.line:
            lines.append(f"{GREEN}{'-' * (7 - len(str(number)))}> {number}{RESET} {text}")
        else:
            lines.append(f"{number:>9} {text}")
    return lines


def where_it_was_met(traceback: TracebackType | None, label_of: FileLabel) -> str:
    """The notebook's own innermost line on the way to the error, such as `Cell In[7], line 2: cellray.get(x)`."""
    found = ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        label = label_of(file)
        if label.startswith("Cell In"):
            source = linecache.getline(file, traceback.tb_lineno).strip()
            if not source.startswith(MAGIC_CALL):
                found = f"{label}, line {traceback.tb_lineno}" + (f": {source}" if source else "")
        traceback = traceback.tb_next
    return found
