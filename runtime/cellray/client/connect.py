"""Opening a connection to a node: Hello out, Welcome and the arena's descriptor back."""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

import msgspec

from cellray.errors import SessionLostError
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


class Connected(NamedTuple):
    """An open connection, what the node said, and a descriptor of the node's arena (the caller closes it)."""

    connection: socket.socket
    welcome: Welcome
    arena_fd: int


def connect(socket_path: str, hello: Hello, timeout_s: float) -> Connected:
    """Connect to the node at `socket_path`.

    Raises SessionLostError when nobody answers there, the token is wrong, or the node refuses.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(socket_path)
        connection.sendall(pack_frame(FrameKind.HELLO, msgspec.msgpack.encode(hello)))
        welcome, arena_fd = _receive_welcome(connection)
        connection.settimeout(None)
        return Connected(connection, welcome, arena_fd)
    except OSError as error:
        connection.close()
        raise SessionLostError(
            f"no Cellray node answers at {socket_path} ({error}); its session has ended. "
            "Start a new one with cellray.init()."
        ) from error
    except BaseException:
        connection.close()
        raise


def _receive_welcome(connection: socket.socket) -> tuple[Welcome, int]:
    """Read the one frame and not a byte more: commands may follow on its heels."""
    header, descriptors, _, _ = socket.recv_fds(connection, HEADER_BYTES, 1)
    try:
        header += _receive_exactly(connection, HEADER_BYTES - len(header))
        kind, length = unpack_header(header, HELLO_BYTES_MAX)
        payload = _receive_exactly(connection, length)
        if kind == FrameKind.REFUSED:
            raise SessionLostError(msgspec.msgpack.decode(payload, type=Refused).reason)
        if kind != FrameKind.WELCOME or not descriptors:
            raise SessionLostError(f"the node answered with a frame of kind {kind} instead of a welcome")
        return msgspec.msgpack.decode(payload, type=Welcome), descriptors.pop()
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _receive_exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise SessionLostError("the node closed the connection before it said anything; see its log")
        data += piece
    return bytes(data)
