"""The one way in: connections of drivers and workers, their handshake, their frames.

A connection is nobody until its Hello proved the session's token. A malformed frame closes that connection and
nothing else.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import socket
from collections.abc import Coroutine
from typing import Any, Protocol, cast

import msgspec

from cellray.errors import SessionError
from cellray.ids import ClientId
from cellray.wire import (
    HEADER_BYTES,
    HELLO_BYTES_MAX,
    FrameKind,
    FrameReader,
    Hello,
    Refused,
    Welcome,
    pack_frame,
    unpack_header,
)

log = logging.getLogger(__name__)
HELLO_TIMEOUT_S = 10.0


class Reception(Protocol):
    """What the ingress tells the node loop."""

    def admit(self, hello: Hello, client: ClientConnection) -> Welcome:
        """A peer proved the token; what to welcome it with. Raises SessionError to refuse it."""

    def receive(self, client: ClientConnection, kind: int, payload: bytes) -> None:
        """A frame of an admitted client. Raises on a payload that is not what its kind says."""

    def left(self, client: ClientConnection) -> None:
        """An admitted client's connection ended."""


class ClientConnection(asyncio.Protocol):
    """One admitted client's connection, driven by the event loop."""

    def __init__(self, client_id: ClientId, hello: Hello, reception: Reception, frame_bytes_max: int) -> None:
        self.client_id = client_id
        self.hello = hello
        self._reception = reception
        self._reader = FrameReader(frame_bytes_max)
        self._transport: asyncio.WriteTransport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop; frames that were sent before go out now."""
        self._transport = cast(asyncio.WriteTransport, transport)
        for frame in self._early:
            self._transport.write(frame)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop with whatever arrived."""
        try:
            for kind, payload in self._reader.feed(data):
                self._reception.receive(self, kind, payload)
        except (SessionError, msgspec.MsgspecError) as error:
            log.error("client %d (%s) sent something malformed: %s", self.client_id, self.hello.role, error)
            self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """Called by the event loop when the peer is gone."""
        self._transport = None
        self._reception.left(self)

    def send(self, frame: bytes) -> None:
        """Write a packed frame; silently nothing once the peer is gone (its `left` follows)."""
        if self._transport is not None:
            self._transport.write(frame)
        else:
            self._early.append(frame)

    def pause(self) -> None:
        """Read nothing more from this client until `resume`; its own sends block once the socket is full."""
        if self._transport is not None:
            cast(asyncio.ReadTransport, self._transport).pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None:
            cast(asyncio.ReadTransport, self._transport).resume_reading()

    def close(self) -> None:
        """Disconnect after what was written has left."""
        if self._transport is not None:
            self._transport.close()


class Ingress:
    """Listens on the node's Unix socket."""

    def __init__(self, reception: Reception, token: str, arena_fd: int, frame_bytes_max: int) -> None:
        self._reception = reception
        self._token = token
        self._arena_fd = arena_fd
        self._frame_bytes_max = frame_bytes_max
        self._last_client_id = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None

    def listen(self, socket_path: str) -> None:
        """Bind and begin to accept; the socket's folder keeps strangers out."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(socket_path)
        os.chmod(socket_path, 0o600)
        listener.listen(512)
        listener.setblocking(False)
        self._listener = listener
        self._spawn(self._accept(listener))

    def close(self) -> None:
        """Stop accepting."""
        for task in list(self._tasks):
            task.cancel()
        if self._listener is not None:
            self._listener.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            self._spawn(self._handshake(connection))

    async def _handshake(self, connection: socket.socket) -> None:
        """Hello in, Welcome with the arena's descriptor out, then the connection is the event loop's."""
        connection.setblocking(False)
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                hello = await self._receive_hello(connection)
            if not hmac.compare_digest(hello.token.encode(), self._token.encode()):
                raise SessionError("wrong token: this session belongs to another user or another session folder")
            self._last_client_id += 1
            client = ClientConnection(ClientId(self._last_client_id), hello, self._reception, self._frame_bytes_max)
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
            connection.close()
            self._reception.left(client)
            return
        await asyncio.get_running_loop().connect_accepted_socket(lambda: client, connection)

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
