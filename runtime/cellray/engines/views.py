"""Which shared objects this process reads, as the node knows it: what is read is not moved.

The first view of an object asks the node where it lies and waits for the answer: one round trip. Further ones, while
there is one, ask nothing, and arguments of the running task need not ask, because they stay until its end. When the
last view of an object has gone the node is told with the next flush.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cellray.engines.references import References
from cellray.model.command import ViewsGranted
from cellray.model.fact import ViewsRequested
from cellray.model.object import ValueKind

if TYPE_CHECKING:
    from cellray.client.channel import Channel
    from cellray.ids import ObjectId
    from cellray.model.object import ObjectValue


class ViewCounts(References):
    """Counts of views; those whose place the node has told are in `_places`."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        super().__init__(on_change)
        self._places: dict[ObjectId, ObjectValue] = {}
        self._tickets: dict[ObjectId, int] = {}
        self._last_ticket = itertools.count(1)

    def join(self, obj: ObjectId, ticket: int) -> bool:
        """Count one view more, ahead of reading; whether the node must be asked for it, with this ticket.

        Since the count never falls to none before the view is gone, no message about its end can follow the request.
        """
        with self._lock:
            if obj in self._counts:
                self.events.append((obj,))
                place = self._places.get(obj)
                if place is None or place.kind == ValueKind.SHARED:
                    return False
                # It was refused, and whoever was told so has not let go yet: the node knows of no view.
            else:
                self._counts[obj] = 1
            self._tickets[obj] = ticket
            self._places.pop(obj, None)
            return True

    def place(self, obj: ObjectId) -> ObjectValue | None:
        """Where the object lies, once the node has answered; a value that is no shared one says why it is nowhere."""
        return self._places.get(obj)

    def on_granted(self, command: ViewsGranted) -> None:
        """The node's answer."""
        with self._lock:
            for obj, value in command.objects:
                if self._tickets.get(obj) == command.ticket:
                    self._places[obj] = value

    def drain(self) -> tuple[list[ObjectId], list[ObjectId]]:
        """See `References.drain`."""
        held, released = super().drain()
        if released:
            with self._lock:
                for obj in released:
                    if obj not in self._counts:
                        self._places.pop(obj, None)
                        self._tickets.pop(obj, None)
        return held, released

    def acquire(
        self,
        objects: Sequence[ObjectId],
        channel: Channel,
        report: Callable[[], None],
        timeout_s: float | None,
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
            if missing and not channel.wait_until(lambda: all(obj in places for obj in missing), timeout_s):
                self._release_all(objects)
                return None
        except BaseException:
            self._release_all(objects)
            raise
        return [places[obj] for obj in objects]

    def _release_all(self, objects: Sequence[ObjectId]) -> None:
        for obj in objects:
            self.release(obj)
