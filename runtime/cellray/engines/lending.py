"""While a worker waits, the node lends its resources to other tasks: nested tasks would deadlock otherwise, and whoever
reads what must be made again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cellray.client.channel import Channel
from cellray.ids import ClientId
from cellray.model.fact import WorkerBlocked, WorkerUnblocked
from cellray.ports import Clock

LEND_AFTER_S = 0.02
"""Most answers of the node are there long before: to lend something out for so short would cost more than it gives."""


class Lending:
    """Which waits of one worker are under way, in whatever threads; the first and the last of them are told."""

    def __init__(self, channel: Callable[[], Channel], worker_id: ClientId, clock: Clock) -> None:
        self._channel = channel
        self._worker_id = worker_id
        self._clock = clock
        self._waits: set[Lent] = set()
        self._lock = threading.Lock()  # two threads could not agree on who is first and who last

    def begin(self, wait: Lent) -> None:
        """A wait begins."""
        with self._lock:
            is_first = not self._waits
            self._waits.add(wait)
            if is_first:
                self._channel().add(WorkerBlocked(self._worker_id, self._clock.now()))

    def end(self, wait: Lent) -> None:
        """It is over."""
        with self._lock:
            if wait in self._waits:
                self._waits.discard(wait)
                if not self._waits:
                    self._channel().add(WorkerUnblocked(self._worker_id, self._clock.now()))

    def end_all(self) -> None:
        """The only task under way ends: an interrupt may have hit between the beginning of a wait and its `with`."""
        if self._waits:
            self._waits.clear()
            self._channel().add(WorkerUnblocked(self._worker_id, self._clock.now()))


class Lent:
    """One wait, as a context manager; `lending` is None in a driver, which has nothing to lend."""

    __slots__ = ("_lending",)

    def __init__(self, lending: Lending | None) -> None:
        self._lending = lending

    def __enter__(self) -> None:
        if self._lending is not None:
            self._lending.begin(self)

    def __exit__(self, *_: object) -> None:
        if self._lending is not None:
            self._lending.end(self)


def wait_for_answer(
    channel: Channel, lending: Lending | None, done: Callable[[], object], timeout_s: float | None
) -> bool:
    """`Channel.wait_until` for an answer that comes at once, if nothing has to be made for it before."""
    if lending is None:
        return channel.wait_until(done, timeout_s)
    rest_s = None if timeout_s is None else timeout_s - LEND_AFTER_S
    if rest_s is not None and rest_s <= 0:
        return channel.wait_until(done, timeout_s)
    if channel.wait_until(done, LEND_AFTER_S):
        return True
    with Lent(lending):
        return channel.wait_until(done, rest_s)
