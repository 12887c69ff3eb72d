"""Messages over a direct line, whole or in pieces, and its end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from cellray.client.direct_line import DIRECT, DirectLine, LineOpened, NodeTold
from cellray.ids import ClientId, TaskId
from cellray.wire import pack_frame

OPENED = LineOpened(7, ClientId(3))
TOLD = NodeTold(TaskId(b"t" * 16))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, DirectLine]]:
    """The other end, and ours."""
    theirs, ours = socket.socketpair()
    line = DirectLine(ours, 1000)
    yield theirs, line
    theirs.close()
    line.close()


def frame_of(message: LineOpened | NodeTold) -> bytes:
    theirs, ours = socket.socketpair()
    DirectLine(ours, 1000).send(message)
    with theirs, ours:
        return theirs.recv(1000)


def test_messages_arrive_whole_whatever_the_pieces(ends: tuple[socket.socket, DirectLine]) -> None:
    theirs, line = ends
    assert line.read() == []
    data = frame_of(OPENED) + frame_of(TOLD)
    theirs.sendall(data[:9])
    assert line.read() == []
    theirs.sendall(data[9:])
    assert line.read() == [OPENED, TOLD]
    assert not line.is_closed


@pytest.mark.parametrize("data", [pack_frame(DIRECT, b"\x93\x01"), b"GET / HTTP/1.1", pack_frame(DIRECT, b"x" * 2000)])
def test_what_is_no_message_ends_the_line(ends: tuple[socket.socket, DirectLine], data: bytes) -> None:
    theirs, line = ends
    theirs.sendall(data)
    assert line.read() == []
    assert line.is_closed


def test_the_other_end_goes(ends: tuple[socket.socket, DirectLine]) -> None:
    theirs, line = ends
    theirs.close()
    assert line.read() == []
    assert line.is_closed
    with pytest.raises(OSError, match="Broken pipe"):
        line.send(TOLD)
    line.close()
    line.close()
