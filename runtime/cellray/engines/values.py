"""Values on their way in and out of one process: inline or in shared memory, pinned while they are viewed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

from cellray.client.channel import Channel
from cellray.engines.lending import Lending
from cellray.engines.views import ViewCounts
from cellray.errors import FAILURES, InternalError, ObjectStoreFullError
from cellray.ids import ObjectId
from cellray.model.command import SpaceGranted
from cellray.model.fact import SpaceRequested, SpaceReturned
from cellray.model.object import ObjectValue, ValueKind, decode_failure
from cellray.ports import ObjectStore
from cellray.serialization import Serialized, deserialize, deserialize_exception
from cellray.store import digest_of

# A plain integer: looking the member up runs Python code for each value.
INLINE: Final[int] = ValueKind.INLINE.value
MB = 1024 * 1024
SHARED: Final[int] = ValueKind.SHARED.value


class Values:
    """Writes and reads the values of objects for one connection. `lending` is that of a worker."""

    def __init__(
        self,
        channel: Callable[[], Channel],
        store: ObjectStore,
        views: ViewCounts,
        report: Callable[[], None],
        inline_bytes_max: int,
        lending: Lending | None,
    ) -> None:
        self._channel = channel
        self._store = store
        self._views = views
        self._report = report
        self._inline_bytes_max = inline_bytes_max
        self._lending = lending
        self._grants: dict[ObjectId, SpaceGranted | None] = {}

    def seal(self, obj: ObjectId, serialized: Serialized, *, is_result: bool = False) -> ObjectValue:
        """The value as it travels: inline when small, else written to the store; a result then has a digest.

        Waits while others are moved to disk for it; raises ObjectStoreFullError when there is no room even so.
        """
        if serialized.total_bytes <= self._inline_bytes_max:
            return ObjectValue(INLINE, serialized.to_bytes(), contained=serialized.contained)
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
            digest=digest_of(serialized.parts) if is_result else 0,
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

    def load(
        self, objects: Sequence[ObjectId], values: Sequence[ObjectValue], timeout_s: float | None
    ) -> list[Any] | None:
        """The Python values; arrays are read-only views of shared memory that keep their object where it is.

        None when those on disk were not read back within `timeout_s`. Raises what the producing task of the first
        failed one raised, or why the runtime could not produce it.
        """
        for value in values:
            if value.kind != INLINE:
                break
        else:
            return [deserialize(value.data) for value in values]
        shared = [obj for obj, value in zip(objects, values, strict=True) if value.kind == SHARED]
        if not shared:
            return [self.load_inline(value) for value in values]
        for value in values:
            if value.is_error:
                self._raise(value)
        self._check_fit(shared, values)
        places = self._views.acquire(shared, self._channel(), self._report, timeout_s, self._lending)
        if places is None:
            return None
        where = iter(zip(shared, places, strict=True))
        try:
            return [deserialize(value.data) if value.kind == INLINE else self._read(*next(where)) for value in values]
        finally:
            # What was counted and not read, because one before it raised.
            for obj, _ in where:
                self._views.release(obj)

    def load_into(self, future: Future[Any], obj: ObjectId, value: ObjectValue) -> None:
        """Resolve a running future; never blocks, so that whoever reads from the node may call it."""
        if value.kind == SHARED:
            self._views.acquire_soon(
                obj, self._channel(), self._report, lambda place: _settle(future, lambda: self._read(obj, place))
            )
        else:
            _settle(future, lambda: self.load_inline(value))

    def _check_fit(self, shared: Sequence[ObjectId], values: Sequence[ObjectValue]) -> None:
        """All that one call reads lies in memory at the same time: do not wait for what can never be."""
        if len(shared) == 1:
            return
        sizes = dict(zip(shared, (value.object_bytes for value in values if value.kind == SHARED), strict=True))
        if sum(sizes.values()) > self._store.arena_bytes:
            raise ObjectStoreFullError(
                f"these {len(sizes)} objects take {sum(sizes.values()) / MB:.1f} MB together, more than the shared "
                f"memory of this node, which is {self._store.arena_bytes / MB:.1f} MB. Get them one after another, or "
                "start the session with more: cellray.init(object_store_memory=...)."
            )

    def load_inline(self, value: ObjectValue) -> Any:
        """The Python value of one that is not shared; raises what it stands for."""
        return deserialize(value.data) if value.kind == INLINE else self._raise(value)

    def load_argument(self, obj: ObjectId, value: ObjectValue) -> Any:
        """The Python value of an argument of the running task: if shared, it stays in place until the task's end."""
        if value.kind == INLINE:
            return deserialize(value.data)
        if value.kind == SHARED:
            self._views.retain(obj)
            return self._read(obj, value)
        return self._raise(value)

    def _read(self, obj: ObjectId, place: ObjectValue) -> Any:
        """Deserialise what lies at `place`; the view that was counted ends with the last thing made from it.

        A place that is none says why there is nothing to be read, or is the value itself, that had been lost.
        """
        views = self._views
        if place.kind != SHARED:
            views.release(obj)
            return self.load_inline(place)
        try:
            view = self._store.read(place.offset, place.object_bytes, lambda: views.release(obj))
        except BaseException:
            views.release(obj)
            raise
        return deserialize(view)

    def _raise(self, value: ObjectValue) -> Any:
        raise error_of(value)


def error_of(value: ObjectValue) -> BaseException:
    """The exception that an error value stands for."""
    if value.kind == ValueKind.ERROR:
        return deserialize_exception(value.data).as_instanceof_cause()
    failure = decode_failure(value.data)
    error = FAILURES.get(failure.kind, InternalError)(failure.message)
    error.__dict__.update(failure.fields)
    return error


def _settle(future: Future[Any], read: Callable[[], Any]) -> None:
    try:
        value = read()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(value)
