"""This process's counts of references and views; the node learns only when a count leaves or reaches zero.

`retain` and `release` are called from anywhere, `__del__` inside a garbage collection included: they append to a
deque and nothing else. `drain`, called before each flush, turns what came together into net changes, so that a
reference that came and went in between costs no message.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from cellray.ids import ObjectId

RELEASES_MAX = 64
"""So many releases are told without delay. A program that waits for one result after another releases each before the
next: told one by one they would cost the node as much as the tasks."""


class References:
    """Counts for one connection. `on_change` is called after each append and must not block."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._counts: dict[ObjectId, int] = {}
        self.events: deque[ObjectId | tuple[ObjectId]] = deque()
        """What `drain` has not seen. A bare id is a release, a one-tuple a retain: one append each, in order."""
        self.is_due = False
        """Whether some of it is a retain, which the node must know before what is sent next."""
        self._looked_at = 0
        self._lock = threading.Lock()

    def adopt(self, objects: Sequence[ObjectId]) -> None:
        """A reference to each of some new objects of our own; the node counts them without being told."""
        counts = self._counts
        with self._lock:
            for obj in objects:
                counts[obj] = counts.get(obj, 0) + 1

    def retain(self, obj: ObjectId) -> None:
        """One reference or view more."""
        self.events.append((obj,))
        self.is_due = True
        self._on_change()

    def release(self, obj: ObjectId) -> None:
        """One reference or view less."""
        self.events.append(obj)
        self._on_change()

    @property
    def may_wait(self) -> bool:
        """Whether what there is can go with a later flush: a few releases."""
        return not self.is_due and len(self.events) < RELEASES_MAX

    def have_come_to_rest(self) -> bool:
        """Whether there is something, and as much as at the last look: no later flush may come."""
        looked_at, self._looked_at = self._looked_at, len(self.events)
        return self._looked_at == looked_at > 0

    def drain(self) -> tuple[list[ObjectId], list[ObjectId]]:
        """Ids whose count went from none to some, and from some to none, since the last drain."""
        events, counts = self.events, self._counts
        with self._lock:
            self.is_due = False
            before: dict[ObjectId, bool] = {}
            for _ in range(len(events)):
                event = events.popleft()
                obj, step = (event[0], 1) if isinstance(event, tuple) else (event, -1)
                count = counts.get(obj, 0)
                before.setdefault(obj, count > 0)
                counts[obj] = count + step
            held: list[ObjectId] = []
            released: list[ObjectId] = []
            for obj, was_held in before.items():
                is_held = counts[obj] > 0
                if not is_held:
                    del counts[obj]
                if is_held and not was_held:
                    held.append(obj)
                elif was_held and not is_held:
                    released.append(obj)
        return held, released

    def __len__(self) -> int:
        """Objects held, as of the last drain."""
        return len(self._counts)
