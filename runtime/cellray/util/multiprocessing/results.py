"""What a pool's calls give back: results that come later, and iterators over them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import TimeoutError  # noqa: A004
from typing import Any

from cellray.util.multiprocessing.process import ChunkResult
from cellray.util.multiprocessing.processes import Outcome

Callback = Callable[[Any], object]


class AsyncResult:
    """The result of one call, or of all calls of a map. `pool` lives as long as somebody waits."""

    def __init__(
        self, pool: Any, chunks: int, callback: Callback | None, error_callback: Callback | None, *, single: bool
    ) -> None:
        self._pool = pool
        self._parts: list[list[Any]] = [[] for _ in range(chunks)]
        self._missing = chunks
        self._error: BaseException | None = None
        self._error_chunk = chunks
        self._callback = callback
        self._error_callback = error_callback
        self._single = single
        self._ended = threading.Event()
        if not chunks:
            self._end()

    def on_chunk(self, index: int, outcome: Outcome) -> None:
        """One chunk has ended; on any thread."""
        if isinstance(outcome, ChunkResult):
            self._parts[index] = outcome.values
            failure = outcome.failures[min(outcome.failures)] if outcome.failures else None
        else:
            failure = outcome
        if failure is not None and index < self._error_chunk:
            self._error, self._error_chunk = failure, index
        self._missing -= 1
        if not self._missing:
            self._end()

    def _end(self) -> None:
        self._pool = None
        self._ended.set()
        if self._error is not None:
            if self._error_callback is not None:
                self._error_callback(self._error)
        elif self._callback is not None:
            self._callback(self._value())

    def _value(self) -> Any:
        return self._parts[0][0] if self._single else [value for part in self._parts for value in part]

    def wait(self, timeout: float | None = None) -> None:
        """Until it is there, or `timeout` seconds have passed."""
        self._ended.wait(timeout)

    def get(self, timeout: float | None = None) -> Any:
        """The result; raises what the first failed call raised, or TimeoutError."""
        if not self._ended.wait(timeout):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._value()

    def ready(self) -> bool:
        """Whether it is there."""
        return self._ended.is_set()

    def successful(self) -> bool:
        """Whether no call has raised. ValueError when it is not there yet."""
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return self._error is None


class IMapIterator:
    """Results of an `imap`, in order or as they come. Chunks are taken from the input as results are consumed."""

    def __init__(
        self, pool: Any, chunks: Iterator[list[Any]], submit: Callable[[list[Any], Callable[[Outcome], None]], None],
        ahead_max: int, *, ordered: bool,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._chunks = chunks
        self._submit = submit
        self._ahead_max = ahead_max
        self._ordered = ordered
        self._changed = threading.Condition()
        self._ended: dict[int, Outcome] = {}
        self._submitted = 0
        self._consumed = 0
        self._is_exhausted = False
        self._ready: deque[Any] = deque()
        self._fill()

    def _fill(self) -> None:
        while not self._is_exhausted and self._submitted - self._consumed < self._ahead_max:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._is_exhausted = True
                return
            index = self._submitted
            self._submitted += 1
            self._submit(chunk, lambda outcome, index=index: self._on_chunk(index, outcome))  # type: ignore[misc]

    def _on_chunk(self, index: int, outcome: Outcome) -> None:
        with self._changed:
            self._ended[index] = outcome
            self._changed.notify_all()

    def __iter__(self) -> IMapIterator:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
        """The next result; raises what its call raised, StopIteration at the end, TimeoutError after `timeout` s."""
        if not self._ready:
            self._take_chunk(timeout)
        value, error = self._ready.popleft()
        if error is not None:
            raise error
        return value

    def _take_chunk(self, timeout: float | None) -> None:
        self._fill()
        if self._consumed == self._submitted:
            self._pool = None
            raise StopIteration
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._is_next_there():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                self._changed.wait(left)
            index = self._consumed if self._ordered else next(iter(self._ended))
            outcome = self._ended.pop(index)
        self._consumed += 1
        if isinstance(outcome, ChunkResult):
            self._ready.extend((value, outcome.failures.get(i)) for i, value in enumerate(outcome.values))
        else:
            self._ready.append((None, outcome))
        self._fill()

    def _is_next_there(self) -> bool:
        return self._consumed in self._ended if self._ordered else bool(self._ended)
