"""Asks sessions for their status from a process of its own, so that gRPC's threads and descriptors are not ours."""

from __future__ import annotations

import subprocess
import sys

import msgspec
from cellray.node.control import NodeStatus

SERVER = """
import sys
import msgspec
from cellray.node.control_client import ControlClient
from cellray.node.settings import SessionFolder

clients = {}
for line in sys.stdin:
    folder = SessionFolder(line.rstrip("\\n"))
    try:
        client = clients.get(folder.path)
        if client is None:
            client = clients[folder.path] = ControlClient(folder.control_socket, folder.read_token())
        answer = {"status": msgspec.to_builtins(client.status())}
    except Exception as error:
        answer = {"error": repr(error)}
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\\n")
    sys.stdout.flush()
"""


class Answer(msgspec.Struct):
    """A line of the helper process."""

    status: NodeStatus | None = None
    error: str = ""


class StatusReader:
    """Reads the status of any session of this user."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, address: str) -> NodeStatus:
        """The status of the session whose folder is `address`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(address + "\n")
        self._process.stdin.flush()
        answer = msgspec.json.decode(self._process.stdout.readline(), type=Answer)
        assert answer.status is not None, answer.error
        return answer.status

    def close(self) -> None:
        """End the helper process."""
        self._process.communicate()
