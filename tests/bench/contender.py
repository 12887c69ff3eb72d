"""What every contender is asked to do, and the one process in which it does that. Standard library and NumPy only: the
peers' interpreter runs it as well.

    python -m tests.bench.peers.ray '{"only": ["start", "round_trip"], "seconds": 2.0, "tasks": 10000, ...}'

prints one line of JSON: figures by the names that `measures.py` explains.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.bench.memory import session_memory

WORKERS = 2
SETTLE_S = 1.0
LOOK_EVERY = 16
"""Round trips between two looks at the clock."""


class Contender:
    """One system with two worker processes. What it has no notion of stays NotImplementedError and is left out."""

    def load(self) -> None:
        """Import the library."""
        raise NotImplementedError

    def start(self) -> None:
        """Start a session; what starts in the background may still be under way."""
        raise NotImplementedError

    def round_trip(self) -> None:
        """Run one empty task and wait for its result."""
        raise NotImplementedError

    def pipelined(self, count: int) -> None:
        """Submit `count` empty tasks, then wait for all results."""
        raise NotImplementedError

    def warm_up(self, seconds: float) -> None:
        """Have every worker run a task of this length, so that all have started."""
        raise NotImplementedError

    def put(self, value: Any) -> Any:
        """Store a value; a reference."""
        raise NotImplementedError

    def fetch(self, reference: Any) -> Any:
        """The value behind a reference."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the session."""
        raise NotImplementedError


def main(contender: Contender) -> None:
    """Measure what the plan in `sys.argv` asks for and print the figures."""
    figures = measure(contender, json.loads(sys.argv[1]))
    print(json.dumps(figures), flush=True)


def measure(contender: Contender, plan: dict[str, Any]) -> dict[str, float]:
    """Figures by name. Memory comes before anything that makes heaps grow."""
    only = plan["only"]
    figures = {"import_s": _seconds(contender.load)}
    figures["start_s"] = _seconds(lambda: (contender.start(), contender.round_trip()))
    try:
        contender.warm_up(0.2)
        for name, part in (
            ("memory", _memory),
            ("round_trip", _round_trips),
            ("pipelined", _pipelined),
            ("objects", _small_objects),
            ("objects", _arrays),
        ):
            if name in only:
                try:
                    figures |= part(contender, plan)
                except NotImplementedError:
                    continue
    finally:
        contender.stop()
    return figures


def _memory(_contender: Contender, _plan: dict[str, Any]) -> dict[str, float]:
    time.sleep(SETTLE_S)
    return session_memory()


def _round_trips(contender: Contender, plan: dict[str, Any]) -> dict[str, float]:
    return {"round_trips_per_s": _rate(contender.round_trip, plan["seconds"])}


def _pipelined(contender: Contender, plan: dict[str, Any]) -> dict[str, float]:
    count = plan["tasks"]
    contender.pipelined(max(100, count // 10))
    return {"pipelined_per_s": count / _seconds(lambda: contender.pipelined(count))}


def _small_objects(contender: Contender, plan: dict[str, Any]) -> dict[str, float]:
    value = {"state": list(range(10))}
    return {"small_objects_per_s": _rate(lambda: contender.fetch(contender.put(value)), plan["seconds"] / 2)}


def _arrays(contender: Contender, plan: dict[str, Any]) -> dict[str, float]:
    """Puts and gets of one large array, the middle one of several; and what copying it within the process takes."""
    import numpy as np

    array = np.ones(plan["array_bytes"], np.uint8)
    target = np.empty_like(array)
    puts, gets, copies = [], [], []
    for _ in range(5):
        copies.append(_seconds(lambda: np.copyto(target, array)))
        begin = time.perf_counter()
        reference = contender.put(array)
        puts.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        got = contender.fetch(reference)
        gets.append(time.perf_counter() - begin)
        if int(got[-1]) != 1:
            raise AssertionError("the array came back changed")
        del got, reference
    middle = len(puts) // 2
    return {
        "put_array_s": sorted(puts)[middle],
        "get_array_s": sorted(gets)[middle],
        "copy_array_s": sorted(copies)[middle],
    }


def _seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def _rate(action: Callable[[], object], seconds: float) -> float:
    """Calls a second over about `seconds`, after a tenth of that to warm up."""
    _repeat(action, seconds / 10)
    count, elapsed = _repeat(action, seconds)
    return count / elapsed


def _repeat(action: Callable[[], object], seconds: float) -> tuple[int, float]:
    begin = time.perf_counter()
    count = 0
    while (elapsed := time.perf_counter() - begin) < seconds:
        for _ in range(LOOK_EVERY):
            action()
        count += LOOK_EVERY
    return count, elapsed
