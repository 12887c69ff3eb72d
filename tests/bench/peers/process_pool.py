"""The standard library's process pool: no references, no store, no log; the least that one can have."""

from __future__ import annotations

import time
from typing import Any

from tests.bench.contender import WORKERS, Contender, main


class ProcessPool(Contender):
    """`concurrent.futures.ProcessPoolExecutor`."""

    def load(self) -> None:
        """Import the library."""
        import concurrent.futures

        self._executor_type: Any = concurrent.futures.ProcessPoolExecutor

    def start(self) -> None:
        """Workers are forked with the first task."""
        self._pool = self._executor_type(WORKERS)

    def round_trip(self) -> None:
        """One task, waited for."""
        self._pool.submit(_empty).result()

    def pipelined(self, count: int) -> None:
        """Many tasks, then all results."""
        submit = self._pool.submit
        for future in [submit(_empty) for _ in range(count)]:
            future.result()

    def warm_up(self, seconds: float) -> None:
        """Both workers."""
        for future in [self._pool.submit(time.sleep, seconds) for _ in range(WORKERS)]:
            future.result()

    def stop(self) -> None:
        """End the workers."""
        self._pool.shutdown()


def _empty() -> None:
    pass


if __name__ == "__main__":
    main(ProcessPool())
