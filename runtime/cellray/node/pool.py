"""The worker pool: a warm template process that forks workers, and what it tells of their ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import msgspec

from cellray.processes import end_process
from cellray.worker.settings import WorkerSettings

TEMPLATE_MODULE = "cellray.engines.template"
END_GRACE_S = 2.0
LOG_TAIL_BYTES = 2000


class TemplatePool:
    """`ports.WorkerPool` over one template process. `on_exited(pid, wait_status)` is called in the event loop."""

    def __init__(self, settings: WorkerSettings, log_path: str) -> None:
        self._pids: set[int] = set()
        self._doomed: set[int] = set()
        self._lines = b""
        self.on_exited: Callable[[int, int], None] = lambda _pid, _status: None
        self.on_template_lost: Callable[[str], None] = lambda _reason: None
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with open(log_path, "ab") as log_file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", TEMPLATE_MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
            )
        theirs.close()
        self._control.sendall(msgspec.json.encode(settings) + b"\n")
        self._log_path = log_path
        self._closing = False

    @property
    def pids(self) -> frozenset[int]:
        """Processes of living workers."""
        return frozenset(self._pids)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to listen to the template."""
        self._control.setblocking(False)
        loop.add_reader(self._control, self._on_readable, loop)

    def start(self, count: int) -> None:
        """Fork `count` workers; they connect when they are ready."""
        with contextlib.suppress(OSError):  # a lost template is reported by `_on_readable`
            self._control.sendall(f"fork {count}\n".encode())

    def kill(self, pid: int) -> None:
        """SIGKILL to a worker and what its tasks started."""
        if pid in self._pids:
            self._kill(pid)
        elif _is_there(pid):
            # It has connected before its template got to say that it has forked it: the machine is busy.
            self._doomed.add(pid)

    def _kill(self, pid: int) -> None:
        self._end_group(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _end_group(self, pid: int) -> None:
        """What a worker's tasks started ends with it, but for what has made itself a daemon."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)

    def _on_readable(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(self._control)
            if not self._closing:
                self.on_template_lost(self._how_template_ended())
            return
        *lines, self._lines = (self._lines + data).split(b"\n")
        for line in lines:
            word, *numbers = line.split()
            pid = int(numbers[0])
            if word == b"forked":
                self._pids.add(pid)
                if pid in self._doomed:
                    self._doomed.discard(pid)
                    self._kill(pid)
            else:
                self._end_group(pid)
                self._pids.discard(pid)
                self.on_exited(pid, int(numbers[1]))

    def _how_template_ended(self) -> str:
        # With its end, because the session's folder will be gone when somebody reads this.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_GRACE_S)
        with open(self._log_path, "rb") as log_file:
            tail = log_file.read()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        text = f"the workers' template process ended with status {self._process.returncode}"
        return f"{text}; the end of its log:\n{tail}\n" if tail else text

    def close(self) -> None:
        """Kill all workers and the template. Blocking, short."""
        self._closing = True
        with contextlib.suppress(OSError):
            asyncio.get_event_loop().remove_reader(self._control)
        for pid in self._pids:
            self._end_group(pid)
        self._control.close()
        end_process(self._process)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
