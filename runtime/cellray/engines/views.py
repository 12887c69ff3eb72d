"""Which shared objects this process reads, as the node knows it: what is read is not moved.

The first view of an object asks the node where it lies and waits for the answer: one round trip. Further ones, while
there is one, ask nothing, and arguments of the running task need not ask, because they stay until its end.

When the last view of an object has gone, the object may be read again soon: as long as this process refers to it, the
view lingers, and the next one asks nothing. It ends with the last reference, or when the node wants room and recalls
what is kept for such a reason only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cellray.engines.lending import Lending, wait_for_answer
from cellray.engines.references import References
from cellray.model.command import RecallViews, ViewsGranted
from cellray.model.fact import ViewsRequested
from cellray.model.object import ObjectValue, ValueKind

if TYPE_CHECKING:
    from cellray.client.channel import Channel
    from cellray.ids import ObjectId

PlaceCallback = Callable[[ObjectValue], None]


class ViewCounts(References):
    """Counts of views; those whose place the node has told are in `_places`.

    `is_referred_to` says whether this process holds a reference to an object.
    """

    def __init__(self, on_change: Callable[[], None], is_referred_to: Callable[[ObjectId], bool]) -> None:
        super().__init__(on_change)
        self._is_referred_to = is_referred_to
        self._places: dict[ObjectId, ObjectValue] = {}
        self._lingering: set[ObjectId] = set()
        self.is_recalled = False
        self._callbacks: dict[ObjectId, list[PlaceCallback]] = {}
        self._tickets: dict[ObjectId, int] = {}
        self._last_ticket = itertools.count(1)

    def join(self, obj: ObjectId, ticket: int) -> bool:
        """Count one view more, ahead of reading; whether the node must be asked for it, with this ticket.

        Since the count never falls to none before the view is gone, no message about its end can follow the request.
        """
        with self._lock:
            if obj in self._counts:
                self.retained.append(obj)
                place = self._places.get(obj)
                if place is None or place.kind == ValueKind.SHARED:
                    return False
                # It was refused, and whoever was told so has not let go yet: the node knows of no view.
            else:
                self._counts[obj] = 1
                if obj in self._lingering:
                    self._lingering.discard(obj)
                    return False
            self._tickets[obj] = ticket
            self._places.pop(obj, None)
            return True

    def place(self, obj: ObjectId) -> ObjectValue | None:
        """Where the object lies, once the node has answered; a value that is no shared one says why it is nowhere."""
        return self._places.get(obj)

    def on_granted(self, command: ViewsGranted) -> None:
        """The node's answer."""
        called: list[tuple[ObjectValue, list[PlaceCallback]]] = []
        with self._lock:
            for obj, value in command.objects:
                if self._tickets.get(obj) == command.ticket:
                    self._places[obj] = value
                    if self._callbacks:
                        called.append((value, self._callbacks.pop(obj, [])))
        for value, callbacks in called:
            for callback in callbacks:
                callback(value)

    def on_recalled(self, _command: RecallViews) -> None:
        """The node wants room: views that linger end with the next drain."""
        self.is_recalled = True
        self.on_change()

    @property
    def has_events(self) -> bool:
        """Whether `drain` has something to do."""
        return bool(self.released or self.retained or self.is_recalled)

    def drain(self) -> tuple[list[ObjectId], list[ObjectId]]:
        """See `References.drain`; views that go on, or linger from now on, are not among those that ended."""
        held, released = super().drain()
        with self._lock:
            if self._lingering:
                for obj in held:
                    self._lingering.discard(obj)  # the node need not be told, and it does no harm
            recalled, self.is_recalled = self.is_recalled, False
            ended = [obj for obj in released if obj not in self._counts and (recalled or not self._may_linger(obj))]
            if recalled:
                ended += self._lingering
            else:
                self._lingering.update(obj for obj in released if obj not in self._counts and self._may_linger(obj))
            self._end(ended)
        return held, ended

    def forget(self, objects: Sequence[ObjectId]) -> list[ObjectId]:
        """This process refers to these no longer; which of their views lingered, and end now."""
        if not self._lingering:
            return []
        with self._lock:
            ended = [obj for obj in objects if obj in self._lingering]
            self._end(ended)
        return ended

    def _may_linger(self, obj: ObjectId) -> bool:
        place = self._places.get(obj)
        return place is not None and place.kind == ValueKind.SHARED and self._is_referred_to(obj)

    def _end(self, objects: Sequence[ObjectId]) -> None:
        for obj in objects:
            self._lingering.discard(obj)
            self._places.pop(obj, None)
            self._tickets.pop(obj, None)

    def acquire(
        self,
        objects: Sequence[ObjectId],
        channel: Channel,
        report: Callable[[], None],
        timeout_s: float | None,
        lending: Lending | None,
    ) -> list[ObjectValue] | None:
        """Count a view of each and wait until the node has said where they lie; None after `timeout_s`.

        Whoever gets places must `release` each object once. `report` tells the node of changes that were before.
        """
        ticket = next(self._last_ticket)
        asked = [obj for obj in objects if self.join(obj, ticket)]
        places = self._places
        missing = [obj for obj in objects if obj not in places]
        try:
            if asked:
                report()
                channel.add(ViewsRequested(asked, ticket))
                channel.flush()
            if missing and not wait_for_answer(
                channel, lending, lambda: all(obj in places for obj in missing), timeout_s
            ):
                self._release_all(objects)
                return None
        except BaseException:
            self._release_all(objects)
            raise
        return [places[obj] for obj in objects]

    def acquire_soon(
        self, obj: ObjectId, channel: Channel, report: Callable[[], None], on_place: PlaceCallback
    ) -> None:
        """Like `acquire`, but `on_place` is called with the place, now or when the node has answered."""
        ticket = next(self._last_ticket)
        is_asked = self.join(obj, ticket)
        with self._lock:
            place = self._places.get(obj)
            if place is None:
                self._callbacks.setdefault(obj, []).append(on_place)
        if is_asked:
            report()
            channel.add(ViewsRequested([obj], ticket))
            channel.flush()
        if place is not None:
            on_place(place)

    def on_closed(self, reason: ObjectValue) -> None:
        """Nobody answers any more: `reason` says why."""
        with self._lock:
            waiting, self._callbacks = self._callbacks, {}
        for callbacks in waiting.values():
            for callback in callbacks:
                callback(reason)

    def _release_all(self, objects: Sequence[ObjectId]) -> None:
        for obj in objects:
            self.release(obj)
