"""A direct line: the connection between a driver and the process of an actor that it calls one call after another.

The driver sends a call, the actor's process its end, and the driver tells the node of it afterwards; or, if either of
them says anything to the node meanwhile, before that (`Outgoing.calls`). Who has told the node says so on the line
(`NodeTold`), and the end of that call goes by the node as any other's.
"""

from __future__ import annotations

import contextlib
import select
import socket

import msgspec

from cellray.errors import SessionError
from cellray.ids import ClientId, TaskId
from cellray.model.fact import DirectCall, TaskFinished
from cellray.wire import FrameKind, FrameReader, pack_frame

RECEIVE_BYTES = 1 << 16
DIRECT: int = FrameKind.DIRECT.value


class LineOpened(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """The actor's process, at the request of this number: the line may be used."""

    ticket: int
    worker_id: ClientId


class CallSent(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """The driver: run this."""

    call: DirectCall


class CallEnded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """The actor's process: it has returned, and the node knows nothing of it."""

    end: TaskFinished


class NodeTold(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """Either side: the node knows of this call, and its end goes by the node."""

    task_id: TaskId


Message = LineOpened | CallSent | CallEnded | NodeTold
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


class DirectLine:
    """One end of a line. Raises OSError when the other end has gone, from `send`; `read` says so with `is_closed`."""

    def __init__(self, connection: socket.socket, frame_bytes_max: int) -> None:
        self.socket = connection
        self.poll = select.poll()
        self.poll.register(connection, select.POLLIN)
        self.is_closed = False
        self._reader = FrameReader(frame_bytes_max)
        self._received = memoryview(bytearray(RECEIVE_BYTES))

    def send(self, message: Message) -> None:
        """Returns when the socket has taken it."""
        self.socket.sendall(pack_frame(DIRECT, _encode(message)))

    def read(self) -> list[Message]:
        """What has arrived; nothing when nothing has, or when the other end has gone or says what is no message."""
        try:
            count = self.socket.recv_into(self._received, 0, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            count = 0
        if not count:
            self.is_closed = True
            return []
        try:
            return [_decode(payload) for _, payload in self._reader.feed(bytes(self._received[:count]))]
        except (SessionError, msgspec.MsgspecError):
            self.is_closed = True
            return []

    def close(self) -> None:
        """Twice does no harm."""
        self.is_closed = True
        with contextlib.suppress(OSError):
            self.socket.close()
