"""Lending a worker's resources out while it waits in `get` or `wait`: nested tasks would deadlock otherwise.

A process that runs several calls at a time lends as soon as one of them waits: what that one waits for may need what
the others, which may run for ever, do not give back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Lending:
    """A context manager around each wait. `tell(True)` is called when the first one begins, `tell(False)` after the
    last one; a driver has nothing to lend."""

    def __init__(self, tell: Callable[[bool], None], *, is_worker: bool) -> None:
        self._tell = tell
        self._is_worker = is_worker
        self._waiting: set[int] = set()
        self._lock = threading.Lock()

    @property
    def is_on(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    def __enter__(self) -> None:
        if not self._is_worker:
            return
        with self._lock:
            is_first = not self._waiting
            self._waiting.add(threading.get_ident())
            if is_first:
                self._tell(True)

    def __exit__(self, *_: object) -> None:
        if not self._waiting:
            return
        with self._lock:
            self._waiting.discard(threading.get_ident())
            if not self._waiting:
                self._tell(False)

    def end(self) -> None:
        """The only task of a process has ended: an interrupt may have hit between lending and the wait."""
        if self._waiting:
            self._waiting.clear()
            self._tell(False)
