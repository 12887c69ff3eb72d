"""How many calls of one actor this process has under way, for actors that limit it (`max_pending_calls`)."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from cellray.errors import PendingCallsLimitExceeded
from cellray.ids import ObjectId

if TYPE_CHECKING:
    from cellray.engines.native import NativeEngine


class PendingCalls:
    """Counts for one engine."""

    def __init__(self, engine: NativeEngine) -> None:
        self._engine = engine
        self._counts: Counter[ObjectId] = Counter()
        self._lock = threading.Lock()

    def check(self, actor: ObjectId, limit: int) -> None:
        """Raise PendingCallsLimitExceeded when there may be no call more."""
        if self._counts[actor] >= limit:
            raise PendingCallsLimitExceeded(
                f"{self._counts[actor]} calls of this actor are under way, and max_pending_calls={limit}. Wait for "
                "some with cellray.wait(), or create the actor with a higher limit."
            )

    def add(self, actor: ObjectId, result: ObjectId) -> None:
        """A call was submitted; its result is kept until it is there, or nobody would tell us."""
        self._engine.retain(result)
        with self._lock:
            self._counts[actor] += 1

        def ended(_value: object) -> None:
            with self._lock:
                self._counts[actor] -= 1
                if not self._counts[actor]:
                    del self._counts[actor]
            self._engine.release(result)

        self._engine.add_done_callback(result, ended)
