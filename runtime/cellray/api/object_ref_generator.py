"""ObjectRefGenerator: what calling a generator remotely returns, a reference for each item as it is yielded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from cellray.api import current
from cellray.api.object_ref import ObjectRef
from cellray.errors import CellrayError
from cellray.ids import ObjectId, TaskId
from cellray.ports import Engine


class ObjectRefGenerator:
    """Yields ObjectRefs in the order in which the task yields values, each as soon as there is one; for one thread at a
    time. Made by `f.remote()` of a generator function.

    An error of the task comes as the last reference, which raises it at `get`. Items that were not taken are freed with
    the generator; the task runs on, unless `_generator_backpressure_num_objects` holds it up: then it is closed.

        for ref in f.remote():
            print(cellray.get(ref))
    """

    def __init__(self, completed: ObjectRef, engine: Engine) -> None:
        self._completed = completed
        self._engine = engine
        self._stream = engine.streams.opened(TaskId(completed.task_id()))
        self._error_taken = False

    def __iter__(self) -> ObjectRefGenerator:
        return self

    def __next__(self) -> ObjectRef:
        """The next item's reference; waits until there is one. Raises StopIteration after the last."""
        ref = self._take()
        if ref is None:
            self._own_engine().wait([self._id], 1, None)
            ref = self._take()
        ref = ref or self._take_error()
        if ref is None:
            raise StopIteration
        return ref

    def __aiter__(self) -> ObjectRefGenerator:
        return self

    async def __anext__(self) -> ObjectRef:
        """As `__next__`, without holding up the event loop. Raises StopAsyncIteration after the last."""
        ref = self._take()
        if ref is None:
            await self._next_known()
            ref = self._take()
        ref = ref or self._take_error()
        if ref is None:
            raise StopAsyncIteration
        return ref

    def completed(self) -> ObjectRef:
        """A reference that is ready when the task has ended; `get` of it raises if the task failed."""
        return self._completed

    def next_ready(self) -> bool:
        """Whether `next` would return a reference without waiting. Returns at once."""
        self._own_engine().wait([self._id], 1, 0)
        return self._id in self._engine.resolved and not self.is_finished()

    def is_finished(self) -> bool:
        """Whether `next` would raise StopIteration. Returns at once."""
        self._own_engine()
        if not self._engine.streams.is_at_end(self._stream):
            return False
        return self._error_taken or not self._failed()

    def task_id(self) -> bytes:
        """The id of the task that yields (16 bytes)."""
        return self._completed.task_id()

    def belongs_to(self, engine: Any) -> bool:
        """Whether the task is one of this engine's session."""
        return self._engine is engine

    def lost(self) -> CellrayError:
        """The error for using it in another session than its own."""
        return self._completed.lost()

    def send(self, value: object) -> NoReturn:
        """Not there, as in Ray: the task runs on its own."""
        raise NotImplementedError("`gen.send` is not supported.")

    def throw(self, value: object) -> NoReturn:
        """Not there, as in Ray; `cellray.cancel(gen)` interrupts the task."""
        raise NotImplementedError("`gen.throw` is not supported. To interrupt the task, use cellray.cancel(gen).")

    def close(self) -> NoReturn:
        """Not there, as in Ray; `cellray.cancel(gen)` interrupts the task."""
        raise NotImplementedError("`gen.close` is not supported. To interrupt the task, use cellray.cancel(gen).")

    async def asend(self, value: object) -> NoReturn:
        """See `send`."""
        raise NotImplementedError("`gen.asend` is not supported.")

    async def athrow(self, value: object) -> NoReturn:
        """See `throw`."""
        raise NotImplementedError("`gen.athrow` is not supported.")

    async def aclose(self) -> NoReturn:
        """See `close`."""
        raise NotImplementedError("`gen.aclose` is not supported.")

    def __del__(self) -> None:
        self._engine.streams.drop(self._stream)

    def __repr__(self) -> str:
        return f"ObjectRefGenerator({self.task_id().hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "You cannot return or pass a generator to other task. Serializing a ObjectRefGenerator is not allowed. "
            "Pass the references that it yields."
        )

    @property
    def _id(self) -> ObjectId:
        """The id to wait for: the object exists when there is a next item, or when there will be none."""
        return self._engine.streams.next_id(self._stream)

    def _own_engine(self) -> Engine:
        if self._engine is not current.engine_or_none():
            raise self.lost()
        return self._engine

    def _take(self) -> ObjectRef | None:
        obj = self._engine.streams.take(self._stream)
        return None if obj is None else ObjectRef(obj, self._engine)

    def _take_error(self) -> ObjectRef | None:
        """After the last item: the reference that raises what the task failed with, once."""
        if self._error_taken or not self._failed():
            return None
        self._error_taken = True
        return self._completed

    def _failed(self) -> bool:
        try:
            self._own_engine().get([self._completed._id], None)
        except Exception:
            return True
        return False

    async def _next_known(self) -> None:
        loop = asyncio.get_running_loop()
        known = loop.create_future()

        def settle() -> None:
            if not known.done():  # it may have been cancelled
                known.set_result(None)

        def wake(_value: object) -> None:
            loop.call_soon_threadsafe(settle)

        self._own_engine().add_done_callback(self._id, wake)
        await known


class DynamicObjectRefGenerator:
    """The value of a call with `num_returns="dynamic"`: the references of all items, once the task has ended."""

    def __init__(self, refs: deque[ObjectRef]) -> None:
        self._refs = refs

    def __iter__(self) -> Iterator[ObjectRef]:
        while self._refs:
            yield self._refs.popleft()

    def __len__(self) -> int:
        return len(self._refs)


class Collecting:
    """Runs a generator function to its end and returns the references of what it yields."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.__qualname__ = getattr(function, "__qualname__", self.__name__)
        self.__module__ = function.__module__
        self.__wrapped__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> DynamicObjectRefGenerator:
        engine = current.require_engine()
        return DynamicObjectRefGenerator(
            deque(ObjectRef(engine.put(value), engine) for value in self._function(*args, **kwargs))
        )
