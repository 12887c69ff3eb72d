"""Values on their way in and out of one process: inline or in shared memory, pinned while they are viewed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cellray.client.channel import Channel
from cellray.engines.references import References
from cellray.errors import FAILURES, InternalError, ObjectStoreFullError
from cellray.ids import ObjectId
from cellray.model.command import SpaceGranted
from cellray.model.fact import SpaceRequested, SpaceReturned
from cellray.model.object import ObjectValue, ValueKind, decode_failure
from cellray.ports import ObjectStore
from cellray.serialization import Serialized, deserialize, deserialize_exception

# A plain integer: looking the member up runs Python code for each value.
INLINE: Final[int] = ValueKind.INLINE.value


class Values:
    """Writes and reads the values of objects for one connection."""

    def __init__(
        self, channel: Callable[[], Channel], store: ObjectStore, references: References, inline_bytes_max: int
    ) -> None:
        self._channel = channel
        self._store = store
        self._references = references
        self._inline_bytes_max = inline_bytes_max
        self._grants: dict[ObjectId, SpaceGranted | None] = {}

    def seal(self, obj: ObjectId, serialized: Serialized) -> ObjectValue:
        """The value as it travels: inline when small, else written to the store.

        Raises ObjectStoreFullError when there is no room.
        """
        if serialized.total_bytes <= self._inline_bytes_max:
            return ObjectValue(ValueKind.INLINE, serialized.to_bytes(), contained=serialized.contained)
        offset = self._request_space(obj, serialized.total_bytes)
        try:
            self._store.write(offset, serialized.parts)
        except BaseException:
            self._channel().add(SpaceReturned(obj))
            raise
        return ObjectValue(
            ValueKind.SHARED,
            offset=offset,
            object_bytes=serialized.total_bytes,
            contained=serialized.contained,
        )

    def _request_space(self, obj: ObjectId, object_bytes: int) -> int:
        channel, grants = self._channel(), self._grants
        grants[obj] = None
        channel.add(SpaceRequested(obj, object_bytes))
        channel.flush()
        try:
            channel.wait_until(lambda: grants[obj] is not None)
        except BaseException:
            channel.add(SpaceReturned(obj))
            raise
        finally:
            grant = grants.pop(obj)
        assert grant is not None
        if grant.error:
            raise ObjectStoreFullError(grant.error)
        return grant.offset

    def on_granted(self, command: SpaceGranted) -> None:
        """The node answered a request for space."""
        if command.object_id in self._grants:
            self._grants[command.object_id] = command

    def load(self, obj: ObjectId, value: ObjectValue) -> Any:
        """The Python value; arrays are read-only views of shared memory that keep their object pinned.

        Raises what the producing task raised, or why the runtime could not produce it.
        """
        kind = value.kind
        if kind == INLINE:
            return deserialize(value.data)
        if kind == ValueKind.SHARED:
            references = self._references
            references.retain(obj)
            view = self._store.read(value.offset, value.object_bytes, lambda: references.release(obj))
            return deserialize(view)
        raise self.error_of(value)

    def error_of(self, value: ObjectValue) -> BaseException:
        """The exception that an error value stands for."""
        if value.kind == ValueKind.ERROR:
            return deserialize_exception(value.data).as_instanceof_cause()
        failure = decode_failure(value.data)
        error = FAILURES.get(failure.kind, InternalError)(failure.message)
        error.__dict__.update(failure.fields)
        return error
