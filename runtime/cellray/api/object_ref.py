"""ObjectRef: a future, the name of an immutable object that exists or will exist."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Generator, Sequence
from itertools import repeat
from types import GenericAlias
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from cellray.api import current
from cellray.errors import CellrayError, SessionLostError
from cellray.ids import OBJECT_ID_BYTES, ObjectId, producer_of
from cellray.model.object import ObjectValue
from cellray.serialization import reference_seam

if TYPE_CHECKING:
    import asyncio

NIL = ObjectId(b"\xff" * OBJECT_ID_BYTES)


class ObjectRef(msgspec.Struct, frozen=True, gc=False):
    """A reference to the result of a task or to a `put` object; hashable, comparable by id, awaitable.

    It can be passed to tasks, where a top-level argument arrives as its value and a nested one as an ObjectRef. As
    long as one exists anywhere, its object is kept. Made by `f.remote()` and `put`, not by hand.

        ref = f.remote(1)
        value = cellray.get(ref)
    """

    # A Struct because that makes, compares and hashes it in C: there may be very many. The collector need not look at
    # them, since engines never refer back. To make one takes over a reference that the engine has counted already, as
    # `submit` and `put` return it.
    _id: ObjectId
    _engine: Any

    def __del__(self) -> None:
        self._engine.release(self._id)

    @classmethod
    def nil(cls) -> ObjectRef:
        """The reference to no object, for programs that need a value for "none yet"."""
        return ObjectRef(NIL, NOBODY)

    @classmethod
    def from_binary(cls, object_id: bytes) -> ObjectRef:
        """A reference of this session by the 20 bytes of its id. It keeps the object, if that exists still."""
        if not isinstance(object_id, bytes) or len(object_id) != OBJECT_ID_BYTES:
            raise ValueError(f"an object's id is {OBJECT_ID_BYTES} bytes, as `ref.binary()` returns them")
        return rebuild_all((ObjectId(object_id),))[0]

    @classmethod
    def from_hex(cls, object_id: str) -> ObjectRef:
        """A reference of this session by its id in hexadecimal."""
        return cls.from_binary(bytes.fromhex(object_id))

    @staticmethod
    def size() -> int:
        """Bytes of an id."""
        return OBJECT_ID_BYTES

    def is_nil(self) -> bool:
        """Whether this is the reference to no object."""
        return self._id == NIL

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

    def lost(self) -> CellrayError:
        """The error for using it where it has no value."""
        if self.is_nil():
            return CellrayError("this is ObjectRef.nil(), the reference to no object: there is no value to get")
        return SessionLostError(
            f"{self!r} belongs to a session that has ended: its value is gone. Run the cell again that made it."
        )

    def future(self) -> concurrent.futures.Future[Any]:
        """A `concurrent.futures.Future` of the value; it fails with what `get` would raise.

        To cancel the future does not cancel the task. Its callbacks may call anything, `cellray.get` too.
        """

        def load(future: concurrent.futures.Future[Any], _value: ObjectValue) -> None:
            self._engine.run_later(lambda: self._read_into(future))

        return self._future(load)

    def _read_into(self, future: concurrent.futures.Future[Any]) -> None:
        try:
            future.set_result(self._engine.get_one(self._id))
        except BaseException as error:
            future.set_exception(error)

    def as_future(self) -> asyncio.Future[Any]:
        """An `asyncio.Future` of the value, of the running loop; `await ref` waits for one."""
        import asyncio  # 40 ms that most programs need not spend

        engine, obj = self._engine, self._id
        # No code of the user's is called where the value is set, as with `future`: the loop is told of it.
        return asyncio.wrap_future(self._future(lambda future, value: engine.load_into(future, obj, value)))

    def _future(
        self, load: Callable[[concurrent.futures.Future[Any], ObjectValue], None]
    ) -> concurrent.futures.Future[Any]:
        """One that `load`, which must not wait, gives the value as soon as there is one."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        if not self.belongs_to(current.engine_or_none()):
            future.set_exception(self.lost())
            return future
        # The future keeps the object until it is resolved.
        holder = [self]

        def resolve(value: ObjectValue) -> None:
            if future.set_running_or_notify_cancel():
                load(future, value)
            holder.clear()

        self._engine.add_done_callback(self._id, resolve)
        return future

    def __await__(self) -> Generator[Any, None, Any]:
        future = self.as_future()
        if future.done():
            return future.result()
        # What it waits for may need what this task, or this actor, holds.
        with self._engine.awaiting():
            return (yield from future)

    # In annotations, `ObjectRef[int]` is the reference to an int.
    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)

    def __copy__(self) -> ObjectRef:
        return self

    def __deepcopy__(self, _memo: object) -> ObjectRef:
        return self

    def __repr__(self) -> str:
        return f"ObjectRef({self._id.hex()})"

    def _repr_html_(self) -> str:
        from cellray.api.ref_card import ref_card

        return ref_card(self._id, self._engine if self.belongs_to(current.engine) else None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (reference_seam.note(self),)


class _Nobody:
    """The engine of references to nothing."""

    def release(self, _obj: ObjectId) -> None:
        """Nothing was counted."""


NOBODY = _Nobody()


def rebuild_all(object_ids: Sequence[ObjectId]) -> list[ObjectRef]:
    """References that arrived inside a value: one more of each in this process."""
    engine = current.require_engine()
    engine.retain_all(object_ids)
    return list(map(ObjectRef, object_ids, repeat(engine)))


def _rebuild(object_id: bytes) -> ObjectRef:
    """What pickles call that name a reference by its id; its import path is part of the format."""
    return rebuild_all((ObjectId(object_id),))[0]


def _id_to_send(ref: ObjectRef) -> ObjectId:
    if ref._engine is not current.engine and not ref.is_nil():
        raise ref.lost()
    return ref._id


def _keep_for_good(ref: ObjectRef) -> None:
    """What is pickled outside of any value may be read at any time: the object stays as long as this process."""
    current.require_engine().retain(ref._id)


reference_seam.register(ObjectRef, _id_to_send, rebuild_all, _keep_for_good)
