"""A Redis server that is not the session's own."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellray.gcs.redis_server import find_redis_server

from tests.helpers.polling import eventually


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def redis_server(folder: Path, password: str = "") -> Iterator[int]:
    """A server for the time of the block; its port."""
    port = free_port()
    command = [str(find_redis_server()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--dir", str(folder), "--appendonly", "yes", *(["--requirepass", password] if password else [])]
    # Not inherited by mark: it is no process of a session.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={})
    try:
        eventually(lambda: answers(port), "the Redis server answers")
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def chatterbox(answer: bytes) -> Iterator[int]:
    """A server that is no Redis: whatever it is told, it says `answer`; its port."""
    code = (
        "import socketserver\n"
        "class H(socketserver.BaseRequestHandler):\n"
        "    def handle(self):\n"
        "        while self.request.recv(4096):\n"
        f"            self.request.sendall({answer!r})\n"
        "s = socketserver.ThreadingTCPServer(('127.0.0.1', 0), H)\n"
        "print(s.server_address[1], flush=True)\n"
        "s.serve_forever()\n"
    )
    process = subprocess.Popen(["python3", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()
