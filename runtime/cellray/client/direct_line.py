"""A direct line: the connection between a driver and a process that it gives one call after another: that of an actor,
or of a worker that is kept for the driver's tasks.

The driver sends a call, the process its end, and the driver tells the node of it afterwards; or, if either of them says
anything to the node meanwhile, before that (`Outgoing.calls`). Who has told the node says so on the line (`NodeTold`),
and the end of that call goes by the node as any other's. A worker that is not kept any more says so too (`LineShut`):
it never looks at a task that it had not read before.
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
    """The process, at the request of this number: the line may be used."""

    ticket: int
    worker_id: ClientId


class CallSent(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """The driver: run this. A task says by what ticket."""

    call: DirectCall
    ticket: int = 0


class CallEnded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """The process: it has returned, and the node knows nothing of it."""

    end: TaskFinished


class NodeTold(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """Either side: the node knows of this call, and its end goes by the node."""

    task_id: TaskId


class LineShut(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """A worker: by this ticket I take no task any more."""

    ticket: int


Message = LineOpened | CallSent | CallEnded | NodeTold | LineShut
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
