"""Lines that several processes print alike: shown while they are few, counted when they flood.

The rules are Ray's (`RAY_DEDUP_LOGS`): lines are alike when they have the same words, those with digits left out, and
come from more than one process. Ray shows the first line only; here the first few of each pattern are shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from cellray.config import Config

ALLOW = "CELLRAY_DEDUP_LOGS_ALLOW_REGEX"
SKIP = "CELLRAY_DEDUP_LOGS_SKIP_REGEX"
HAS_DIGIT = re.compile(r"\d")


class Line(NamedTuple):
    """One line that a process printed."""

    stream: str
    prefix: str
    text: str
    pid: int


class Pattern:
    """What was seen of lines that are alike."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.pids: set[int] = set()
        self.shown = 0
        self.counted = 0
        self.last: Line | None = None


class Deduplicator:
    """Takes lines, gives those to be shown. Time is given to it."""

    def __init__(self, config: Config, environment: Mapping[str, str]) -> None:
        self._is_on = bool(config.dedup_logs)
        self._after = max(1, config.dedup_logs_after)
        self._window_s = config.dedup_logs_agg_window_s
        self._allow = _compile(environment, ALLOW)
        self._skip = _compile(environment, SKIP)
        self._patterns: dict[str, Pattern] = {}

    def take(self, line: Line, at: float) -> list[Line]:
        """What to show now: the line, nothing, or what was counted before as well."""
        if not self._is_on or (self._allow is not None and self._allow.search(line.text)):
            return [line]
        if self._skip is not None and self._skip.search(line.text):
            return []
        shown = self.expire(at)
        key = " ".join(word for word in line.text.split() if not HAS_DIGIT.search(word))
        if not key:
            return [*shown, line]  # numbers only: they are what there is to see
        pattern = self._patterns.get(key)
        if pattern is None:
            pattern = self._patterns[key] = Pattern(at)
        pattern.pids.add(line.pid)
        if len(pattern.pids) > 1 and pattern.shown >= self._after:
            pattern.counted += 1
            pattern.last = line
            return shown
        pattern.shown += 1
        return [*shown, line]

    @property
    def next_at(self) -> float | None:
        """When the oldest count is to be shown."""
        return next((each.since + self._window_s for each in self._patterns.values() if each.counted), None)

    def expire(self, at: float) -> list[Line]:
        """The counts of patterns whose time is over."""
        shown: list[Line] = []
        while self._patterns:
            key, pattern = next(iter(self._patterns.items()))
            if at - pattern.since < self._window_s:
                break
            del self._patterns[key]
            if pattern.counted:
                shown.append(_told(pattern))
                # It goes on being counted: the flood is not to begin anew every few seconds.
                self._patterns[key] = pattern
                pattern.since, pattern.counted = at, 0
        return shown

    def flush(self) -> list[Line]:
        """All counts."""
        shown = [_told(pattern) for pattern in self._patterns.values() if pattern.counted]
        self._patterns.clear()
        return shown


def _told(pattern: Pattern) -> Line:
    line = pattern.last
    assert line is not None, "a pattern that counted has a last line"
    return line._replace(text=f"{line.text} [repeated {pattern.counted}x across cluster]")


def _compile(environment: Mapping[str, str], variable: str) -> re.Pattern[str] | None:
    text = environment.get(variable)
    if not text:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"{variable}={text!r} is not a regular expression: {error}") from None
