"""IPython parallel: a controller and two engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.bench.contender import WORKERS, Contender, main
from tests.bench.raylike import small_value


class IPyParallel(Contender):
    """Tasks over the load-balanced view."""

    def load(self) -> None:
        """Import the library."""
        import ipyparallel

        self._ipyparallel: Any = ipyparallel

    def start(self) -> None:
        """Controller and engines."""
        self._cluster = self._ipyparallel.Cluster(n=WORKERS, log_level=40)
        self._client = self._cluster.start_and_connect_sync(activate=False)
        self._view = self._client.load_balanced_view()
        self._engine = self._client[0]

    def stop(self) -> None:
        """All processes end."""
        self._cluster.stop_cluster_sync()

    def round_trip(self) -> None:
        """One task, waited for."""
        self._view.apply_sync(small_value)

    def pipelined(self, count: int) -> None:
        """Many tasks, then all results."""
        for result in [self._view.apply_async(small_value) for _ in range(count)]:
            result.get()

    def submit(self, function: Callable[[Any], object], argument: Any) -> Any:
        """An asynchronous result."""
        return self._view.apply_async(function, argument)

    def result(self, future: Any) -> Any:
        """Its value."""
        return future.get()

    def put(self, value: Any) -> Any:
        """Into one engine's namespace."""
        self._engine.push({"value": value}, block=True)
        return "value"

    def fetch(self, reference: Any) -> Any:
        """From the engine's namespace."""
        return self._engine.pull(reference, block=True)


if __name__ == "__main__":
    main(IPyParallel())
