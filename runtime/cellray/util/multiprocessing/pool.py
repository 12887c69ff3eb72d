"""Pool: `multiprocessing.Pool`, whose processes are actors of the session."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Sized
from typing import Any

import cellray
from cellray.util.chunks import chunked
from cellray.util.multiprocessing.process import PoolProcess
from cellray.util.multiprocessing.processes import Chunk, Outcome, Processes
from cellray.util.multiprocessing.results import AsyncResult, Callback, IMapIterator

CHUNKS_PER_PROCESS = 4
"""A map makes about as many chunks a process, as in the standard library: fewer have less cost, more even out."""
IMAP_AHEAD_PER_PROCESS = 8
"""Chunks of an `imap` that are under way or not consumed yet."""


class Pool:
    """A pool of processes that run calls.

    `processes`: how many (default: the session's CPUs). `initializer(*initargs)` runs in each as it starts;
    `maxtasksperchild` chunks later it is replaced. Without a session one is started, or that at `ray_address` is
    joined; `ray_remote_args` are options of the actors, such as `{"num_cpus": 1}`. A process that dies fails the chunk
    that it ran, and another one takes its place.

        with Pool(4) as pool:
            squares = pool.map(square, range(10_000))
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., Any] | None = None,
        initargs: Iterable[Any] | None = None,
        maxtasksperchild: int | None = None,
        context: Any = None,
        ray_address: str | None = None,
        ray_remote_args: dict[str, Any] | None = None,
    ) -> None:
        self._is_closed = True
        if processes is not None and processes <= 0:
            raise ValueError("Processes in the pool must be >0.")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if maxtasksperchild is not None and maxtasksperchild <= 0:
            raise ValueError("maxtasksperchild must be a positive int or None")
        if context is not None:
            warnings.warn("Pool ignores `context`: its processes are actors of the session", stacklevel=2)
        if not cellray.is_initialized():
            cellray.init(ray_address)
        count = processes or max(1, int(cellray.cluster_resources().get("CPU", 1)))
        actor_class = cellray.remote(**{"num_cpus": 0, **(ray_remote_args or {})})(PoolProcess)
        self._processes = Processes(
            functools.partial(actor_class.remote, initializer, tuple(initargs or ())), count, maxtasksperchild
        )
        self._processes.wait_ready()
        self._is_closed = False

    # -- single calls

    def apply(self, func: Callable[..., Any], args: Iterable[Any] | None = None, kwargs: Any = None) -> Any:
        """The result of `func(*args, **kwargs)`, run in one of the processes."""
        return self.apply_async(func, args, kwargs).get()

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> AsyncResult:
        """The same without waiting. The callbacks run in the thread that brings results: they must not wait for any."""
        self._check_running()
        result = AsyncResult(self, 1, callback, error_callback, single=True)
        done = functools.partial(result.on_chunk, 0)
        self._processes.put(Chunk("call", (func, tuple(args or ()), kwargs or {}), done))
        return result

    # -- maps

    def map(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = None) -> list[Any]:
        """The results of `func` for each element, in order."""
        values: list[Any] = self.map_async(func, iterable, chunksize).get()
        return values

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> AsyncResult:
        """The same without waiting; `callback` gets the list, `error_callback` the first exception."""
        return self._map_async("map", func, iterable, chunksize, callback, error_callback)

    def starmap(self, func: Callable[..., Any], iterable: Iterable[Any], chunksize: int | None = None) -> list[Any]:
        """As `map`, with the elements unpacked: `func(*element)`."""
        values: list[Any] = self.starmap_async(func, iterable, chunksize).get()
        return values

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> AsyncResult:
        """As `map_async`, with the elements unpacked."""
        return self._map_async("starmap", func, iterable, chunksize, callback, error_callback)

    def _map_async(
        self,
        method: str,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        callback: Callback | None,
        error_callback: Callback | None,
    ) -> AsyncResult:
        self._check_running()
        items: Any = iterable if isinstance(iterable, Sized) else list(iterable)
        if chunksize is None:
            chunksize = max(1, -(-len(items) // (self._processes.count * CHUNKS_PER_PROCESS)))
        _check_chunksize(chunksize)
        chunks = list(chunked(iter(items), chunksize))
        result = AsyncResult(self, len(chunks), callback, error_callback, single=False)
        function = [cellray.put(func)] if chunks else []
        for index, chunk in enumerate(chunks):
            self._processes.put(Chunk(method, (function, chunk), functools.partial(result.on_chunk, index)))
        return result

    def imap(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int = 1) -> IMapIterator:
        """An iterator over the results in order; takes from `iterable`, which may be endless, as they are consumed."""
        return self._imap(func, iterable, chunksize, ordered=True)

    def imap_unordered(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int = 1) -> IMapIterator:
        """The same, in the order in which the results come."""
        return self._imap(func, iterable, chunksize, ordered=False)

    def _imap(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int, *, ordered: bool
    ) -> IMapIterator:
        self._check_running()
        _check_chunksize(chunksize)
        function = [cellray.put(func)]

        def submit(chunk: list[Any], done: Callable[[Outcome], None]) -> None:
            self._processes.put(Chunk("map", (function, chunk), done))

        ahead_max = IMAP_AHEAD_PER_PROCESS * self._processes.count
        return IMapIterator(self, chunked(iter(iterable), chunksize), submit, ahead_max, ordered=ordered)

    # -- the end

    def close(self) -> None:
        """Take no more calls; the processes end when all that were made are done."""
        if not self._is_closed:
            self._is_closed = True
            self._processes.close()

    def terminate(self) -> None:
        """End the processes now; calls that are not done fail."""
        self._is_closed = True
        self._processes.terminate()

    def join(self) -> None:
        """Wait until the processes of a closed or terminated pool have ended their work."""
        if not self._is_closed:
            raise ValueError("Pool is still running")
        self._processes.join()

    def _check_running(self) -> None:
        if self._is_closed:
            raise ValueError("Pool not running")

    def __enter__(self) -> Pool:
        self._check_running()
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    def __del__(self) -> None:
        if not self._is_closed:
            self.terminate()

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")


def _check_chunksize(chunksize: int) -> None:
    if chunksize < 1:
        raise ValueError(f"Chunksize must be 1+, not {chunksize}")
