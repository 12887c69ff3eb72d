"""A session's folder."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

from cellray.node.settings import SessionFolder


def test_a_worker_that_is_faster_than_its_node_waits_to_be_welcomed(tmp_path: Path) -> None:
    folder = SessionFolder(str(tmp_path))
    with folder.listen() as listener, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as worker:
        assert stat.S_IMODE(Path(folder.node_socket).stat().st_mode) == 0o600
        worker.settimeout(10)
        worker.connect(folder.node_socket)
        worker.sendall(b"hello")
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"
