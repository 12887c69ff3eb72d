"""Keeps the session's own Redis server alive: one that ends is started again on its append-only file.

The facts that were not acknowledged are still in the node's buffer, and the writer passes over those that were, so
that nothing is lost and nothing doubled; clients notice a short pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from cellray.errors import CellrayError, SessionStartError
from cellray.gcs import redis_server
from cellray.processes import end_process

log = logging.getLogger(__name__)
READY_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
FULL_SHARE = 0.95
"""Of the limit, where the server begins to refuse: the write that it takes last may go beyond."""
RESTARTS_MAX = 20
"""A server that ends this often has a reason that restarting does not mend."""


class GcsKeeper:
    """One redis-server and its successors. `on_lost(reason)` is called when it cannot be brought back."""

    def __init__(self, session_folder: str, token: str, memory_bytes_max: int, on_lost: Callable[[str], None]) -> None:
        """A server that has nearly `memory_bytes_max` in use takes no writes until something was taken off it; 0: no
        limit."""
        self._folder = Path(session_folder)
        self._token = token
        self._on_lost = on_lost
        self._restarts = 0
        self._stopping = False
        self._memory_bytes_max = memory_bytes_max
        self._process: subprocess.Popen[bytes] = self._start()
        self.url = redis_server.address_of(self._folder, token).to_url()

    def _start(self) -> subprocess.Popen[bytes]:
        return redis_server.start(self._folder, self._token, memory_bytes_max=int(FULL_SHARE * self._memory_bytes_max))

    def wait_ready(self) -> None:
        """Until it answers (milliseconds). Raises SessionStartError with the end of its log."""
        redis_server.wait_ready(self._process, self._folder, self._token, READY_TIMEOUT_S)

    async def take_all(self) -> None:
        """The session ends: what the node holds is the last there will be, and is taken whatever the limit."""
        from cellray.gcs.tables import AsyncTables, lift_memory_limit  # the server starts before the node imports these

        tables = AsyncTables(redis_server.address_of(self._folder, self._token), timeout_s=STOP_TIMEOUT_S)
        with contextlib.suppress(CellrayError):
            await tables.run(lift_memory_limit())
        await tables.close()

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have it started again when it ends."""
        if not hasattr(os, "pidfd_open"):
            return
        descriptor = os.pidfd_open(self._process.pid)
        loop.add_reader(descriptor, self._on_ended, loop, descriptor)

    def _on_ended(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        if self._stopping:
            return
        status = self._process.wait()
        self._restarts += 1
        log.warning("redis-server ended with status %d; starting it again (%d)", status, self._restarts)
        if self._restarts > RESTARTS_MAX:
            self._on_lost(f"redis-server ended {self._restarts} times; the last status was {status}")
            return
        try:
            self._process = self._start()
            self.wait_ready()
        except SessionStartError as error:
            self._on_lost(f"redis-server ended with status {status} and could not be started again: {error}")
            return
        self.watch(loop)

    def stop(self) -> None:
        """End it."""
        self._stopping = True
        end_process(self._process, STOP_TIMEOUT_S)
