"""Joblib with its own backend, loky: maps over lists; no references, no single submissions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.bench.contender import WORKERS, Contender, main
from tests.bench.raylike import negate, small_value


class Joblib(Contender):
    """`Parallel` kept open; it batches tasks by itself."""

    def load(self) -> None:
        """Import the library."""
        import joblib

        self._joblib: Any = joblib

    def start(self) -> None:
        """Processes start with the first task."""
        self._parallel = self._joblib.Parallel(n_jobs=WORKERS, backend="loky").__enter__()
        self._small_value = self._joblib.delayed(small_value)

    def stop(self) -> None:
        """All processes end."""
        self._parallel.__exit__(None, None, None)
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown()

    def round_trip(self) -> None:
        """A map over one."""
        self._parallel([self._small_value()])

    def pipelined(self, count: int) -> None:
        """A map over many."""
        function = self._small_value
        self._parallel([function() for _ in range(count)])

    def run_all(self, function: Callable[[Any], object], arguments: Sequence[Any]) -> None:
        """A map."""
        self._parallel([self._joblib.delayed(function)(argument) for argument in arguments])

    def pool_map(self, count: int) -> None:
        """A map; there is no such pool."""
        self.run_all(negate, range(count))


if __name__ == "__main__":
    main(Joblib())
