"""The thread that resolves futures.

Values arrive on whichever thread reads the socket, and that one must not wait: reading a large value asks the node
where it lies, and what users attach to a future may do anything.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

END_S_MAX = 5.0
logger = logging.getLogger(__name__)

Action = Callable[[], object]


class Resolver:
    """Runs actions one after another on a thread of its own, which is started by the first."""

    def __init__(self) -> None:
        self._actions: queue.SimpleQueue[Action | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def run(self, action: Action) -> None:
        """Run it soon; what it raises is its own affair. Never blocks."""
        self._actions.put(action)
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._serve, name="cellray-futures", daemon=True)
                    self._thread.start()

    def _serve(self) -> None:
        while (action := self._actions.get()) is not None:
            try:
                action()
            except BaseException:
                logger.exception("a future could not be resolved")  # and the next ones are
            del action  # it holds references: they are not to wait for the next one

    def close(self) -> None:
        """What was asked for is done, then the thread ends."""
        thread = self._thread
        if thread is not None:
            self._actions.put(None)
            if thread is not threading.current_thread():
                thread.join(END_S_MAX)
