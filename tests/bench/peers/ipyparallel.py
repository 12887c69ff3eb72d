"""IPython's own cluster, the way of notebooks before: a controller and engines over ZeroMQ."""

from __future__ import annotations

import time
from typing import Any

from tests.bench.contender import WORKERS, Contender, main


class IPyParallel(Contender):
    """`Cluster` of two engines, tasks over the load-balanced view."""

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

    def round_trip(self) -> None:
        """One task, waited for."""
        self._view.apply_sync(_empty)

    def pipelined(self, count: int) -> None:
        """Many tasks, then all results."""
        for result in [self._view.apply_async(_empty) for _ in range(count)]:
            result.get()

    def warm_up(self, seconds: float) -> None:
        """Both engines."""
        self._client[:].apply_sync(time.sleep, seconds)

    def put(self, value: Any) -> Any:
        """Into one engine's namespace."""
        self._engine.push({"value": value}, block=True)
        return "value"

    def fetch(self, reference: Any) -> Any:
        """From the engine's namespace."""
        return self._engine.pull(reference, block=True)

    def stop(self) -> None:
        """All processes end."""
        self._cluster.stop_cluster_sync()


def _empty() -> None:
    pass


if __name__ == "__main__":
    main(IPyParallel())
