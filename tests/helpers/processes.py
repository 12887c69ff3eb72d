"""A session's processes: which is which, and whether one has ended."""

from __future__ import annotations

from pathlib import Path

import psutil


def has_ended(pid: int) -> bool:
    """True for a zombie too, which only waits to be buried: who its parent is, and when that looks, is none of ours."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def redis_server_of(session_folder: str) -> psutil.Process:
    """The server that the session's node has started."""
    node = psutil.Process(int(Path(session_folder, "node.pid").read_text()))
    return next(child for child in node.children() if child.name() == "redis-server")
