"""Dask's distributed scheduler with worker processes on this host. Its scheduler lives in the driver's process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.bench.contender import WORKERS, Contender, main
from tests.bench.raylike import Server, small_value


class Dask(Contender):
    """`LocalCluster` of two processes with a thread each. `pure=False`, or results would be remembered."""

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

    @property
    def address(self) -> str:
        """The scheduler's."""
        address: str = self._cluster.scheduler_address
        return address

    def join(self, address: str) -> None:
        """One more client."""
        self._client = self._distributed.Client(address)

    def leave(self) -> None:
        """The cluster goes on."""
        self._client.close()

    def stop(self) -> None:
        """All processes end."""
        self._client.close()
        self._cluster.close()

    def round_trip(self) -> None:
        """One task, waited for."""
        self._client.submit(small_value, pure=False).result()

    def pipelined(self, count: int) -> None:
        """Many tasks, then one gather."""
        submit = self._client.submit
        self._client.gather([submit(small_value, pure=False) for _ in range(count)])

    def submit(self, function: Callable[[Any], object], argument: Any) -> Any:
        """A future."""
        return self._client.submit(function, argument, pure=False)

    def result(self, future: Any) -> Any:
        """Its value."""
        return future.result()

    def nested(self, submitters: int, count: int) -> None:
        """Tasks that are clients; each leaves its worker's thread meanwhile."""
        self._client.gather([self._client.submit(_submit_many, count, pure=False) for _ in range(submitters)])

    def actor(self, *, is_async: bool) -> Any:
        """Methods run in a thread of the worker. Dask's async ones run in its own event loop: no actor by itself."""
        if is_async:
            raise NotImplementedError
        return self._client.submit(Server, actor=True).result()

    def call(self, actor: Any) -> None:
        """One call, waited for."""
        actor.small_value().result()

    def calls(self, actor: Any, count: int) -> None:
        """Many calls, then all results."""
        for future in [actor.small_value() for _ in range(count)]:
            future.result()

    def put(self, value: Any) -> Any:
        """To a worker's memory."""
        return self._client.scatter([value], hash=False)[0]

    def fetch(self, reference: Any) -> Any:
        """From the worker's memory."""
        return reference.result()


def _submit_many(count: int) -> None:
    import distributed

    with distributed.worker_client() as client:
        client.gather([client.submit(small_value, pure=False) for _ in range(count)])


if __name__ == "__main__":
    main(Dask())
