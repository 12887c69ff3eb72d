"""The node's side of a client's socket, on the node's event loop: what is read together, what waits, who is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

import pytest
from cellray.errors import SessionError
from cellray.ids import ClientId
from cellray.node.connection import ClientConnection
from cellray.node.event_loop import NodeEventLoop
from cellray.wire import Frame, FrameKind, Hello, pack_frame

TIMEOUT_S = 20
HELLO = Hello("token", "driver", 1)


class Node:
    """Receives, and answers each frame with itself, `answers` times."""

    def __init__(self, answers: int = 0) -> None:
        self.received: list[list[Frame]] = []
        self.gone: list[ClientConnection] = []
        self.changed = asyncio.Event()
        self._answers = answers
        self.is_busy = False

    def receive(self, client: ClientConnection, frames: Sequence[Frame]) -> None:
        self.is_busy = True
        self.received.append(list(frames))
        self.changed.set()
        try:
            for kind, payload in frames:
                if payload == b"bad":
                    client.close()
                    raise SessionError("that was no fact")
                for _ in range(self._answers):
                    client.send(pack_frame(kind, payload))
        finally:
            self.is_busy = False

    def left(self, client: ClientConnection) -> None:
        assert not self.is_busy, "told in the middle of something"
        self.gone.append(client)
        self.changed.set()

    async def until(self, done: Callable[[], object]) -> None:
        """Until something that this node was told makes `done()` true."""
        async with asyncio.timeout(TIMEOUT_S):
            while not done():
                await self.changed.wait()
                self.changed.clear()


def run(scene: Callable[[], Awaitable[None]]) -> None:
    """On the node's kind of event loop."""
    with asyncio.Runner(loop_factory=NodeEventLoop) as runner:
        runner.run(scene())  # type: ignore[arg-type]


def connect(node: Node) -> tuple[socket.socket, ClientConnection]:
    """A client's end, blocking, and its open connection."""
    theirs, ours = socket.socketpair()
    theirs.settimeout(TIMEOUT_S)
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, NodeEventLoop)
    client = ClientConnection(ClientId(1), HELLO, ours, node, 1 << 20, loop.clients)
    client.open()
    return theirs, client


def facts(*payloads: bytes) -> bytes:
    return b"".join([pack_frame(FrameKind.FACTS, payload) for payload in payloads])


def test_frames_that_came_together_are_received_together_and_halves_wait() -> None:
    async def scene() -> None:
        node = Node()
        theirs, client = connect(node)
        whole = facts(b"three")
        theirs.sendall(facts(b"one", b"two") + whole[:4])
        await node.until(lambda: node.received)
        theirs.sendall(whole[4:])
        await node.until(lambda: len(node.received) >= 2)
        assert [[payload for _, payload in frames] for frames in node.received if frames] == [
            [b"one", b"two"],
            [b"three"],
        ]
        theirs.close()
        await node.until(lambda: node.gone)
        assert node.gone == [client]

    run(scene)


def test_what_the_socket_does_not_take_follows_in_order_and_holds_up_nobody() -> None:
    async def scene() -> None:
        node = Node(answers=200)
        slow, slow_client = connect(node)
        payload = bytes(10_000)
        slow.sendall(facts(payload))
        await node.until(lambda: node.received)  # 2 MB of answers that nobody reads
        quick, quick_client = connect(node)
        quick.sendall(facts(b"quick"))
        await node.until(lambda: len(node.received) == 2)
        answer = await asyncio.to_thread(quick.recv, 5)
        assert answer
        slow_client.send(facts(b"last"))
        wanted = facts(payload) * 200 + facts(b"last")
        data = bytearray()
        while len(data) < len(wanted):
            data += await asyncio.to_thread(slow.recv, 1 << 16)
        assert data == wanted
        for theirs, client in ((slow, slow_client), (quick, quick_client)):
            client.close()
            theirs.close()
        await node.until(lambda: len(node.gone) == 2)

    run(scene)


def test_what_was_sent_before_the_welcome_follows_it() -> None:
    async def scene() -> None:
        node = Node()
        theirs, ours = socket.socketpair()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NodeEventLoop)
        client = ClientConnection(ClientId(1), HELLO, ours, node, 1 << 20, loop.clients)
        client.send(facts(b"early"))
        ours.send(b"welcome")
        client.open()
        assert await asyncio.to_thread(theirs.recv, 100) == b"welcome" + facts(b"early")
        client.close()
        theirs.close()
        await node.until(lambda: node.gone)

    run(scene)


def test_a_paused_client_is_not_read() -> None:
    async def scene() -> None:
        node = Node()
        theirs, client = connect(node)
        client.pause()
        theirs.sendall(facts(b"held"))
        other, other_client = connect(node)
        other.sendall(facts(b"read"))
        await node.until(lambda: node.received)
        assert node.received == [[(FrameKind.FACTS, b"read")]]
        client.resume()
        await node.until(lambda: len(node.received) == 2)
        for each in (client, other_client):
            each.close()
        await node.until(lambda: len(node.gone) == 2)
        theirs.close()
        other.close()

    run(scene)


@pytest.mark.parametrize("data", [facts(b"good", b"bad"), b"\0\0\0\0\x63\x04more"], ids=["refused", "no frame"])
def test_something_malformed_closes_this_connection_only(data: bytes) -> None:
    async def scene() -> None:
        node = Node()
        theirs, client = connect(node)
        other, other_client = connect(node)
        theirs.sendall(data)
        await node.until(lambda: node.gone)
        assert node.gone == [client]
        client.send(facts(b"too late"))
        other.sendall(facts(b"fine"))
        await node.until(lambda: node.received and node.received[-1] == [(FrameKind.FACTS, b"fine")])
        other_client.close()
        await node.until(lambda: len(node.gone) == 2)
        theirs.close()
        other.close()

    run(scene)


def test_timers_and_callbacks_run_while_clients_never_stop_talking() -> None:
    async def scene() -> None:
        node = Node(answers=1)
        theirs, client = connect(node)
        talking = True

        def talk() -> None:
            while talking:
                theirs.sendall(facts(b"x"))
                theirs.recv(100)

        talker = asyncio.ensure_future(asyncio.to_thread(talk))
        await node.until(lambda: len(node.received) > 100)
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.sleep(0.001)
            await asyncio.sleep(0)
            assert await asyncio.to_thread(lambda: "from a thread") == "from a thread"
        talking = False
        await talker
        theirs.close()
        await node.until(lambda: node.gone)
        assert node.gone == [client]

    run(scene)


def test_while_cores_are_idle_the_next_frames_are_waited_for_awake_after_some_came() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NodeEventLoop)
        asked: list[int] = []
        node = Node(answers=1)

        def may_stay_awake() -> bool:
            asked.append(len(node.received))
            return True

        loop.clients.may_stay_awake = may_stay_awake
        theirs, client = connect(node)
        await asyncio.sleep(0.001)
        assert not asked, "nobody has said anything yet"

        def talk() -> None:
            for turn in range(200):
                theirs.sendall(pack_frame(FrameKind.FACTS, b"%03d" % turn))
                assert theirs.recv(100).endswith(b"%03d" % turn)

        await asyncio.wait_for(loop.run_in_executor(None, talk), TIMEOUT_S)
        assert [payload for frames in node.received for _, payload in frames] == [b"%03d" % i for i in range(200)]
        assert asked, "a turn is followed by the next"
        client.close()
        theirs.close()
        await node.until(lambda: node.gone)

    run(scene)
