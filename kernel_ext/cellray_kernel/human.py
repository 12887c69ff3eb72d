"""Texts the way people read them: short, in one line, without terminal codes."""

from __future__ import annotations

import re

from cellray.observe.visual.format import count, duration

ANSI_CODE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])")
LABEL_CHARS_MAX = 40


def whole_duration(seconds: float) -> str:
    """A duration that is estimated or still grows: no finer than seconds."""
    return f"{max(1, round(seconds))} s" if seconds < 59.5 else duration(seconds)


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
