"""One background thread that brings displays up to date a few times a second, however fast things change."""

from __future__ import annotations

import threading
from typing import Protocol

TICK_S = 0.2


class Refreshable(Protocol):
    """A display that knows whether it has something new."""

    def refresh(self) -> bool:
        """Publish what changed since the last time; whether it may change again."""


class Ticker:
    """The thread exists only while something can change; it never keeps the kernel alive."""

    def __init__(self, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._items: dict[Refreshable, None] = {}
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, item: Refreshable) -> None:
        """Refresh it from now on, until it says that it cannot change any more."""
        with self._lock:
            self._items[item] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cellray-displays", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Bring everything up to date before returning."""
        with self._refreshing:
            for item in list(self._items):
                if not item.refresh():
                    with self._lock:
                        self._items.pop(item, None)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self._tick_s)
            self.flush()
            with self._lock:
                if not self._items:
                    self._thread = None
                    return
