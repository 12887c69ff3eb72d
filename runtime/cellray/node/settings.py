"""What a driver tells the node it starts, and the files of a session's folder."""

from __future__ import annotations

import os
import socket

import msgspec

from cellray.config import Config
from cellray.ids import NodeId, SessionId
from cellray.model.task import Resources


class NodeSettings(msgspec.Struct, frozen=True):
    """Contents of `session.json`. `gcs_url` is empty when the session runs its own Redis server."""

    session_id: SessionId
    node_id: NodeId
    started_at: float
    owner_pid: int
    resources: Resources
    arena_bytes: int
    workers: int
    config: Config
    gcs_url: str = ""
    path: list[str] = []


class SessionFolder:
    """Paths inside a session's folder. Unix socket paths are limited to about 100 bytes: names stay short."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.settings = os.path.join(path, "session.json")
        self.token = os.path.join(path, "token")
        self.node_socket = os.path.join(path, "node.sock")
        self.control_socket = os.path.join(path, "control.sock")
        self.redis_socket = os.path.join(path, "redis.sock")
        self.node_pid = os.path.join(path, "node.pid")
        self.logs = os.path.join(path, "logs")
        self.spill = os.path.join(path, "spill")
        self.checkpoints = os.path.join(path, "checkpoints")

    def read_settings(self) -> NodeSettings:
        """Raises OSError or msgspec.DecodeError when the folder is no session's."""
        with open(self.settings, "rb") as file:
            return msgspec.json.decode(file.read(), type=NodeSettings)

    def read_token(self) -> str:
        """The secret that every connection proves."""
        with open(self.token, encoding="ascii") as file:
            return file.read().strip()

    def listen(self) -> socket.socket:
        """The node's socket, from now on: who connects before the node is there waits for its welcome.

        The folder keeps strangers out.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.node_socket)
        os.chmod(self.node_socket, 0o600)
        listener.listen(512)
        listener.setblocking(False)
        return listener

    def log(self, name: str) -> str:
        """Path of a log file."""
        return os.path.join(self.logs, name)
