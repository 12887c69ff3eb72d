"""`connect.probe` and both connections against real sockets that answer in all the wrong ways."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest
from cellray.errors import GcsUnavailableError
from cellray.gcs.address import GcsAddress
from cellray.gcs.connect import probe
from cellray.gcs.tables import AsyncTables, list_sessions

from tests.fixtures_redis import RedisServer, running_redis

TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


def probe_blocking(address: GcsAddress, timeout_s: float) -> None:
    probe(address, timeout_s)


def connect_async(address: GcsAddress, timeout_s: float) -> None:
    async def connect() -> None:
        client = AsyncTables(address, timeout_s=timeout_s)
        try:
            await client.run(list_sessions())
        finally:
            await client.close()

    asyncio.run(connect())


either = pytest.mark.parametrize("connect", [probe_blocking, connect_async])
Connect = Callable[[GcsAddress, float], None]


@contextmanager
def listening(answer: bytes | None) -> Iterator[GcsAddress]:
    """A TCP port where every connection is sent `answer` and closed; None: accepted and left alone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted: list[socket.socket] = []

        def serve() -> None:
            try:
                while True:
                    client, _ = listener.accept()
                    accepted.append(client)
                    if answer is not None:
                        client.recv(1000)
                        client.sendall(answer)
                        client.close()
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        yield GcsAddress(host="127.0.0.1", port=listener.getsockname()[1], password="hidden")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for client in accepted:
            client.close()


def test_a_good_server_tells_its_version(server: RedisServer) -> None:
    version, is_durable = probe(server.address, TIMEOUT_S)
    assert version.count(".") == 2
    assert is_durable


@either
def test_a_wrong_password_is_refused(server: RedisServer, connect: Connect) -> None:
    with pytest.raises(GcsUnavailableError, match="refuses the password") as caught:
        connect(msgspec.structs.replace(server.address, password="guess"), TIMEOUT_S)
    assert "guess" not in str(caught.value)


@either
def test_no_password_is_asked_for(server: RedisServer, connect: Connect) -> None:
    with pytest.raises(GcsUnavailableError, match="asks for a password"):
        connect(msgspec.structs.replace(server.address, password=""), TIMEOUT_S)


@either
def test_a_missing_database_is_named(server: RedisServer, connect: Connect) -> None:
    with pytest.raises(GcsUnavailableError, match="no database 9999"):
        connect(msgspec.structs.replace(server.address, database=9999), TIMEOUT_S)


@either
def test_a_port_that_speaks_something_else(connect: Connect) -> None:
    with (
        listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address,
        pytest.raises(GcsUnavailableError, match="no Redis server: it answered b'HTTP") as caught,
    ):
        connect(address, TIMEOUT_S)
    assert "hidden" not in str(caught.value)


@either
def test_a_port_that_hangs_up(connect: Connect) -> None:
    with listening(b"") as address, pytest.raises(GcsUnavailableError, match="closed the connection"):
        connect(address, TIMEOUT_S)


@either
def test_a_port_that_says_nothing_is_given_up_in_time(connect: Connect) -> None:
    with listening(None) as address:
        began = time.monotonic()
        with pytest.raises(GcsUnavailableError, match="did not answer in time"):
            connect(address, 0.1)
        assert time.monotonic() - began < 5


@either
def test_a_port_where_nobody_listens(connect: Connect) -> None:
    with listening(b"") as address:
        pass
    with pytest.raises(GcsUnavailableError, match="no Redis server listens"):
        connect(address, TIMEOUT_S)


@either
def test_a_host_that_does_not_exist(connect: Connect) -> None:
    with pytest.raises(GcsUnavailableError, match="is not known"):
        connect(GcsAddress(host="no-such-host.invalid"), TIMEOUT_S)


@either
def test_plain_tcp_asked_for_tls(connect: Connect) -> None:
    with listening(b"-ERR Protocol error\r\n") as address, pytest.raises(GcsUnavailableError):
        connect(msgspec.structs.replace(address, tls=True, tls_verify=False), TIMEOUT_S)
