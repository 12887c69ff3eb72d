"""`concurrent.futures.Executor` on the session: for programs and libraries that take an executor."""

from __future__ import annotations

import concurrent.futures
import functools
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import cellray
from cellray import ObjectRef, RemoteFunction
from cellray.util.chunks import chunked

FUNCTIONS_MAX = 256
"""Functions that are kept exported; one that is submitted again is not pickled again."""
_settling = threading.Lock()


class TaskFuture(Future[Any]):
    """The future of one task. Cancelling it cancels the task, also when that runs already."""

    def __init__(self, start: Callable[[], ObjectRef]) -> None:
        super().__init__()
        self.is_waiting = False
        """Whether the executor has not begun with it."""
        self._start: Callable[[], ObjectRef] | None = start
        self._ref: ObjectRef | None = None
        self._is_settled = False

    def start(self) -> None:
        """Submit the task; what submitting raises, the future has."""
        start, self._start = self._start, None
        if start is None or self.done():
            return
        try:
            self._ref = start()
        except BaseException as error:
            if self._settle():
                self.set_exception(error)
            return
        self._ref.future().add_done_callback(self._take)
        if self.cancelled():
            cellray.cancel(self._ref)

    def _take(self, ended: Future[Any]) -> None:
        self._ref = None
        if not self._settle():
            return
        error = ended.exception()
        if error is None:
            self.set_result(ended.result())
        else:
            self.set_exception(error)

    def _settle(self) -> bool:
        """Once: whether it gets a value, or else tell those who wait that it is cancelled."""
        with _settling:
            if self._is_settled:
                return False
            self._is_settled = True
            return self.set_running_or_notify_cancel()

    def cancel(self) -> bool:
        """False when it is done already."""
        ref = self._ref
        if not super().cancel():
            return False
        self._settle()
        if ref is not None:
            cellray.cancel(ref)
        return True


class CellrayExecutor(Executor):
    """Runs calls as tasks. `max_workers` limits how many run at a time (None: what the session has room for).

    `options` are those of remote functions, such as `num_cpus` or `max_retries`. References among the arguments arrive
    as their values.

        with CellrayExecutor() as executor:
            total = sum(executor.map(pow, range(100), itertools.repeat(2)))
    """

    def __init__(self, max_workers: int | None = None, **options: Any) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        cellray.remote(**(options or {"num_cpus": 1}))  # says at once what is wrong with an option
        if not cellray.is_initialized():
            cellray.init()
        self._max_workers = max_workers if _is_needed(max_workers, options) else None
        self._options = options
        self._functions: dict[int, tuple[Any, RemoteFunction]] = {}
        self._unfinished: set[TaskFuture] = set()
        self._waiting: deque[TaskFuture] = deque()
        self._running = 0
        self._lock = threading.Lock()
        self._is_shut = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskFuture:
        """Schedule `fn(*args, **kwargs)`; the future has its result."""
        function = self._remote(fn)
        future = TaskFuture(lambda: function.remote(*args, **kwargs))
        with self._lock:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._unfinished.add(future)
            if self._max_workers is None or self._running < self._max_workers:
                self._running += 1
            else:
                future.is_waiting = True
                self._waiting.append(future)
        future.add_done_callback(self._on_done)
        if not future.is_waiting:
            future.start()
        return future

    def _on_done(self, future: Future[Any]) -> None:
        assert isinstance(future, TaskFuture)
        with self._lock:
            self._unfinished.discard(future)
            if future.is_waiting:
                return  # cancelled before it began; it is passed over when its turn comes
            self._running -= 1
            following = self._next_waiting()
        if following is not None:
            following.start()

    def _next_waiting(self) -> TaskFuture | None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.is_waiting = False
                self._running += 1
                return future
        return None

    def _remote(self, fn: Callable[..., Any]) -> RemoteFunction:
        if isinstance(fn, RemoteFunction):
            return fn.options(**self._options) if self._options else fn
        known = self._functions.get(id(fn))
        if known is not None and known[0] is fn:
            return known[1]
        function: RemoteFunction = cellray.remote(**self._options)(fn) if self._options else cellray.remote(fn)
        if len(self._functions) >= FUNCTIONS_MAX:
            self._functions.clear()
        self._functions[id(fn)] = (fn, function)
        return function

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        **more: Any,
    ) -> Iterator[Any]:
        """Results of `fn` on the elements, in order; `chunksize` elements make one task.

        Raises TimeoutError when a result is asked for `timeout` seconds after this call and is not there.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout, **more)
        chunks = chunked(zip(*iterables, strict=False), chunksize)
        results = super().map(functools.partial(_run_chunk, fn), chunks, timeout=timeout, **more)
        return itertools.chain.from_iterable(results)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; with `wait` return when all have ended.

        `cancel_futures` cancels what has not ended, running tasks too.
        """
        with self._lock:
            self._is_shut = True
            unfinished = tuple(self._unfinished)
        if cancel_futures:
            for future in unfinished:
                future.cancel()
        if wait:
            concurrent.futures.wait(unfinished)


def _is_needed(max_workers: int | None, options: dict[str, Any]) -> bool:
    """Whether the limit is lower than that of the CPUs, which the node keeps by itself and without a round trip."""
    if max_workers is None:
        return False
    cpus = options.get("num_cpus", 1)
    return not cpus or max_workers * cpus < cellray.cluster_resources().get("CPU", 0)


def _run_chunk(fn: Callable[..., Any], chunk: list[tuple[Any, ...]]) -> list[Any]:
    return [fn(*args) for args in chunk]
