"""Queue: first in, first out, between any processes of the session."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterable
from typing import Any, NamedTuple

import cellray
from cellray import ObjectRef
from cellray.util.sizes import is_large

CALLS_MAX = 100_000
"""Calls that wait in one queue. They must not keep those out for which they wait."""


class Empty(queue.Empty):
    """There is nothing in the queue."""


class Full(queue.Full):
    """There is no room in the queue."""


class Stored(NamedTuple):
    """Stands for a large item: it lies in the object store, and does not pass through the queue's process."""

    ref: ObjectRef


class Reference(NamedTuple):
    """Stands for an item that is a reference."""

    ref: ObjectRef


class Queue:
    """A queue that can be passed to tasks and actors. `maxsize=0`: without a limit.

    An actor holds it; `actor_options` are that actor's, such as `{"num_cpus": 1, "name": "work"}`. The semantics are
    those of `ray.util.queue.Queue`: `Full` and `Empty` say that there was no room or no item within `timeout` seconds.

        work = Queue(maxsize=100)
        producer.remote(work)
        item = work.get(timeout=1)
    """

    def __init__(self, maxsize: int = 0, actor_options: dict[str, Any] | None = None) -> None:
        self.maxsize = maxsize
        options = {"max_concurrency": CALLS_MAX, **(actor_options or {})}
        self.actor: Any = cellray.remote(**options)(QueueActor).remote(maxsize)

    def __len__(self) -> int:
        return self.size()

    def size(self) -> int:
        """How many items there are."""
        count: int = cellray.get(self._actor.qsize.remote())
        return count

    def qsize(self) -> int:
        """How many items there are."""
        return self.size()

    def empty(self) -> bool:
        """Whether there is none."""
        return self.size() == 0

    def full(self) -> bool:
        """Whether there is no room."""
        return 0 < self.maxsize <= self.size()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add an item. Raises Full at once without `block`, else after `timeout` seconds (None: waits without end)."""
        cellray.get(self._put(item, block, timeout))

    async def put_async(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """The same, awaited."""
        await self._put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next item. Raises Empty at once without `block`, else after `timeout` seconds."""
        return _unpacked(cellray.get(self._get(block, timeout)))

    async def get_async(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        """The same, awaited."""
        item = await self._get(block, timeout)
        return await item.ref if isinstance(item, Stored) else _unpacked(item)

    def put_nowait(self, item: Any) -> None:
        """`put` without waiting."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """`get` without waiting."""
        return self.get(block=False)

    def put_nowait_batch(self, items: Iterable[Any]) -> None:
        """Add all items, or none and raise Full."""
        if not isinstance(items, Iterable):
            raise TypeError("Argument 'items' must be an Iterable")
        cellray.get(self._actor.put_nowait_batch.remote([_packed(item) for item in items]))

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """Take so many items, or none and raise Empty."""
        if not isinstance(num_items, int):
            raise TypeError("Argument 'num_items' must be an int")
        if num_items < 0:
            raise ValueError("'num_items' must be nonnegative")
        return [_unpacked(item) for item in cellray.get(self._actor.get_nowait_batch.remote(num_items))]

    def shutdown(self, force: bool = False, grace_period_s: float = 5) -> None:
        """End the queue's actor: with what has been called by now done, but for `grace_period_s` at most."""
        actor, self.actor = self._actor, None
        if not force:
            ended, _ = cellray.wait([actor.__ray_terminate__.remote()], timeout=grace_period_s)
            if ended:
                return
        cellray.kill(actor)

    @property
    def _actor(self) -> Any:
        if self.actor is None:
            raise RuntimeError("the queue was shut down")
        return self.actor

    def _put(self, item: Any, block: bool, timeout: float | None) -> Any:
        if not block:
            return self._actor.put_nowait.remote(_packed(item))
        return self._actor.put.remote(_packed(item), _checked(timeout))

    def _get(self, block: bool, timeout: float | None) -> Any:
        if not block:
            return self._actor.get_nowait.remote()
        return self._actor.get.remote(_checked(timeout))


def _packed(item: Any) -> Any:
    """References are not arguments here, which would arrive as their values: an item is what was put."""
    if isinstance(item, ObjectRef):
        return Reference(item)
    return Stored(cellray.put(item)) if is_large(item) else item


def _unpacked(item: Any) -> Any:
    if isinstance(item, Stored):
        return cellray.get(item.ref)
    return item.ref if isinstance(item, Reference) else item


def _checked(timeout: float | None) -> float | None:
    if timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return timeout


class QueueActor:
    """The queue itself, on the event loop of its actor."""

    def __init__(self, maxsize: int) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize)

    def qsize(self) -> int:
        """How many items there are."""
        return self._queue.qsize()

    async def put(self, item: Any, timeout: float | None) -> None:  # noqa: ASYNC109
        """Waits for room."""
        try:
            await asyncio.wait_for(self._queue.put(item), timeout)
        except TimeoutError:
            raise Full from None

    async def get(self, timeout: float | None) -> Any:  # noqa: ASYNC109
        """Waits for an item."""
        try:
            return await asyncio.wait_for(self._queue.get(), timeout)
        except TimeoutError:
            raise Empty from None

    def put_nowait(self, item: Any) -> None:
        """Or raises Full."""
        self.put_nowait_batch([item])

    def put_nowait_batch(self, items: list[Any]) -> None:
        """All or none."""
        room = self._queue.maxsize - self._queue.qsize()
        if self._queue.maxsize > 0 and room < len(items):
            size = f"size {self.qsize()} and maxsize {self._queue.maxsize}"
            raise Full(f"Cannot add {len(items)} items to queue of {size}.")
        for item in items:
            self._queue.put_nowait(item)

    def get_nowait(self) -> Any:
        """Or raises Empty."""
        return self.get_nowait_batch(1)[0]

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """All or none."""
        if num_items > self._queue.qsize():
            raise Empty(f"Cannot get {num_items} items from queue of size {self.qsize()}.")
        return [self._queue.get_nowait() for _ in range(num_items)]
