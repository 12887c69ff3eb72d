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


class References:
    """Counts for one connection. `on_change` is called after each append and must not block."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.on_change = on_change
        self._counts: dict[ObjectId, int] = {}
        self.retained: deque[ObjectId] = deque()
        self.released: deque[ObjectId] = deque()
        self._adopted: deque[ObjectId] = deque()
        """What `drain` has not seen."""
        self._lock = self.unchanged = threading.RLock()
        """While somebody has `unchanged` no other thread adopts or drains."""
        # Each is called for every task, and is nothing but this.
        self.adopt: Callable[[Sequence[ObjectId]], None] = self._adopted.extend
        """A reference to each of some new objects of our own; the node counts them without being told."""
        self.adopt_one: Callable[[ObjectId], None] = self._adopted.append
        """`adopt` for a single object."""

    def retain(self, obj: ObjectId) -> None:
        """One reference or view more."""
        self.retained.append(obj)
        self.on_change()

    def retain_all(self, objects: Sequence[ObjectId]) -> None:
        """One more of each."""
        self.retained.extend(objects)
        self.on_change()

    def release(self, obj: ObjectId) -> None:
        """One reference or view less. It was counted before: by `adopt`, or by a `retain` that came earlier."""
        self.released.append(obj)
        self.on_change()

    def holds(self, obj: ObjectId) -> bool:
        """Whether there is a reference, as of the last drain or of our own since."""
        with self._lock:
            self._count_adopted()
            return obj in self._counts

    def drain(self) -> tuple[list[ObjectId], list[ObjectId]]:
        """Ids whose count went from none to some, and from some to none, since the last drain."""
        counts = self._counts
        held: dict[ObjectId, None] = {}
        gone: list[ObjectId] = []
        with self._lock:
            # Releases are taken first and counted last: each one's `retain` came before it, and is counted by then.
            released = _take(self.released)
            self._count_adopted()
            if self.retained:
                for obj in _take(self.retained):
                    count = counts.get(obj, 0)
                    counts[obj] = count + 1
                    if not count:
                        held[obj] = None
            take_count = counts.pop
            for obj in released:
                count = take_count(obj, 1)
                if count > 1:
                    counts[obj] = count - 1
                elif obj in held:
                    del held[obj]
                else:
                    gone.append(obj)
        return list(held), gone

    def __len__(self) -> int:
        """Objects held, as of the last drain."""
        return len(self._counts)

    def _count_adopted(self) -> None:
        counts = self._counts
        for obj in _take(self._adopted):
            counts[obj] = counts.get(obj, 0) + 1


def _take(events: deque[ObjectId]) -> list[ObjectId]:
    """What is there now; others append meanwhile."""
    take = events.popleft
    return [take() for _ in range(len(events))]
