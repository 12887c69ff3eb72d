"""Waiting for something to come true, with a deadline instead of a sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_S = 20.0
"""Generous: a busy machine must not fail a test, something that never comes must."""
PAUSE_S = 0.01


def eventually(look: Callable[[], T], what: str, timeout_s: float = DEADLINE_S) -> T:
    """The first true value of `look()`. Fails with `what` and the last value when none came in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}; the last look gave {value!r}")
        time.sleep(PAUSE_S)
