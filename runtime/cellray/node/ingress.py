"""The one way in: listens for drivers and workers, and makes connections of those that prove the session's token.

A connection is nobody until its Hello did so. A malformed frame closes that connection and nothing else.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from collections.abc import Coroutine
from typing import Any, Protocol

import msgspec

from cellray.errors import SessionError
from cellray.ids import ClientId
from cellray.node.connection import ClientConnection, Receiver
from cellray.node.event_loop import ClientSelector
from cellray.wire import (
    HEADER_BYTES,
    HELLO_BYTES_MAX,
    FrameKind,
    Hello,
    Refused,
    Welcome,
    pack_frame,
    unpack_header,
)

log = logging.getLogger(__name__)
HELLO_TIMEOUT_S = 10.0
ACCEPT_PAUSE_S = 0.1


class Reception(Receiver, Protocol):
    """What the ingress tells the node loop."""

    def admit(self, hello: Hello, client: ClientConnection) -> Welcome:
        """A peer proved the token; what to welcome it with. Raises SessionError to refuse it."""


class Ingress:
    """Listens on the node's Unix socket."""

    def __init__(
        self, reception: Reception, clients: ClientSelector, token: str, arena_fd: int, frame_bytes_max: int
    ) -> None:
        self._reception = reception
        self._clients = clients
        self._token = token
        self._arena_fd = arena_fd
        self._frame_bytes_max = frame_bytes_max
        self._last_client_id = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None

    def accept(self, listener: socket.socket) -> None:
        """Begin to accept."""
        self._listener = listener
        self._spawn(self._accept(listener))

    async def close(self) -> None:
        """Stop accepting."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        # Who waits at the listener takes its descriptor off the event loop, and must not find another socket behind it.
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                # Too many files are open, or who came has gone. Nobody would be let in any more if this ended here.
                log.warning("a connection could not be accepted: %s", error)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            self._spawn(self._handshake(connection))

    async def _handshake(self, connection: socket.socket) -> None:
        """Hello in, Welcome with the arena's descriptor out, then the connection is open."""
        connection.setblocking(False)
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                hello = await self._receive_hello(connection)
            if not hmac.compare_digest(hello.token.encode(), self._token.encode()):
                raise SessionError("wrong token: this session belongs to another user or another session folder")
            self._last_client_id += 1
            client = ClientConnection(
                ClientId(self._last_client_id),
                hello,
                connection,
                self._reception,
                self._frame_bytes_max,
                self._clients,
            )
            welcome = self._reception.admit(hello, client)
        except (SessionError, msgspec.MsgspecError, TimeoutError, OSError) as error:
            log.warning("refused a connection: %s", error)
            refusal = pack_frame(FrameKind.REFUSED, msgspec.msgpack.encode(Refused(str(error))))
            with connection:
                connection.send(refusal)
            return
        frame = pack_frame(FrameKind.WELCOME, msgspec.msgpack.encode(welcome))
        try:
            socket.send_fds(connection, [frame], [self._arena_fd])
        except OSError:
            client.close()
            return
        client.open()

    async def _receive_hello(self, connection: socket.socket) -> Hello:
        loop = asyncio.get_running_loop()
        data = bytearray()
        while len(data) < HEADER_BYTES:
            data += await _receive(loop, connection, HEADER_BYTES - len(data))
        kind, length = unpack_header(data, HELLO_BYTES_MAX)
        if kind != FrameKind.HELLO:
            raise SessionError(f"the first frame must be a hello, not of kind {kind}")
        payload = bytearray()
        while len(payload) < length:
            payload += await _receive(loop, connection, length - len(payload))
        return msgspec.msgpack.decode(payload, type=Hello)


async def _receive(loop: asyncio.AbstractEventLoop, connection: socket.socket, count: int) -> bytes:
    data = await loop.sock_recv(connection, count)
    if not data:
        raise SessionError("the peer closed the connection before it said hello")
    return data
