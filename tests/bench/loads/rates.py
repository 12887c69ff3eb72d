"""How fast something goes: as often as fits the time, after a warm-up that finds out how often that is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")
COUNT_MAX = 500_000


def seconds_of(action: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    action(*args, **kwargs)
    return time.perf_counter() - begin


def throughput(run: Callable[[int], object], seconds: float) -> float:
    """Operations a second of `run(count)`, which does `count` of them, in one call of about `seconds`.

    Calls that double until one takes a quarter of that come first: they warm up, and say how many fit. One more comes
    before them, which may have to start what the others use.
    """
    run(1)
    count = 1
    while (taken := seconds_of(run, count)) < seconds / 4 and count < COUNT_MAX:
        count *= 2
    count = min(COUNT_MAX, max(1, round(count * seconds / taken)))
    return count / seconds_of(run, count)


def rate(action: Callable[[], object], seconds: float) -> float:
    """Calls a second, one after another."""

    def run(count: int) -> None:
        for _ in range(count):
            action()

    return throughput(run, seconds)
