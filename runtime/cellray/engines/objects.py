"""The verbs on objects over one connection: put, get, wait, and who is told when an object exists.

`resolved` holds the values that are here, small ones themselves and large ones as places in shared memory, as long as
this process refers to the objects. Objects of its own tasks come unasked; others are asked for once (`expected` has
both).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cellray.client.gathering import Gathering
from cellray.engines.direct_calls import HAND_OVER_S
from cellray.engines.lending import Lending, Lent
from cellray.engines.values import INLINE, Values
from cellray.errors import GetTimeoutError
from cellray.ids import ObjectId, is_put, producer_of
from cellray.model.command import ObjectsReady
from cellray.model.fact import ObjectSealed, ObjectsRequested
from cellray.model.object import ObjectValue
from cellray.ports import ObjectLook
from cellray.serialization import Serialized, deserialize, serialize, serialize_plain

if TYPE_CHECKING:
    from cellray.engines.native import NativeEngine

ANSWER_S = 1.0
"""What is in memory is not given up for want of an answer, however short the timeout of a `get`."""
GATHERED_MIN = 8
"""Who waits for no more than that wants each as it comes."""
UNKNOWN = ObjectValue(INLINE)
ReadyCallback = Callable[[ObjectValue], None]


class ResolvedObjects(dict[ObjectId, ObjectValue]):
    """`ports.Resolved` of a connection, with the values."""

    __slots__ = ("arrivals",)

    def __init__(self) -> None:
        super().__init__()
        self.arrivals = 0


class NativeObjects:
    """What `ports.Engine` says of objects, for one `NativeEngine`. `lending` is that of a worker."""

    def __init__(self, engine: NativeEngine, values: Values, lending: Lending | None) -> None:
        self.resolved = ResolvedObjects()
        self.expected: set[ObjectId] = set()
        self._engine = engine
        self._values = values
        self._lending = lending
        self._inline_bytes_max = engine.config.inline_bytes_max
        # By identity: what several threads wait for may be equal.
        self._awaited: dict[int, set[ObjectId]] = {}
        self._awaited_alone: list[ObjectId] = []
        self._callbacks: dict[ObjectId, list[ReadyCallback]] = {}
        self._callback_lock = threading.Lock()

    def put(self, value: Any) -> ObjectId:
        """Store a value: inline when small, else in shared memory."""
        if self._engine.channel.closed_reason is not None:
            self._engine.require_open()
        data = serialize_plain(value)
        if data is None or len(data) > self._inline_bytes_max:
            return self.put_serialized(serialize(value))
        # Most values are small and plain: what the general way does for them, in a third of the time.
        engine = self._engine
        obj = engine.context.take_put()
        sealed = ObjectValue(INLINE, data)
        engine.references.adopt_one(obj)
        self.resolved[obj] = sealed
        engine.channel.add(ObjectSealed(obj, time.time(), sealed))
        return obj

    def put_serialized(self, serialized: Serialized) -> ObjectId:
        """Store what is serialised already; the id is retained once."""
        engine = self._engine
        obj = engine.context.take_put()
        sealed = self._values.seal(obj, serialized)
        engine.references.adopt((obj,))
        self.resolved[obj] = sealed
        engine.channel.add(ObjectSealed(obj, engine.now(), sealed))
        return obj

    def get_one(self, obj: ObjectId) -> Any:
        """The value of one object, waited for without end."""
        value = self.resolved.get(obj)
        while value is None:
            value = self._wait_for(obj)
        if value.kind == INLINE:
            return deserialize(value.data)
        return self.get((obj,), None)[0]

    def get(self, ids: Sequence[ObjectId], timeout_s: float | None) -> list[Any]:
        """Values in order; what the first failed one raised. The values of one call are all had or none."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        values = self._wait_for_all(ids, timeout_s)
        while values is None:
            values = self._wait_for_all(ids, None if deadline is None else max(deadline - time.monotonic(), 0.0))
        # An answer of the node is always waited for a little: it is there, and on one host.
        remaining_s = None if deadline is None else max(deadline - time.monotonic(), ANSWER_S)
        loaded = self._values.load(ids, values, remaining_s)
        if loaded is None:
            raise GetTimeoutError(
                f"{len(ids)} objects could not be read back from disk within {timeout_s} s. Wait longer, or drop "
                "arrays that were got before (del), so that there is room for them in shared memory."
            )
        return loaded

    def wait(self, ids: Iterable[ObjectId], count: int, timeout_s: float | None) -> bool:
        """Until `count` of the objects, none of which was here a moment ago, are; whether they are in time."""
        channel = self._engine.channel
        if channel.closed_reason is not None:
            raise channel.lost()
        missing = set(ids)
        enough_at = len(missing) - count
        self._awaited[id(missing)] = missing
        try:
            resolved = self.resolved
            missing.difference_update(resolved.keys() & missing)
            if len(missing) <= enough_at:
                return True
            if not missing <= self.expected:
                self._request_foreign(missing)
            if timeout_s is not None and timeout_s <= 0:
                channel.flush()
                return len(missing) <= enough_at  # who only looks lends nothing out
            pause_s = self._pauses(missing, enough_at) if count > GATHERED_MIN else None
            if self._lending is None:
                if len(missing) == 1 and not enough_at:
                    return self._wait_for_last(missing, timeout_s)
                return channel.wait_until(lambda: len(missing) <= enough_at, timeout_s, pause_s=pause_s)
            with Lent(self._lending):
                return channel.wait_until(lambda: len(missing) <= enough_at, timeout_s, pause_s=pause_s)
        finally:
            del self._awaited[id(missing)]

    def _pauses(self, missing: set[ObjectId], enough_at: int) -> Callable[[], float]:
        """For how long each time what is missing may be left to gather; callbacks want what they wait for at once."""
        gathering = Gathering(lambda: len(missing) - enough_at)
        return lambda: 0.0 if self._callbacks else gathering.pause_s()

    def _wait_for_all(self, ids: Sequence[ObjectId], timeout_s: float | None) -> list[ObjectValue] | None:
        """Their values in order; None when another thread has let go of one of them at this very moment."""
        resolved = self.resolved
        missing = set(ids)
        missing -= resolved.keys() & missing  # by the view: `difference` would go through all that is resolved
        if missing and not self.wait(missing, len(missing), timeout_s):
            still = sum(obj not in resolved for obj in missing)
            raise GetTimeoutError(
                f"{still} of {len(ids)} objects were not ready after {timeout_s} s; their tasks go on. "
                "Wait longer, or cellray.cancel() them."
            )
        try:
            return list(map(resolved.__getitem__, ids))
        except KeyError:
            return None

    def _wait_for(self, obj: ObjectId) -> ObjectValue | None:
        """The same for one object and without end, which needs no set and nobody who takes things out of it."""
        channel, resolved = self._engine.channel, self.resolved
        if channel.closed_reason is not None:
            raise channel.lost()
        self._awaited_alone.append(obj)
        try:
            if obj not in self.expected:
                self._request_foreign((obj,))
            direct = self._engine.direct
            lone = direct.lone_call(obj)
            callee = direct.callee(lone) if lone is not None else None
            if lone is not None and callee is not None and direct.call(callee, lone, obj):
                return resolved.get(obj)
            with Lent(self._lending):
                channel.wait_until(lambda: obj in resolved)
            if lone is not None and callee is not None:
                direct.ended(callee, lone)
        finally:
            self._awaited_alone.remove(obj)
        return resolved.get(obj)

    def _wait_for_last(self, missing: set[ObjectId], timeout_s: float | None) -> bool:
        """The only one that is missing, in a driver; who makes it may answer without the node."""
        direct = self._engine.direct
        (obj,) = missing
        began = time.monotonic()
        lone = direct.lone_call(obj) if timeout_s is None or timeout_s > HAND_OVER_S else None
        callee = direct.callee(lone) if lone is not None else None
        if lone is not None and callee is not None:
            if direct.call(callee, lone, obj):
                return True
            if timeout_s is not None:
                timeout_s = max(0.0, timeout_s + began - time.monotonic())
        if not self._engine.channel.wait_until(lambda: not missing, timeout_s):
            return False
        if lone is not None and callee is not None:
            direct.ended(callee, lone)
        return True

    def _request_foreign(self, ids: Iterable[ObjectId]) -> None:
        foreign = [obj for obj in tuple(ids) if obj not in self.expected]
        if foreign:
            self.expected.update(foreign)
            self._engine.channel.add(ObjectsRequested(foreign))

    def add_done_callback(self, obj: ObjectId, callback: ReadyCallback) -> None:
        """Call once the object is here, at once if it is."""
        with self._callback_lock:
            value = self.resolved.get(obj)
            if value is None:
                self._callbacks.setdefault(obj, []).append(callback)
        if value is not None:
            callback(value)
        else:
            self._request_foreign((obj,))
            self._engine.flush_soon()

    def look(self, obj: ObjectId) -> ObjectLook:
        """What is known of the object here."""
        value = self.resolved.get(obj, UNKNOWN)
        is_failed = value.is_error
        return ObjectLook(
            value is not UNKNOWN,
            obj in self.expected,
            is_failed,
            0 if is_failed else value.object_bytes or len(value.data),
            -1 if is_put(obj) else self._engine.context.index_of(producer_of(obj)),
        )

    def forget(self, objects: Sequence[ObjectId]) -> None:
        """This process has told the node that it refers to the objects no longer.

        Another thread may have taken a reference meanwhile, and wait for what the node does not send any more.
        """
        resolved, expected = self.resolved, self.expected
        expected.difference_update(objects)
        for obj in objects:
            resolved.pop(obj, None)
        # Those who wait say so first, and look at what is expected then.
        for missing in tuple(self._awaited.values()):
            self._request_foreign(missing.intersection(objects))
        if self._awaited_alone:
            self._request_foreign(set(self._awaited_alone).intersection(objects))
        if self._callbacks:
            self._request_foreign(self._callbacks.keys() & objects)

    def on_ready(self, command: ObjectsReady) -> None:
        """The node says values of objects."""
        resolved, expected = self.resolved, self.expected
        values = dict(command.objects)
        if values.keys() <= expected:
            resolved.update(values)
            # Who let go of one between these two steps has forgotten it before it was there.
            for obj in values.keys() - expected:
                resolved.pop(obj, None)
        else:
            for obj, value in command.objects:
                # Else its last reference went while the value was on its way. What is here already is not any more.
                if obj in expected or obj in resolved:
                    resolved[obj] = value
        resolved.arrivals += 1
        if self._awaited or self._callbacks:
            self._tell(command.objects)

    def learn(self, objects: list[tuple[ObjectId, ObjectValue]]) -> None:
        """Values of objects that nobody has asked for, and that are this process's to hold."""
        self.resolved.update(objects)
        self.resolved.arrivals += 1
        if self._awaited or self._callbacks:
            self._tell(objects)

    def _tell(self, objects: list[tuple[ObjectId, ObjectValue]]) -> None:
        """Those who wait for these learn that they are here."""
        if self._awaited:
            arrived = [obj for obj, _ in objects if obj in self.resolved]
            for missing in tuple(self._awaited.values()):
                missing.difference_update(arrived)
        for obj, value in objects if self._callbacks else ():
            with self._callback_lock:
                callbacks = self._callbacks.pop(obj, ())
            for callback in callbacks:
                callback(value)

    def on_closed(self, reason: ObjectValue) -> None:
        """Wake everything that waits for objects which will never come: `reason` says why."""
        with self._callback_lock:
            waiting, self._callbacks = self._callbacks, {}
        for callbacks in waiting.values():
            for callback in callbacks:
                callback(reason)
