"""Which machine, which Python, which commit a measurement is of."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import NamedTuple


class Machine(NamedTuple):
    """What a reader needs to judge the figures."""

    cpu: str
    cores: int
    kernel: str
    python: str
    commit: str


def this_machine(root: Path) -> Machine:
    """The commit has a `+` when the working tree differs from it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(_cpu(), cores, f"{platform.system()} {platform.release()}", platform.python_version(), _commit(root))


def load_average() -> float:
    """Processes that wanted to run, over the last minute: well above ours, the figures are those of a busy machine."""
    return os.getloadavg()[0]


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit(root: Path) -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
