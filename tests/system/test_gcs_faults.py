"""The event log when its server is killed, hangs, is emptied or full: a pause at most, no record lost or doubled."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cellray
import psutil
import pytest
from cellray.clock import SystemClock
from cellray.config import Config
from cellray.errors import GcsUnavailableError, SessionLostError
from cellray.gcs import redis_server
from cellray.gcs.keys import session_keys
from cellray.gcs.log_buffer import LogBuffer
from cellray.gcs.log_reader import RedisLogReader
from cellray.gcs.log_writer import RedisLogWriter
from cellray.ids import NodeId, SessionId
from cellray.ports import LogRecord
from cellray.processes import end_process

from tests.fixtures_redis import TOKEN, RedisServer, poll_until, running_redis

SESSION = SessionId("faults")
NODE = NodeId("node-a")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


@pytest.fixture
def reader(server: RedisServer) -> Iterator[RedisLogReader]:
    made = RedisLogReader(server.address, SESSION, timeout_s=10)
    yield made
    made.close()


class Node:
    """A buffer and its writer, with what a node's loop would be told."""

    def __init__(self, server: RedisServer, config: Config, timeout_s: float = 10.0) -> None:
        self.pauses_s: list[float] = []
        self.errors: list[str] = []
        self.writer = RedisLogWriter(server.address, SESSION, timeout_s=timeout_s)
        self.buffer = LogBuffer(
            self.writer,
            NODE,
            config,
            SystemClock(),
            on_unavailable=lambda error: self.errors.append(str(error)),
            on_available=self.pauses_s.append,
        )
        self.buffer.start()

    def add(self) -> None:
        self.buffer.add(1, payload(self.buffer.last_sequence + 1), 1)

    async def end(self) -> bool:
        drained = await self.buffer.drain(20)
        await self.writer.close()
        return drained


def payload(sequence: int) -> bytes:
    return b"%d " % sequence * (sequence % 500)


def check_log(reader: RedisLogReader, total: int) -> None:
    """Every record there exactly once, in order and whole."""
    seen: list[LogRecord] = []
    while batch := reader.read(len(seen), 1000):
        seen += batch
    assert seen == [LogRecord(i, NODE, 1, payload(i)) for i in range(1, total + 1)]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the buffer tells nobody but by its state
            await asyncio.sleep(0.001)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_server_comes_back_with_every_record_exactly_once(
    server: RedisServer, reader: RedisLogReader, seed: int
) -> None:
    rng = random.Random(seed)

    async def test() -> int:
        node = Node(server, Config(log_flush_ms=0.2))
        for _ in range(5):
            kill_after = node.buffer.written_sequence + rng.randrange(1, 1500)
            while node.buffer.written_sequence < kill_after:
                for _ in range(rng.randrange(20)):
                    node.add()
                await asyncio.sleep(0)
            # Something is on its way while the server dies.
            node.add()
            await asyncio.sleep(rng.choice([0, 0.0003]))
            server.kill()
            node.add()
            await until(lambda: node.buffer.unavailable_since)
            for _ in range(300):
                node.add()
            server.start()
            await until(lambda: node.buffer.unavailable_since is None)
        assert await node.end()
        assert len(node.pauses_s) == len(node.errors) == 5
        say(f"seed {seed}: paused {', '.join(f'{1000 * pause:.0f}' for pause in node.pauses_s)} ms at 5 kills")
        return node.buffer.last_sequence

    check_log(reader, asyncio.run(test()))


def test_a_follower_goes_on_after_a_lost_connection_and_a_restart(server: RedisServer, reader: RedisLogReader) -> None:
    seen: list[LogRecord] = []

    def follow(total: int) -> None:
        while len(seen) < total:
            if reader.wait(len(seen), 30):
                seen.extend(reader.read(len(seen), 100))

    async def append(first: int, last: int) -> None:
        writer = RedisLogWriter(server.address, SESSION, timeout_s=10)
        await writer.append([LogRecord(i, NODE, 1, payload(i)) for i in range(first, last + 1)])
        await writer.close()

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow, 300)
        asyncio.run(append(1, 100))
        poll_until(lambda: len(seen) == 100, "the first hundred")
        server.call(b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes")
        asyncio.run(append(101, 200))
        poll_until(lambda: len(seen) == 200, "the second hundred")
        server.kill()
        server.start()
        back = time.monotonic()
        asyncio.run(append(201, 300))
        following.result(timeout=20)
        say(f"the follower went on {1000 * (time.monotonic() - back):.0f} ms after the server was back")
    assert [record.sequence for record in seen] == list(range(1, 301))


def test_a_reader_gives_up_when_the_server_stays_away(server: RedisServer) -> None:
    reader = RedisLogReader(server.address, SESSION, timeout_s=10, away_s_max=0.15)
    assert reader.last_sequence() == 0
    server.kill()
    with pytest.raises(GcsUnavailableError, match="no Redis server listens"):
        reader.read(0, 1)
    with pytest.raises(GcsUnavailableError):
        reader.wait(0, 30)
    reader.close()


def test_a_hung_server_makes_the_backlog_overfull_and_late_writes_double_nothing(
    server: RedisServer, reader: RedisLogReader
) -> None:
    async def test() -> int:
        node = Node(server, Config(log_flush_ms=1, log_backlog_bytes_max=200_000), timeout_s=0.1)
        for _ in range(50):
            node.add()
        await until(lambda: node.buffer.written_sequence == 50)
        server.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(50):
                node.add()
            # What times out lies in the stopped server's socket, and is executed when it goes on.
            await until(lambda: node.errors)
            assert "did not answer in time" in node.errors[0]
            while not node.buffer.is_overfull:
                node.add()
        finally:
            server.process.send_signal(signal.SIGCONT)
        await until(lambda: not node.buffer.is_overfull)
        assert await node.end()
        return node.buffer.last_sequence

    check_log(reader, asyncio.run(test()))


def test_a_full_server_is_waited_for(server: RedisServer, reader: RedisLogReader) -> None:
    async def test() -> None:
        node = Node(server, Config(log_flush_ms=1))
        server.call(b"CONFIG", b"SET", b"maxmemory", b"1")
        node.add()
        await until(lambda: node.errors)
        assert "memory" in node.errors[0]
        assert "refuses work for now" in node.errors[0]
        server.call(b"CONFIG", b"SET", b"maxmemory", b"0")
        await until(lambda: node.buffer.written_sequence == 1)
        assert await node.end()

    asyncio.run(test())
    check_log(reader, 1)


def test_a_server_that_comes_back_empty_is_a_failure_and_not_a_gap(server: RedisServer) -> None:
    async def test() -> None:
        node = Node(server, Config(log_flush_ms=1))
        node.add()
        await until(lambda: node.buffer.written_sequence == 1)
        server.kill()
        for path in server.folder.glob("appendonly*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        server.start()
        node.add()
        await until(lambda: node.buffer.failure)
        assert isinstance(node.buffer.failure, SessionLostError)
        assert node.buffer.is_overfull
        assert not await node.end()

    asyncio.run(test())
    assert server.call(b"EXISTS", session_keys(SESSION).log) == 0


def test_a_log_trimmed_to_nothing_goes_on(server: RedisServer, reader: RedisLogReader) -> None:
    async def test() -> None:
        writer = RedisLogWriter(server.address, SESSION, timeout_s=10)
        await writer.append([LogRecord(i, NODE, 1, payload(i)) for i in range(1, 6)])
        server.call(b"XTRIM", session_keys(SESSION).log, b"MAXLEN", b"0")
        await writer.append([LogRecord(i, NODE, 1, payload(i)) for i in range(4, 8)])
        await writer.close()

    asyncio.run(test())
    assert [record.sequence for record in reader.read(0, 10)] == [6, 7]


def test_the_server_dies_with_a_killed_node() -> None:
    program = (
        "import pathlib, sys, time\n"
        "from cellray.gcs import redis_server\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "process = redis_server.start(folder, 'token')\n"
        "redis_server.wait_ready(process, folder, 'token', timeout_s=20)\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    source_root = str(Path(cellray.__path__[0]).parent)
    with (
        tempfile.TemporaryDirectory(prefix="cr-") as folder,
        subprocess.Popen(
            [sys.executable, "-c", program, folder],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": source_root},
        ) as node,
    ):
        assert node.stdout is not None
        redis = psutil.Process(int(node.stdout.readline()))
        assert redis.is_running()
        assert os.getsid(redis.pid) == redis.pid
        node.kill()
        poll_until(lambda: not redis.is_running() or redis.status() == psutil.STATUS_ZOMBIE, "redis-server to die")


def test_the_token_is_not_on_the_command_line_and_nobody_else_gets_in(server: RedisServer) -> None:
    assert TOKEN not in " ".join(psutil.Process(server.process.pid).cmdline())
    socket_path = server.folder / redis_server.SOCKET_NAME
    assert socket_path.stat().st_mode & 0o077 == 0


def test_an_orderly_stop_leaves_no_socket(server: RedisServer) -> None:
    end_process(server.process, patience_s=10)
    assert server.process.returncode == 0
    assert not (server.folder / redis_server.SOCKET_NAME).exists()
