"""Dask's distributed scheduler with worker processes on this host. Its scheduler lives in the driver's process."""

from __future__ import annotations

import time
from typing import Any

from tests.bench.contender import WORKERS, Contender, main


class Dask(Contender):
    """`LocalCluster` of two processes with a thread each."""

    def load(self) -> None:
        """Import the library."""
        import distributed

        self._distributed: Any = distributed

    def start(self) -> None:
        """Cluster and client, without a dashboard."""
        self._cluster = self._distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=40
        )
        self._client = self._distributed.Client(self._cluster)

    def round_trip(self) -> None:
        """One task, waited for; `pure=False` or the result would be remembered."""
        self._client.submit(_empty, pure=False).result()

    def pipelined(self, count: int) -> None:
        """Many tasks, then one gather."""
        submit = self._client.submit
        self._client.gather([submit(_empty, pure=False) for _ in range(count)])

    def warm_up(self, seconds: float) -> None:
        """Both workers."""
        self._client.gather([self._client.submit(time.sleep, seconds, pure=False) for _ in range(WORKERS)])

    def put(self, value: Any) -> Any:
        """To a worker's memory."""
        return self._client.scatter([value], hash=False)[0]

    def fetch(self, reference: Any) -> Any:
        """From the worker's memory."""
        return reference.result()

    def stop(self) -> None:
        """All processes end."""
        self._client.close()
        self._cluster.close()


def _empty() -> None:
    pass


if __name__ == "__main__":
    main(Dask())
