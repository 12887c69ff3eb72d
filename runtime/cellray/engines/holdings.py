"""What this process holds and reads of its node's objects, and how the node is told of it: before whatever follows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from cellray.client.channel import Channel
from cellray.engines.references import References
from cellray.engines.views import ViewCounts
from cellray.ids import ObjectId
from cellray.model.fact import ObjectsHeld, ObjectsReleased, ViewsHeld, ViewsReleased

RELEASES_MAX = 64
"""So many releases are told without delay. A program that waits for one result after another releases each before the
next: told one by one they would cost the node as much as the tasks."""


class Holdings:
    """The counts of one connection."""

    def __init__(self, channel: Callable[[], Channel]) -> None:
        self.references = References(_nothing)
        self.views = ViewCounts(_nothing, self.references.holds)
        self._channel = channel
        self._on_gone: Callable[[Sequence[ObjectId]], None] | None = None
        self._reporting = threading.Lock()
        self._releases_seen = 0

    def has_news(self) -> bool:
        """Whether it is time for `report`: there is more than a few releases, or no more have come since the last look,
        so that no later flush may take them along."""
        releases = len(self.references.released)
        seen, self._releases_seen = self._releases_seen, releases
        if releases >= RELEASES_MAX or releases == seen > 0:
            return True
        return bool(self.references.retained) or self.views.has_events

    def open(self, on_gone: Callable[[Sequence[ObjectId]], None]) -> None:
        """From now on changes wake the channel; `on_gone` hears of objects that this process refers to no longer."""
        self._on_gone = on_gone
        self.references.on_change = self.views.on_change = self._channel().nudge

    def close(self) -> None:
        """What is held are names of nothing from now on."""
        self.references.on_change = self.views.on_change = _nothing

    def report(self, *, all_of_it: bool = True) -> None:
        """Put what changed into the channel's buffer, before whatever is added next.

        Unless `all_of_it` is wanted, a few releases stay behind: nothing that follows can depend on them.
        """
        references, views = self.references, self.views
        nothing = not references.released or (not all_of_it and len(references.released) < RELEASES_MAX)
        if nothing and not (references.retained or views.has_events or self._reporting.locked()):
            return
        # One thread at a time: else another one could add its fact between our drain and our facts.
        with self._reporting:
            if views.has_events:
                self._report_views()
            if not (references.released or references.retained):
                return
            held, released = self.references.drain()
            if held:
                self._channel().add(ObjectsHeld(held))
            if released:
                if self._on_gone is not None:
                    self._on_gone(released)
                ended = self.views.forget(released)
                if ended:
                    self._channel().add(ViewsReleased(ended))
                self._channel().add(ObjectsReleased(released))

    def _report_views(self) -> None:
        """Before the references: a view that goes on keeps its object alive, when the last reference to it goes."""
        held, released = self.views.drain()
        if held:
            self._channel().add(ViewsHeld(held))
        if released:
            self._channel().add(ViewsReleased(released))


def _nothing() -> None:
    pass
