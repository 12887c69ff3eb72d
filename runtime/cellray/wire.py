"""Frames: what goes over a Unix socket between a node and its drivers and workers.

A frame is a 6-byte header (payload length, protocol version, kind) and a payload. The first frame of a client is a
Hello with the session's token; nothing else is read from a peer, and nothing unpickled, before the token matched.
After it a client sends FACTS and REQUESTS (lists of facts, to be logged or not) and a node COMMANDS. A frame that
is too long or of another version closes that connection and nothing else.
"""

from __future__ import annotations

import struct
from enum import IntEnum

import msgspec

from cellray.errors import SessionError
from cellray.ids import ClientId, JobId, NodeId, SessionId, TaskId
from cellray.model.task import Resources

PROTOCOL_VERSION = 1
_HEADER = struct.Struct("<IBB")
HEADER_BYTES = _HEADER.size
HELLO_BYTES_MAX = 64 * 1024


class FrameKind(IntEnum):
    """What the payload is."""

    HELLO = 1
    WELCOME = 2
    REFUSED = 3
    FACTS = 4
    """List of facts that the log keeps; the payload is the log record as it is."""
    REQUESTS = 5
    """List of facts that concern the connection only."""
    COMMANDS = 6
    DIRECT = 7
    """Between a driver and an actor's process (`client/direct_line.py`)."""


class Hello(msgspec.Struct, frozen=True):
    """Who connects. `role` is "driver" or "worker"; an `owner` ends the session when its process ends."""

    token: str
    role: str
    pid: int
    entrypoint: str = ""
    owner: bool = False
    namespace: str = ""


class Welcome(msgspec.Struct, frozen=True):
    """What a client must know; the arena's descriptor travels along as ancillary data of this frame."""

    client_id: ClientId
    session_id: SessionId
    node_id: NodeId
    job_id: JobId
    root_task_id: TaskId
    resources: Resources
    arena_bytes: int
    gcs_url: str
    config: bytes


class Refused(msgspec.Struct, frozen=True):
    """Why the node does not talk to this client."""

    reason: str


class FrameError(SessionError):
    """The peer sent something that is not a frame of this protocol."""


Frame = tuple[int, bytes]
"""One whole frame as received: kind and payload."""


def pack_frame(kind: int, payload: bytes) -> bytes:
    """Header and payload as one string of bytes."""
    return _HEADER.pack(len(payload), PROTOCOL_VERSION, kind) + payload


def unpack_header(data: bytes | bytearray, frame_bytes_max: int, position: int = 0) -> tuple[int, int]:
    """Kind and payload length. Raises FrameError for another version or a length beyond the limit."""
    length, version, kind = _HEADER.unpack_from(data, position)
    if version != PROTOCOL_VERSION:
        raise FrameError(
            f"the peer speaks frame version {version}, this side {PROTOCOL_VERSION}; "
            "use the same Cellray version on both sides"
        )
    if length > frame_bytes_max:
        raise FrameError(f"a frame of {length} bytes exceeds the limit of {frame_bytes_max}")
    return kind, length


class FrameReader:
    """Cuts a stream of bytes into frames; feed it whatever arrived."""

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now. Raises FrameError for a malformed header."""
        buffer = self._buffer
        if not buffer and len(data) >= HEADER_BYTES:
            # Nearly always one whole frame came, and nothing else.
            length, version, kind = _HEADER.unpack_from(data)
            if length == len(data) - HEADER_BYTES and version == PROTOCOL_VERSION and length <= self.frame_bytes_max:
                return [(kind, data[HEADER_BYTES:])]
        if buffer:
            buffer += data
            source: bytes | bytearray = buffer
        else:
            source = data
        frames: list[Frame] = []
        position, available = 0, len(source)
        while available - position >= HEADER_BYTES:
            kind, length = unpack_header(source, self.frame_bytes_max, position)
            end = position + HEADER_BYTES + length
            if end > available:
                break
            frames.append((kind, bytes(source[position + HEADER_BYTES : end])))
            position = end
        if source is buffer:
            del buffer[:position]
        elif position < available:
            buffer += memoryview(data)[position:]
        return frames
