"""What the node starts as the workers' template: the process side of `worker/` with this engine plugged in.

python -m cellray.engines.template <control descriptor>     (settings come as the first line on it)
"""

from __future__ import annotations

import cellray.quick_start  # noqa: F401

# isort: split

import atexit
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from cellray.api import current, remote_function, verbs
from cellray.client.connect import Connected, connect
from cellray.config import Config
from cellray.engines.native import NativeEngine
from cellray.store import MappedStore
from cellray.wire import Hello
from cellray.worker.main import Worker
from cellray.worker.raw_output import redirect_descriptors
from cellray.worker.settings import WorkerSettings
from cellray.worker.template import serve

_ = remote_function, verbs  # tasks use them: imported once, before workers are forked


def run_worker(settings: WorkerSettings) -> None:
    """In a forked worker: connect and work until the node ends the connection."""
    files = redirect_descriptors(settings.log_folder)
    atexit._clear()  # what was imported before the fork has registered: the worker runs its tasks' handlers only
    hello = Hello(settings.token, "worker", os.getpid())
    connected = connect(settings.socket_path, hello, settings.connect_timeout_s)
    config = msgspec.msgpack.decode(connected.welcome.config, type=Config)
    worker = Worker(
        lambda handlers: _make_engine(connected, config, handlers),
        config.output_bytes_max_per_s,
        files,
        settings.checkpoint_folder,
        config.checkpoint_inline_bytes_max,
    )
    worker.run()


def _make_engine(connected: Connected, config: Config, handlers: dict[type, Callable[[Any], None]]) -> NativeEngine:
    store = MappedStore(connected.arena_fd)
    os.close(connected.arena_fd)
    engine = NativeEngine(connected, store, config, role="worker", handlers=handlers)
    current.set_engine(engine)
    return engine


def main() -> None:
    """Read the settings, then fork workers until the node goes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    line = b""
    while not line.endswith(b"\n"):
        piece = control.recv(1)
        if not piece:
            return
        line += piece
    serve(control, msgspec.json.decode(line, type=WorkerSettings), run_worker)


if __name__ == "__main__":
    main()
