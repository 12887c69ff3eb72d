"""The standard library's process pools: no references, no store, no log; the least that one can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.bench.contender import WORKERS, Contender, main
from tests.bench.raylike import negate, small_value


class ProcessPool(Contender):
    """`concurrent.futures.ProcessPoolExecutor`; and `multiprocessing.Pool` for what is mapped."""

    def load(self) -> None:
        """Import the library."""
        import concurrent.futures

        self._futures: Any = concurrent.futures
        self._mapping: Any = None

    def start(self) -> None:
        """Workers are forked with the first task."""
        self._pool = self._futures.ProcessPoolExecutor(WORKERS)

    def round_trip(self) -> None:
        """One task, waited for."""
        self._pool.submit(small_value).result()

    def pipelined(self, count: int) -> None:
        """Many tasks, then all results."""
        submit = self._pool.submit
        for future in [submit(small_value) for _ in range(count)]:
            future.result()

    def submit(self, function: Callable[[Any], object], argument: Any) -> Any:
        """A future."""
        return self._pool.submit(function, argument)

    def result(self, future: Any) -> Any:
        """Its value."""
        return future.result()

    def wait_one_by_one(self, count: int) -> None:
        """The first of those that are done."""
        left = {self._pool.submit(small_value) for _ in range(count)}
        while left:
            left.remove(next(iter(self._futures.wait(left, return_when=self._futures.FIRST_COMPLETED).done)))

    def pool_map(self, count: int) -> None:
        """`multiprocessing.Pool`."""
        if self._mapping is None:
            import multiprocessing

            self._mapping = multiprocessing.Pool(WORKERS)
        self._mapping.map(negate, range(count))

    def stop(self) -> None:
        """End the workers."""
        self._pool.shutdown()
        if self._mapping is not None:
            self._mapping.close()
            self._mapping.join()


if __name__ == "__main__":
    main(ProcessPool())
