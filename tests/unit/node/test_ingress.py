"""Who comes in to a node, and that it goes on letting people in."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from cellray.client.connect import connect
from cellray.errors import SessionLostError
from cellray.node.event_loop import NodeEventLoop
from cellray.node.ingress import Ingress
from cellray.wire import Hello


class Crowded(socket.socket):
    """A listener of a process that has too many files open, for a moment."""

    refusals = 1

    def accept(self) -> tuple[socket.socket, Any]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


async def try_to_connect(path: str) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, NodeEventLoop)
    listener = Crowded(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    listener.setblocking(False)
    ingress = Ingress(None, loop.clients, "token", -1, 1 << 20)  # type: ignore[arg-type]
    ingress.accept(listener)
    try:
        await asyncio.to_thread(connect, path, Hello("another token", "driver", 1), 20.0)
    finally:
        await ingress.close()


def test_who_cannot_be_let_in_at_once_is_let_in_later(tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=NodeEventLoop) as runner, pytest.raises(SessionLostError, match="wrong token"):
        runner.run(try_to_connect(str(tmp_path / "node.sock")))
