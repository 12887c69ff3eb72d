"""The node's entries in the GCS's small tables: its session, itself, the functions it met.

They are written one after another in the background and again until the GCS took them; nothing waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Sequence
from typing import Any

from cellray.errors import GcsUnavailableError
from cellray.gcs.address import GcsAddress
from cellray.gcs.tables import (
    AsyncTables,
    NodeDescription,
    Request,
    SessionDescription,
    put_functions,
    put_node,
    put_session,
)
from cellray.model.task import Function
from cellray.node.settings import NodeSettings, SessionFolder

log = logging.getLogger(__name__)
RETRY_PAUSE_S = 0.2


class GcsRegister:
    """Use it on the event loop only."""

    def __init__(self, address: GcsAddress, settings: NodeSettings, folder: SessionFolder) -> None:
        self._tables = AsyncTables(address, timeout_s=settings.config.gcs_connect_timeout_s)
        self._settings = settings
        self._node_socket = folder.node_socket
        self._requests: asyncio.Queue[Request[Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def start(self, joined_at: float) -> None:
        """Begin to write: the session and its node, both running, then what has come since and comes."""
        self._task = asyncio.ensure_future(self._write())
        settings = self._settings
        self._requests.put_nowait(put_session(self._session(ended_at=0.0)))
        node = NodeDescription(
            node_id=settings.node_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            socket=self._node_socket,
            resources=settings.resources,
            joined_at=joined_at,
        )
        self._requests.put_nowait(put_node(settings.session_id, node))

    def put_end(self, at: float) -> None:
        """The session has ended; on a server that outlives it, its log stays readable."""
        self._requests.put_nowait(put_session(self._session(ended_at=at)))

    def put_functions(self, functions: Sequence[Function]) -> None:
        """Functions that are new here."""
        self._requests.put_nowait(put_functions(self._settings.session_id, functions))

    async def close(self, timeout_s: float) -> None:
        """Write what is left, within the time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._requests.join()
        if self._task is not None:
            self._task.cancel()
        await self._tables.close()

    def _session(self, ended_at: float) -> SessionDescription:
        return SessionDescription(
            session_id=self._settings.session_id,
            started_at=self._settings.started_at,
            node_socket=self._node_socket,
            host=socket.gethostname(),
            pid=os.getpid(),
            ended_at=ended_at,
        )

    async def _write(self) -> None:
        while True:
            request = await self._requests.get()
            while True:
                try:
                    await self._tables.run(request)
                    break
                except GcsUnavailableError as error:
                    log.warning("an entry in the GCS waits: %s", error)
                    await asyncio.sleep(RETRY_PAUSE_S)
            self._requests.task_done()
