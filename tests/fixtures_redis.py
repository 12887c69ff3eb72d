"""Real redis-servers for tests: started in a folder of their own, ended by pid, checked for leaks."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cellray.gcs import redis_server
from cellray.gcs.address import GcsAddress
from cellray.gcs.clients import make_client
from cellray.processes import end_process

TOKEN = 'a "token" with \\ and spaces'


class RedisServer:
    """One server that can be killed and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address: GcsAddress = redis_server.address_of(folder, TOKEN)
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Returns when it answers."""
        self.process = redis_server.start(self.folder, TOKEN)
        redis_server.wait_ready(self.process, self.folder, TOKEN, timeout_s=20)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.process.kill()
        self.process.wait()

    def call(self, *command: bytes) -> object:
        """One command on a connection of its own."""
        client = make_client(self.address, timeout_s=10)
        try:
            return client.execute_command(*command)
        finally:
            client.close()

    def client_count(self) -> int:
        """Connections besides the one that asks."""
        clients = self.call(b"CLIENT", b"LIST")
        assert isinstance(clients, bytes)
        return clients.count(b"\n") - 1


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """A server that has ended, with all connections to it closed, when the block is left."""
    # Not pytest's tmp_path: a Unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="cr-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
            if server.process.poll() is None:
                poll_until(lambda: server.client_count() == 0, "connections to be closed")
        finally:
            end_process(server.process, patience_s=10)


def poll_until(condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    """Until `condition()` is true; fails naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.002)
