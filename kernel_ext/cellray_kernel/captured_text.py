"""What the tasks of one cell printed: all of it while it is little, its beginning and end when it floods."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import NamedTuple

from cellray.observe.visual.format import count

from cellray_kernel.human import plain, plural

HEAD_CHARS_MAX = 12_000
TAIL_CHARS_MAX = 12_000
PIECE_CHARS_MAX = 4_000
LIVE_LINES_MAX = 12

OVERWRITTEN = re.compile(r"[^\n]*\r(?=[^\r\n])")

PRE_STYLE = (
    "margin:0;padding:2px var(--jp-code-padding,5px);max-height:24em;overflow:auto;"
    "white-space:pre-wrap;overflow-wrap:anywhere;"
    "font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px);"
    "color:var(--jp-content-font-color1,inherit)"
)
SUMMARY_STYLE = "font-family:var(--jp-ui-font-family,sans-serif);font-size:var(--jp-ui-font-size1,13px)"
STDERR_STYLE = "display:block;background:var(--jp-rendermime-error-background,rgba(213,94,0,0.12))"


class Piece(NamedTuple):
    """Some text of one stream, `stdout` or `stderr`."""

    stream: str
    text: str


class CapturedText:
    """Bounded: at most `HEAD_CHARS_MAX + TAIL_CHARS_MAX` characters are kept, the rest is counted and said."""

    def __init__(self) -> None:
        self._head: list[Piece] = []
        self._tail: deque[Piece] = deque()
        self._head_chars = 0
        self._tail_chars = 0
        self._omitted_lines = 0
        self._omitted_chars = 0
        self._dropped_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._head or self._dropped_bytes)

    @property
    def floods(self) -> bool:
        """Whether something had to be left out."""
        return bool(self._omitted_chars or self._dropped_bytes)

    def add(self, stream: str, text: str, dropped_bytes: int = 0) -> None:
        """Append text as it came; `dropped_bytes` were already left out on the way."""
        self._dropped_bytes += dropped_bytes
        for start in range(0, len(text), PIECE_CHARS_MAX):
            self._add_piece(stream, text[start : start + PIECE_CHARS_MAX])

    def _add_piece(self, stream: str, text: str) -> None:
        pieces = self._tail or self._head
        if pieces and pieces[-1].stream == stream and len(pieces[-1].text) < PIECE_CHARS_MAX:
            last = pieces.pop()
            self._count(pieces, -len(last.text))
            text = last.text + text
        # A progress bar that redraws its line takes one line, not one for each redrawing.
        text = OVERWRITTEN.sub("", text) if "\r" in text else text
        if not self._tail and self._head_chars + len(text) <= HEAD_CHARS_MAX:
            pieces = self._head
        else:
            pieces = self._tail
        pieces.append(Piece(stream, text))
        self._count(pieces, len(text))
        while self._tail_chars > TAIL_CHARS_MAX and len(self._tail) > 1:
            self._omit(self._tail.popleft())

    def _count(self, pieces: list[Piece] | deque[Piece], chars: int) -> None:
        if pieces is self._head:
            self._head_chars += chars
        else:
            self._tail_chars += chars

    def _omit(self, piece: Piece) -> None:
        self._tail_chars -= len(piece.text)
        self._omitted_chars += len(piece.text)
        self._omitted_lines += piece.text.count("\n")

    def to_text(self, *, live: bool = False) -> str:
        """As plain text; `live` gives the last lines only when it floods, so that nothing grows and jumps."""
        if live and self.floods:
            return f"{self._gap()}\n{self._last_lines()}"
        head = "".join(piece.text for piece in self._head)
        tail = "".join(piece.text for piece in self._tail)
        gap = f"\n{self._gap()}\n" if self.floods else ""
        return plain(head + gap + tail)

    def to_html(self, *, live: bool = False) -> str:
        """As a block of HTML, escaped; collapsed when it floods and the cell is done."""
        if not self:
            return ""
        gap = f"<i>{escape(self._gap())}</i>\n" if self.floods else ""
        if live and self.floods:
            return f'<pre style="{PRE_STYLE}">{gap}{escape(self._last_lines())}</pre>'
        body = "".join(_spans(self._head)) + ("\n" + gap if gap else "") + "".join(_spans(self._tail))
        block = f'<pre style="{PRE_STYLE}">{body}</pre>'
        if self.floods:
            summary = f'<summary style="{SUMMARY_STYLE}">Much output: {escape(self._lost())}</summary>'
            return f"<details>{summary}{block}</details>"
        return block

    def _gap(self) -> str:
        return f"... {self._lost()}"

    def _lost(self) -> str:
        parts = []
        if self._omitted_chars:
            parts.append(f"{plural(self._omitted_lines, 'line')} left out between its beginning and its end")
        if self._dropped_bytes:
            parts.append(f"{count(self._dropped_bytes)} bytes came faster than they could be sent and are in no view")
        return "; ".join(parts)

    def _last_lines(self) -> str:
        text = plain("".join(piece.text for piece in (self._tail or self._head)))
        return "\n".join(text.rstrip("\n").split("\n")[-LIVE_LINES_MAX:])


def _spans(pieces: list[Piece] | deque[Piece]) -> Iterator[str]:
    for stream, group in groupby(pieces, key=lambda piece: piece.stream):
        text = escape(plain("".join(piece.text for piece in group)))
        yield text if stream == "stdout" else f'<span style="{STDERR_STYLE}">{text}</span>'
