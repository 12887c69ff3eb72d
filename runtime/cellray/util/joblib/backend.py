"""The backend that joblib uses: each batch of calls is a task, what is large in them is stored once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from joblib._parallel_backends import (
    AutoBatchingMixin,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
)

import cellray
from cellray import ObjectRef
from cellray.util.executor import CellrayExecutor
from cellray.util.sizes import is_large


class Shared(NamedTuple):
    """Stands for a large argument."""

    ref: ObjectRef


class CellrayBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """`ray_remote_args`, as Ray calls them, are options of the tasks, such as `{"num_cpus": 2}`."""

    supports_retrieve_callback = True
    supports_return_generator = True

    def __init__(self, *, ray_remote_args: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._options = ray_remote_args or {}
        self._executor: CellrayExecutor | None = None
        self._n_jobs = 1
        self._stored: dict[int, tuple[Any, Shared]] = {}

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """As joblib counts: -1 is all CPUs of the session, -2 all but one."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        if n_jobs > 0:
            return n_jobs
        if not cellray.is_initialized():
            cellray.init()
        return max(int(cellray.cluster_resources().get("CPU", 1)) + 1 + n_jobs, 1)

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: Any = None,
        require: Any = None,
        ray_remote_args: dict[str, Any] | None = None,
        **_: Any,
    ) -> int:
        """Get ready for one `Parallel`."""
        del prefer, require
        self.parallel = parallel
        self._n_jobs = self.effective_n_jobs(n_jobs)
        if self._n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        if ray_remote_args is not None:
            self._options = ray_remote_args
        self._executor = CellrayExecutor(self._n_jobs, **self._options)
        return self._n_jobs

    def submit(self, func: Any, callback: Callable[[Future[Any]], None] | None = None) -> Future[Any]:
        """Run a batch of calls; `callback` gets its future."""
        assert self._executor is not None, "joblib configures a backend before it uses it"
        future = self._executor.submit(run_batch, self._with_shared(func))
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """The results of a batch, or what it raised."""
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancel what runs: one of the calls has failed."""
        self.terminate()
        if ensure_ready:
            self._executor = CellrayExecutor(self._n_jobs, **self._options)

    def terminate(self) -> None:
        """The end of one `Parallel`."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
        self._stored.clear()

    def stop_call(self) -> None:
        """The end of one call of a `Parallel` that is used more than once."""
        self._stored.clear()

    def _with_shared(self, batch: Any) -> Any:
        batch = copy.copy(batch)
        batch.items = [
            (func, [self._share(arg) for arg in args], {name: self._share(arg) for name, arg in kwargs.items()})
            for func, args, kwargs in batch.items
        ]
        return batch

    def _share(self, value: Any) -> Any:
        if isinstance(value, ObjectRef) or not is_large(value):
            return value
        known = self._stored.get(id(value))
        if known is None:
            # With the value itself: else another one could come to have its id.
            known = self._stored[id(value)] = (value, Shared(cellray.put(value)))
        return known[1]


def run_batch(batch: Any) -> Any:
    """In the task: fetch what is shared, then call."""
    batch.items = [
        (func, [fetch(arg) for arg in args], {name: fetch(arg) for name, arg in kwargs.items()})
        for func, args, kwargs in batch.items
    ]
    return batch()


def fetch(value: Any) -> Any:
    """The argument itself; an ObjectRef that the caller passed too, as in Ray."""
    if isinstance(value, Shared):
        value = value.ref
    return cellray.get(value) if isinstance(value, ObjectRef) else value
