"""What this process holds, reads and yields of its node's objects, and how the node is told of it: before whatever
follows."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from cellray.client.channel import Channel
from cellray.engines.references import References
from cellray.engines.streams import Stream
from cellray.engines.views import ViewCounts
from cellray.engines.yielding import Item, gather
from cellray.ids import ObjectId
from cellray.model.command import RecallViews
from cellray.model.fact import GeneratorDropped, ObjectsHeld, ObjectsReleased, ViewsHeld, ViewsReleased
from cellray.ports import Clock

RELEASES_MAX = 64
"""So many releases are told without delay. A program that waits for one result after another releases each before the
next: told one by one they would cost the node as much as the tasks."""


class Holdings:
    """The counts of one connection."""

    def __init__(self, channel: Callable[[], Channel], clock: Clock) -> None:
        self.references = References(_nothing)
        self.views = ViewCounts(_nothing, self.references.holds)
        self.yielded: deque[Item] = deque()
        self.dropped: deque[Stream] = deque()
        self._channel = channel
        self._clock = clock
        self._on_dropped: Callable[[Stream], GeneratorDropped | None] | None = None
        self._on_gone: Callable[[Sequence[ObjectId]], None] | None = None
        self._reporting = threading.Lock()
        self._releases_seen = 0

    def has_news(self) -> bool:
        """Whether it is time for `report`: there is more than a few releases, or nothing has come since the last look,
        so that no later flush may take them along."""
        releases = len(self.references.released)
        seen, self._releases_seen = self._releases_seen, releases
        if releases >= RELEASES_MAX or releases == seen > 0:
            return True
        return bool(self.references.retained or self.views.has_events or self.yielded or self.dropped)

    def open(
        self,
        on_gone: Callable[[Sequence[ObjectId]], None],
        on_dropped: Callable[[Stream], GeneratorDropped | None],
    ) -> None:
        """From now on changes wake the channel; `on_gone` hears of objects that this process refers to no longer,
        `on_dropped` of generators that it reads no more."""
        self._on_gone = on_gone
        self._on_dropped = on_dropped
        self.references.on_change = self.views.on_change = self._channel().nudge

    def close(self) -> None:
        """What is held are names of nothing from now on."""
        self.references.on_change = self.views.on_change = _nothing

    def end_lingering_views(self) -> None:
        """Tell the node that what is read no more, and might be again, need not stay where it is."""
        self.views.on_recalled(RecallViews())
        self.report()

    def report(self, *, all_of_it: bool = True) -> None:
        """Put what changed into the channel's buffer, before whatever is added next.

        Unless `all_of_it` is wanted, a few releases stay behind: nothing that follows can depend on them.
        """
        references, views = self.references, self.views
        few = not references.released or (not all_of_it and len(references.released) < RELEASES_MAX)
        # At the end of each task: `views.has_events` without a call.
        urgent = (
            references.retained or views.released or views.retained or views.is_recalled or self.yielded or self.dropped
        )
        if few and not urgent and not self._reporting.locked():
            return
        # One thread at a time: else another one could add its fact between our drain and our facts.
        with self._reporting:
            if views.has_events:
                self._report_views()
            # Who takes a reference anew by submitting or putting the same once more must do so before or after this.
            with references.unchanged:
                released = self._report_references()
            if released and self._on_gone is not None:
                self._on_gone(released)  # last: what it asks for anew the node must hear after this

    def _report_references(self) -> list[ObjectId]:
        """What this process refers to no longer is returned."""
        references = self.references
        held, released = references.drain() if references.released or references.retained else ([], [])
        if held:
            self._channel().add(ObjectsHeld(held))
        if self.yielded or self.dropped:
            # Before what was released: an item was yielded before the generator let go of what is inside.
            self._report_generators()
        if released:
            ended = self.views.forget(released)
            if ended:
                self._channel().add(ViewsReleased(ended))
            self._channel().add(ObjectsReleased(released))
        return released

    def _report_generators(self) -> None:
        for fact in gather(self.yielded, self._clock.now()):
            self._channel().add(fact)
        while self.dropped and self._on_dropped is not None:
            left = self._on_dropped(self.dropped.popleft())
            if left is not None:
                self._channel().add(left)

    def _report_views(self) -> None:
        """Before the references: a view that goes on keeps its object alive, when the last reference to it goes."""
        held, released = self.views.drain()
        if held:
            self._channel().add(ViewsHeld(held))
        if released:
            self._channel().add(ViewsReleased(released))


def _nothing() -> None:
    pass
