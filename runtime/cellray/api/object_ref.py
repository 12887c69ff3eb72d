"""ObjectRef: a future, the name of an immutable object that exists or will exist."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Generator
from typing import Any

from cellray.api import current
from cellray.errors import SessionLostError
from cellray.ids import ObjectId, producer_of
from cellray.serialization import reference_seam

_SHORT = 12


class ObjectRef:
    """A reference to the result of a task or to a `put` object; hashable, comparable by id, awaitable.

    It can be passed to tasks, where a top-level argument arrives as its value and a nested one as an ObjectRef. As
    long as one exists anywhere, its object is kept. Made by `f.remote()` and `put`, not by hand.

        ref = f.remote(1)
        value = cellray.get(ref)
    """

    __slots__ = ("__weakref__", "_engine", "_id")

    def __init__(self, object_id: ObjectId, engine: Any) -> None:
        """Takes over a reference that the engine has counted already, as `submit` and `put` return it."""
        self._id = object_id
        self._engine = engine

    def __del__(self) -> None:
        self._engine.release(self._id)

    def binary(self) -> bytes:
        """The object's id, 20 bytes."""
        return self._id

    def hex(self) -> str:
        """The object's id in hexadecimal, 40 characters."""
        return self._id.hex()

    def task_id(self) -> bytes:
        """The id of the task that produces the object (16 bytes)."""
        return producer_of(self._id)

    def belongs_to(self, engine: Any) -> bool:
        """Whether the object is one of this engine's session."""
        return self._engine is engine

    def lost(self) -> SessionLostError:
        """The error for using it in another session than its own."""
        return SessionLostError(
            f"{self!r} belongs to a session that has ended: its value is gone. Run the cell again that made it."
        )

    def future(self) -> concurrent.futures.Future[Any]:
        """A `concurrent.futures.Future` of the value; it fails with what `get` would raise.

        Its callbacks may call anything, `cellray.get` too.
        """
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        if not self.belongs_to(current.engine_or_none()):
            future.set_exception(self.lost())
            return future
        reference = self  # the future keeps the object alive until it is resolved

        def resolve() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(reference._engine.get([reference._id], 0)[0])
            except BaseException as error:
                future.set_exception(error)

        self._engine.add_done_callback(self._id, lambda _value: reference._engine.run_later(resolve))
        return future

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self.future()).__await__()

    def __hash__(self) -> int:
        return hash(self._id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectRef) and other._id == self._id

    def __repr__(self) -> str:
        return f"ObjectRef({self._id.hex()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return reference_seam.reduce(self)


def _rebuild(object_id: ObjectId) -> ObjectRef:
    """A reference that arrived inside a value: one more in this process."""
    engine = current.require_engine()
    engine.retain(object_id)
    return ObjectRef(object_id, engine)


def _id_to_send(ref: ObjectRef) -> ObjectId:
    if not ref.belongs_to(current.engine_or_none()):
        raise ref.lost()
    return ObjectId(ref.binary())


reference_seam.register(ObjectRef, _id_to_send, _rebuild)
