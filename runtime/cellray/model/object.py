"""Objects: immutable values, either inline in a frame or sealed in a node's shared-memory store."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from cellray.ids import ObjectId


class ValueKind(IntEnum):
    """How the value of an object is had."""

    INLINE = 0
    """`data` is the serialised value."""
    SHARED = 1
    """The serialised value is in the node's store, `object_bytes` long: at `offset` of the arena, or on disk. `offset`
    holds only while the reader has a view (ViewsGranted), or runs the task that the object is an argument of."""
    ERROR = 2
    """`data` is a serialised exception of user code; reading the object raises it."""
    FAILURE = 3
    """`data` is an encoded `Failure`: the runtime could not produce the object."""


class ObjectValue(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The outcome of producing one object. `contained` are the ids of references inside the value.

    `digest` tells the bytes of a task's result where the log does not keep these themselves (xxh3, 64 bits); it is 0
    where the log does, and where nobody has looked.
    """

    kind: int
    data: bytes = b""
    offset: int = 0
    object_bytes: int = 0
    contained: tuple[ObjectId, ...] = ()
    digest: int = 0

    @property
    def is_error(self) -> bool:
        """Whether reading the object raises."""
        return self.kind >= ValueKind.ERROR


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """Why the runtime could not produce an object; becomes the exception class named by `kind`.

    `kind` is a key of `cellray.errors.FAILURES`; `message` the sentence for the user; `fields` facts for programs.
    """

    kind: str
    message: str
    fields: dict[str, str] = {}


def encode_failure(failure: Failure) -> ObjectValue:
    """The failure as the value of an object."""
    return ObjectValue(kind=ValueKind.FAILURE, data=msgspec.msgpack.encode(failure))


def decode_failure(data: bytes) -> Failure:
    """Back from `ObjectValue.data` of kind FAILURE."""
    return msgspec.msgpack.decode(data, type=Failure)
