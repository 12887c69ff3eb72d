"""Joblib with its own backend, loky: maps over lists; no references, no single submissions."""

from __future__ import annotations

import time
from typing import Any

from tests.bench.contender import WORKERS, Contender, main


class Joblib(Contender):
    """`Parallel` kept open; it batches tasks by itself."""

    def load(self) -> None:
        """Import the library."""
        import joblib

        self._joblib: Any = joblib

    def start(self) -> None:
        """Processes start with the first task."""
        self._parallel = self._joblib.Parallel(n_jobs=WORKERS, backend="loky").__enter__()
        self._empty = self._joblib.delayed(_empty)

    def round_trip(self) -> None:
        """A map over one."""
        self._parallel([self._empty()])

    def pipelined(self, count: int) -> None:
        """A map over many."""
        empty = self._empty
        self._parallel([empty() for _ in range(count)])

    def warm_up(self, seconds: float) -> None:
        """Both workers."""
        self._parallel([self._joblib.delayed(time.sleep)(seconds) for _ in range(WORKERS)])

    def stop(self) -> None:
        """All processes end."""
        self._parallel.__exit__(None, None, None)
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown()


def _empty() -> None:
    pass


if __name__ == "__main__":
    main(Joblib())
