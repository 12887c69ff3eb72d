"""Drivers in processes of their own: run to their end, or talked to while they run."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

SCRIPT_S_MAX = 60.0


def run_script(
    code: str, *arguments: str, environment: dict[str, str] | None = None, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run `code` as a driver's `__main__` until it ends; its output as text. `prefix` goes before the command."""
    return subprocess.run(
        [*prefix, *_command(code), *arguments],
        capture_output=True,
        text=True,
        timeout=SCRIPT_S_MAX,
        env={**os.environ, **(environment or {})},
        check=False,
    )


def _command(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", textwrap.dedent(code)]


class Script:
    """A driver that runs. `expect` reads what it prints."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.output = ""

    @property
    def pid(self) -> int:
        return self.process.pid

    def expect(self, text: str, timeout_s: float = SCRIPT_S_MAX) -> str:
        """Until it has printed `text`; the rest of that line."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout_s
        while True:
            _, found, after = self.output.partition(text)
            if found and "\n" in after:
                rest, _, self.output = after.partition("\n")
                return rest.strip()
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not piece:
                why = "it ended" if ready else "it took too long"
                raise AssertionError(f"{text!r} was not printed, {why}:\n{self.output}")
            self.output += piece.decode(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = SCRIPT_S_MAX) -> int:
        """Its exit status."""
        return self.process.wait(timeout_s)


@contextmanager
def running_script(code: str, *arguments: str) -> Iterator[Script]:
    """Start `code` as a driver; it is killed at the end if it still runs."""
    process = subprocess.Popen([*_command(code), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield Script(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
