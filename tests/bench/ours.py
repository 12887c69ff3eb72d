"""Cellray, measured like its peers, and what only it has: the pure core's cost of a task."""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import Any

from tests.bench.contender import WORKERS, Contender, measure


class Cellray(Contender):
    """This runtime with a session of its own."""

    def load(self) -> None:
        """Import the library."""
        import cellray

        self._cellray: Any = cellray

    def start(self) -> None:
        """As a script does it: init, then define."""
        self._cellray.init(num_cpus=WORKERS)
        self._empty = self._cellray.remote(_empty)
        self._sleep = self._cellray.remote(time.sleep)

    def round_trip(self) -> None:
        """One task, waited for."""
        self._cellray.get(self._empty.remote())

    def pipelined(self, count: int) -> None:
        """Many tasks, then one get."""
        empty = self._empty
        self._cellray.get([empty.remote() for _ in range(count)])

    def warm_up(self, seconds: float) -> None:
        """Both workers."""
        self._cellray.get([self._sleep.remote(seconds) for _ in range(WORKERS)])

    def put(self, value: Any) -> Any:
        """Inline when small, else shared memory."""
        return self._cellray.put(value)

    def fetch(self, reference: Any) -> Any:
        """A read-only view of shared memory when large."""
        return self._cellray.get(reference)

    def stop(self) -> None:
        """All processes end."""
        self._cellray.shutdown()


def _empty() -> None:
    pass


def core_us(tasks: int) -> float:
    """Microseconds of the core for a task; the collector is off meanwhile."""
    from tests.bench.bench_core import Bench

    gc.disable()
    try:
        return sum(Bench().run(tasks).values())
    finally:
        gc.enable()


def main() -> None:
    """Print the figures of one process."""
    plan = json.loads(sys.argv[1])
    wanted = [name for name in plan["only"] if name != "core"]
    figures = measure(Cellray(), {**plan, "only": wanted}) if wanted else {}
    if "core" in plan["only"]:
        figures["core_us"] = core_us(plan["core_tasks"])
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
