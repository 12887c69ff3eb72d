"""Keeps an archiver beside the node once the log has grown: starts it, hears what it gave up, starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
import time
from collections.abc import Callable

from cellray.model.fact import LogForgotten
from cellray.node.settings import SessionFolder
from cellray.processes import end_process

log = logging.getLogger(__name__)
START_ABOVE = 0.15
"""Share of the memory's limit that has been logged when the archiver is started. Most sessions never need one, which
takes as much memory as the node."""
RESTART_PAUSE_S_MIN = 0.2
RESTART_PAUSE_S_MAX = 30.0
LASTED_S = 60.0
"""An archiver that ran for this long did not fail at once."""


class ArchiveKeeper:
    """On the node's loop only. `on_forgotten` is told what was given up."""

    def __init__(self, folder: SessionFolder, memory_bytes_max: int) -> None:
        """`memory_bytes_max` is the limit of the server's memory; 0: there is none, and nothing to do."""
        self.on_forgotten: Callable[[list[LogForgotten]], None] = lambda _facts: None
        self._folder = folder
        self._start_above_bytes = START_ABOVE * memory_bytes_max if memory_bytes_max else None
        self._logged_bytes = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause_s = RESTART_PAUSE_S_MIN
        self._restart: asyncio.TimerHandle | None = None
        self._heard = b""
        self._closed = False

    def on_written(self, count: int) -> None:
        """So many bytes more were logged."""
        self._logged_bytes += count
        needed = self._start_above_bytes is not None and self._logged_bytes > self._start_above_bytes
        if needed and self._process is None and self._restart is None and not self._closed:
            self._start()

    def close(self) -> None:
        """End it; with a loop that has ended too. Blocking, short."""
        self._closed = True
        if self._restart is not None:
            self._restart.cancel()
        if self._process is not None:
            # What it has not written is in Redis still: there is nothing to wait for.
            self._end(self._process)

    def _start(self) -> None:
        self._restart = None
        try:
            with open(self._folder.log("archiver.out"), "ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "cellray.node.archiver", self._folder.path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                )
        except OSError as error:
            log.warning("the archiver cannot be started: %s", error)
            self._start_later()
            return
        self._started_at = time.monotonic()
        assert self._process.stdout is not None
        asyncio.get_running_loop().add_reader(self._process.stdout.fileno(), self._on_readable, self._process)

    def _on_readable(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        data = process.stdout.read1(65536)  # type: ignore[attr-defined]
        if not data:
            self._on_ended(process)
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            word, first, last, why = line.decode(errors="replace").split(" ", 3)
            if word == "forgotten":
                log.warning("records %s to %s of the log were given up: %s", first, last, why)
                self.on_forgotten([LogForgotten(int(first), int(last), time.time(), why)])

    def _on_ended(self, process: subprocess.Popen[bytes]) -> None:
        self._end(process)
        log.warning("the archiver ended with status %s; it is started again", process.returncode)
        if time.monotonic() - self._started_at > LASTED_S:
            self._pause_s = RESTART_PAUSE_S_MIN
        self._start_later()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._heard = None, b""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and what it knew with it
            asyncio.get_running_loop().remove_reader(process.stdout.fileno())
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stdin.close()
        end_process(process)

    def _start_later(self) -> None:
        self._restart = asyncio.get_running_loop().call_later(self._pause_s, self._start)
        self._pause_s = min(2 * self._pause_s, RESTART_PAUSE_S_MAX)
