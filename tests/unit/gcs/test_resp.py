"""The node's own Redis client against a peer that answers as told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cellray.gcs.address import GcsAddress
from cellray.gcs.faults import AnsweredError, NotRedisError
from cellray.gcs.resp import Reply, RespClient, pack_command

GREETING = pack_command(b"AUTH", b"secret") + pack_command(b"SELECT", b"3")


class Server:
    """Expects the greeting, then gives each command the next of `answers`; None: hangs up, "": says nothing."""

    def __init__(self, folder: Path, answers: list[bytes | None], greeting: bytes = b"+OK\r\n+OK\r\n") -> None:
        self.address = GcsAddress(path=str(folder / "s"), password="secret", database=3)
        self.connections = 0
        self.commands: list[bytes] = []
        self.heard = asyncio.Event()
        self._answers = answers
        self._greeting = greeting

    async def start(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._serve, self.address.path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        assert await reader.readexactly(len(GREETING)) == GREETING
        writer.write(self._greeting)
        try:
            while command := await reader.read(1000):
                self.commands.append(command)
                self.heard.set()
                answer = self._answers.pop(0)
                if answer is None:
                    break
                for byte in answer:
                    writer.write(bytes([byte]))  # so that answers come in pieces
                    await writer.drain()
        finally:
            writer.close()


def talk(server: Server, scene: Callable[[RespClient], Awaitable[None]], timeout_s: float = 20) -> None:
    async def run() -> None:
        listener = await server.start()
        client = RespClient(server.address, timeout_s=timeout_s)
        try:
            await scene(client)
        finally:
            await client.close()
            await client.close()
            listener.close()
            await listener.wait_closed()

    asyncio.run(run())


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("r")  # a Unix socket's path must be short


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (b"+PONG\r\n", b"PONG"),
        (b":-7\r\n", -7),
        (b"$0\r\n\r\n", b""),
        (b"$6\r\na\r\nb\r\n\r\n", b"a\r\nb\r\n"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*0\r\n", []),
        (b"*3\r\n:1\r\n*1\r\n$1\r\nx\r\n$-1\r\n", [1, [b"x"], None]),
    ],
)
def test_replies(folder: Path, answer: bytes, reply: Reply) -> None:
    server = Server(folder, [answer, b"+end\r\n"])

    async def scene(client: RespClient) -> None:
        assert await client.call(pack_command(b"GET", b"key")) == reply
        assert await client.call(pack_command(b"PING")) == b"end"

    talk(server, scene)
    assert server.commands == [b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", b"*1\r\n$4\r\nPING\r\n"]
    assert server.connections == 1


def test_a_refusal_is_told_and_the_connection_goes_on(folder: Path) -> None:
    server = Server(folder, [b"-GAP 12\r\n", b"+OK\r\n"])

    async def scene(client: RespClient) -> None:
        with pytest.raises(AnsweredError, match=r"^GAP 12$"):
            await client.call(pack_command(b"X"))
        assert await client.call(pack_command(b"Y")) == b"OK"

    talk(server, scene)
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, ConnectionResetError),
        (b"$5\r\nab", TimeoutError),
        (b"", TimeoutError),
        (b"HTTP/1.1 400 Bad Request\r\n", NotRedisError),
        (b":many\r\n", NotRedisError),
    ],
)
def test_after_anything_else_the_next_call_connects_anew(
    folder: Path, answer: bytes | None, error: type[Exception]
) -> None:
    server = Server(folder, [answer, b"+OK\r\n"])

    async def scene(client: RespClient) -> None:
        with pytest.raises(error):
            await client.call(pack_command(b"X"))
        client._timeout_s = 20.0
        assert await client.call(pack_command(b"Y")) == b"OK"

    talk(server, scene, timeout_s=0.2 if error is TimeoutError else 20)
    assert server.connections == 2


def test_an_answer_that_nobody_waits_for_any_more_is_not_taken_for_the_next(folder: Path) -> None:
    server = Server(folder, [b"", b"+second\r\n"])

    async def scene(client: RespClient) -> None:
        call = asyncio.ensure_future(client.call(pack_command(b"X")))
        await server.heard.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await client.call(pack_command(b"Y")) == b"second"

    talk(server, scene)


def test_a_greeting_that_is_refused_is_told(folder: Path) -> None:
    server = Server(folder, [], greeting=b"-WRONGPASS invalid username-password pair\r\n")

    async def scene(client: RespClient) -> None:
        with pytest.raises(AnsweredError, match="WRONGPASS"):
            await client.call(pack_command(b"PING"))

    talk(server, scene)
