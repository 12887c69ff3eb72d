"""How a child process is ended."""

from __future__ import annotations

import subprocess
from contextlib import suppress

KILLED_S_MAX = 2.0
"""The kernel ends a killed process at once, unless it hangs in a disk: whoever ends it goes on then."""


def end_process(process: subprocess.Popen[bytes], patience_s: float = 0.0) -> None:
    """In an orderly way if it ends within `patience_s`, else with SIGKILL. One that has ended is only buried."""
    if patience_s:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILLED_S_MAX)
