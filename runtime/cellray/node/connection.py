"""One admitted client's connection, read and written without the event loop's transports.

Half of a task's way through a node is its two frames in and its two frames out. The selector of the node's event loop
(`node.event_loop`) tells a connection straight away what happens on its socket; the connection reads once, has the
frames handled, and writes at once. Only what a socket does not take now waits in a buffer.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import socket
from collections.abc import Sequence
from selectors import EVENT_READ, EVENT_WRITE
from typing import Protocol

import msgspec

from cellray.errors import SessionError
from cellray.ids import ClientId
from cellray.wire import Frame, FrameReader, Hello

log = logging.getLogger(__name__)
_received = memoryview(bytearray(1 << 18))
"""For one read at a time. The allocator would get as much from the system for each frame, and give it back."""


class Receiver(Protocol):
    """Who is told what a connection brings."""

    def receive(self, client: ClientConnection, frames: Sequence[Frame]) -> None:
        """Frames that came together. Raises on a payload that is not what its kind says."""

    def left(self, client: ClientConnection) -> None:
        """An admitted client's connection ended; all that it sent has been received."""


class ClientConnection:
    """Everything on the event loop's thread. Until `open`, what is sent is kept for later."""

    def __init__(
        self,
        client_id: ClientId,
        hello: Hello,
        connection: socket.socket,
        receiver: Receiver,
        frame_bytes_max: int,
        selector: selectors.BaseSelector,
    ) -> None:
        self.client_id = client_id
        self.hello = hello
        self._socket = connection
        self._receiver = receiver
        self._reader = FrameReader(frame_bytes_max)
        self._selector = selector
        self._unsent = bytearray()
        self._watched = 0
        self._is_open = False
        self._is_paused = False

    def open(self) -> None:
        """The client has been welcomed: from now on its socket is read, and what was sent before goes out."""
        self._is_open = True
        self._send_rest()

    def send(self, frame: bytes) -> None:
        """Write a packed frame; silently nothing once the peer is gone (its `left` follows)."""
        if self._unsent or not self._is_open:
            self._unsent += frame
            return
        try:
            sent = self._socket.send(frame)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            return  # reading will tell
        if sent < len(frame):
            self._unsent += memoryview(frame)[sent:]
            self._watch()

    def pause(self) -> None:
        """Read nothing more from this client until `resume`; its own sends block once the socket is full."""
        self._is_paused = True
        self._watch()

    def resume(self) -> None:
        """Read on."""
        self._is_paused = False
        self._watch()

    def close(self) -> None:
        """Disconnect now."""
        if self._socket.fileno() < 0:
            return
        self._is_open = False
        self._watch()
        self._socket.close()
        # Not from within whatever found out: the core may be in the middle of something.
        asyncio.get_running_loop().call_soon(self._receiver.left, self)

    def on_events(self, events: int) -> None:
        """The selector says that the socket can be read or written."""
        if not self._is_open:
            return  # closed by what another client of this round sent
        if events & EVENT_WRITE:
            self._send_rest()
        if not events & EVENT_READ:
            return
        try:
            count = self._socket.recv_into(_received)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        if not count:
            self.close()
            return
        try:
            self._receiver.receive(self, self._reader.feed(bytes(_received[:count])))
        except (SessionError, msgspec.MsgspecError) as error:
            log.error("client %d (%s) sent something malformed: %s", self.client_id, self.hello.role, error)
            self.close()
        except Exception:
            log.exception("what client %d (%s) sent could not be handled", self.client_id, self.hello.role)
            self.close()

    def _send_rest(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._unsent.clear()
        self._watch()

    def _watch(self) -> None:
        """Tell the selector what this connection wants to know."""
        wanted = 0
        if self._is_open:
            wanted = (0 if self._is_paused else EVENT_READ) | (EVENT_WRITE if self._unsent else 0)
        if wanted == self._watched:
            return
        if not self._watched:
            self._selector.register(self._socket, wanted, self)
        elif wanted:
            self._selector.modify(self._socket, wanted, self)
        else:
            self._selector.unregister(self._socket)
        self._watched = wanted
