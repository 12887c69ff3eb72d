"""How much memory there is, for this process: of the machine, and within the limits of its control groups."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED_BYTES = 1 << 60
"""Control groups without a limit say so with a number beyond this, or with the word max."""


def available_memory_bytes() -> int:
    """Memory that programs can still take: of the machine, or of the control group where that is less."""
    return min(machine_available_bytes(), control_group_available_bytes())


def machine_available_bytes() -> int:
    """The kernel's estimate, or all physical memory where it makes none."""
    uses = machine_use()
    if uses:
        return uses[0][1] - uses[0][0]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def control_group_available_bytes() -> int:
    """The least room of this process's control group and those above it; `UNLIMITED_BYTES` without a limit."""
    return min((max(limit - used, 0) for used, limit in control_group_uses()), default=UNLIMITED_BYTES)


def memory_use() -> tuple[int, int]:
    """Bytes in use and bytes there are: of the machine, or of the control group that is nearest to its limit."""
    uses = [*machine_use(), *control_group_uses()]
    return max(uses, key=lambda use: use[0] / use[1], default=(0, 1))


def machine_use() -> list[tuple[int, int]]:
    """Bytes in use and bytes there are, where the kernel tells them."""
    total_bytes = read_statistic(PROC / "meminfo", "MemTotal:") * 1024
    available_bytes = read_statistic(PROC / "meminfo", "MemAvailable:") * 1024
    return [(total_bytes - available_bytes, total_bytes)] if available_bytes else []


def control_group_uses() -> list[tuple[int, int]]:
    """Bytes in use and the limit, of each control group of this process that has one.

    Page cache counts as used there but is given back under pressure, so it is taken off.
    """
    uses = []
    for folder in control_group_folders():
        for limit_name, used_name, cache_key in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit_bytes = read_number(folder / limit_name)
            if limit_bytes and limit_bytes < UNLIMITED_BYTES:
                used_bytes = read_number(folder / used_name) or 0
                uses.append((max(used_bytes - read_statistic(folder / "memory.stat", cache_key), 0), limit_bytes))
    return uses


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory: in our control groups, or on the machine."""
    counts = [read_statistic(PROC / "vmstat", "oom_kill")]
    for folder in control_group_folders():
        counts += [read_statistic(folder / name, "oom_kill") for name in ("memory.events", "memory.oom_control")]
    return sum(counts)


def control_group_folders() -> list[Path]:
    """Folders with memory limits that hold for this process: version 2 and version 1, each up to its root."""
    try:
        lines = (PROC / "self/cgroup").read_text().splitlines()
    except OSError:
        return []
    folders = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            root = CGROUPS
        elif "memory" in controllers.split(","):
            root = CGROUPS / "memory"
        else:
            continue
        # Inside a container the path may be that of the host, which does not exist here; the root then holds.
        folder = root / path.lstrip("/")
        while folder != root and root in folder.parents:
            folders.append(folder)
            folder = folder.parent
        folders.append(root)
    return folders


def read_number(path: Path) -> int | None:
    """A file that holds one number, or None where it does not."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def read_statistic(path: Path, key: str) -> int:
    """A number from a file of lines `key number` or `key number unit`, 0 where it has none."""
    try:
        for line in path.read_text().splitlines():
            name, _, number = line.partition(" ")
            if name == key:
                return int(number.split()[0])
    except (OSError, ValueError, IndexError):
        pass
    return 0
