"""ActorPool: a fixed set of actors that share a stream of work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cellray
from cellray.exceptions import ActorDiedError

Submit = Callable[[Any, Any], Any]


class ActorPool:
    """Gives each actor one call at a time, the next one as soon as its result has been taken.

        pool = ActorPool([Worker.remote() for _ in range(4)])
        for result in pool.map(lambda actor, value: actor.work.remote(value), range(100)):
            ...

    Names and semantics are those of `ray.util.ActorPool`. An actor that has died leaves the pool.
    """

    def __init__(self, actors: Iterable[Any]) -> None:
        self._idle = list(actors)
        self._waiting: deque[tuple[Submit, Any]] = deque()
        self._calls: dict[int, tuple[Any, Any]] = {}
        """Reference and actor of each call whose result has not been taken, by its index."""
        self._index_of: dict[Any, int] = {}
        self._next_index = 0
        self._next_return = 0

    def map(self, fn: Submit, values: Iterable[Any]) -> Iterator[Any]:
        """Results of `fn(actor, value)`, which must return what `.remote()` gave, in the order of the values.

        What was submitted before and not taken is given up. Consume the iterator: it is what keeps the actors busy.
        """
        return self._map(fn, values, self.get_next)

    def map_unordered(self, fn: Submit, values: Iterable[Any]) -> Iterator[Any]:
        """The same, in the order in which the results come."""
        return self._map(fn, values, self.get_next_unordered)

    def _map(self, fn: Submit, values: Iterable[Any], take: Callable[[], Any]) -> Iterator[Any]:
        self._give_up()
        for value in values:
            self.submit(fn, value)

        def results() -> Iterator[Any]:
            while self.has_next():
                yield take()

        return results()

    def _give_up(self) -> None:
        self._waiting.clear()
        for _, actor in self._calls.values():
            self._idle.append(actor)
        self._calls.clear()
        self._index_of.clear()
        self._next_return = self._next_index

    def submit(self, fn: Submit, value: Any) -> None:
        """Call `fn(actor, value)` with the next idle actor; take its result with `get_next`."""
        if not self._idle:
            self._waiting.append((fn, value))
            return
        actor = self._idle.pop()
        ref = fn(actor, value)
        self._calls[self._next_index] = (ref, actor)
        self._index_of[_first(ref)] = self._next_index
        self._next_index += 1

    def has_next(self) -> bool:
        """Whether there are results that have not been taken."""
        return bool(self._calls)

    def get_next(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:
        """The next result in the order of submission.

        Raises StopIteration when there is none, TimeoutError after `timeout` seconds; with `ignore_if_timedout` the
        call is given up then and the following one is next. ValueError after `get_next_unordered` has taken it.
        """
        self._require_next()
        if self._next_return not in self._calls:
            raise ValueError("It is not allowed to call get_next() after get_next_unordered().")
        ref, _ = self._calls[self._next_return]
        ready, _ = cellray.wait([_first(ref)], timeout=timeout)
        return self._take(self._next_return, bool(ready), ignore_if_timedout)

    def get_next_unordered(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:
        """Any result, as soon as there is one. Raises as `get_next` does."""
        self._require_next()
        ready, _ = cellray.wait(list(self._index_of), num_returns=1, timeout=timeout)
        index = self._index_of[ready[0]] if ready else next(iter(self._calls))
        return self._take(index, bool(ready), ignore_if_timedout)

    def _require_next(self) -> None:
        if not self.has_next():
            raise StopIteration("No more results to get")

    def _take(self, index: int, is_ready: bool, ignore_if_timedout: bool) -> Any:
        if not is_ready and not ignore_if_timedout:
            raise TimeoutError("Timed out waiting for result")
        ref, actor = self._calls.pop(index)
        del self._index_of[_first(ref)]
        self._next_return = max(self._next_return, index + 1)
        if not is_ready:
            self._return_actor(actor)
            raise TimeoutError(f"Timed out waiting for result. The task {ref} has been ignored.")
        try:
            result = cellray.get(ref)
        except ActorDiedError:
            self._submit_waiting()
            raise
        except BaseException:
            self._return_actor(actor)
            raise
        self._return_actor(actor)
        return result

    def _return_actor(self, actor: Any) -> None:
        self._idle.append(actor)
        self._submit_waiting()

    def _submit_waiting(self) -> None:
        if self._waiting and self._idle:
            self.submit(*self._waiting.popleft())

    def has_free(self) -> bool:
        """Whether an actor is idle and no submission waits."""
        return bool(self._idle) and not self._waiting

    def pop_idle(self) -> Any:
        """Take an idle actor out of the pool; None when there is none."""
        return self._idle.pop() if self.has_free() else None

    def push(self, actor: Any) -> None:
        """Put one more actor into the pool. Raises ValueError when it is in it."""
        if actor in self._idle or any(actor == busy for _, busy in self._calls.values()):
            raise ValueError("Actor already belongs to current ActorPool")
        self._return_actor(actor)


def _first(ref: Any) -> Any:
    """Several returns of one call, a list, are there at the same time."""
    return ref[0] if isinstance(ref, list) else ref
