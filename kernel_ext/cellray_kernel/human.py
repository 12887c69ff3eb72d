"""Numbers and texts the way people read them: at most three significant digits, no terminal codes."""

from __future__ import annotations

import re

ANSI_CODE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])")
LABEL_CHARS_MAX = 40


def duration(seconds: float) -> str:
    """`0.00042 -> "420 µs"`, `0.42 -> "0.42 s"`, `75 -> "1 min 15 s"`, `5000 -> "1 h 23 min"`."""
    if seconds < 0.001:
        return f"{round(seconds * 1e6)} µs"
    if seconds < 0.1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def whole_duration(seconds: float) -> str:
    """The same for what is estimated or still running: no more than seconds."""
    return f"{max(1, round(seconds))} s" if seconds < 59.5 else duration(seconds)


def count(number: float) -> str:
    """`999 -> "999"`, `12_430 -> "12.4k"`, `3_000_000 -> "3M"`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size * 10 or (unit != "k" and number >= size):
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}" if isinstance(number, float) else str(number)


def plural(number: int, noun: str) -> str:
    """`1 -> "1 task"`, `2 -> "2 tasks"`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def abbreviate(text: str, chars_max: int = LABEL_CHARS_MAX) -> str:
    """One line of at most `chars_max` characters."""
    line = " ".join(text.split())
    return line if len(line) <= chars_max else line[: chars_max - 3] + "..."


def plain(text: str) -> str:
    """Without terminal colours and cursor movements."""
    return ANSI_CODE.sub("", text)
