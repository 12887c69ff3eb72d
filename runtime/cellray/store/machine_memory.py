"""How much memory there is, for this process: of the machine, and within the limits of its control groups.

A node looks several times a second for as long as it lives, so that files are read with as few steps as can be.
"""

from __future__ import annotations

import functools
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
    total_bytes, available_bytes = (
        kilobytes * 1024 for kilobytes in read_statistics(PROC / "meminfo", "MemTotal:", "MemAvailable:")
    )
    return [(total_bytes - available_bytes, total_bytes)] if available_bytes else []


def control_group_uses() -> list[tuple[int, int]]:
    """Bytes in use and the limit, of each control group of this process that has one.

    Page cache counts as used there but is given back under pressure, so it is taken off.
    """
    uses = []
    for folder in control_group_folders():
        for limit_file, used_file, statistics, cache_key in _memory_files(folder):
            limit_bytes = read_number(limit_file)
            if limit_bytes and limit_bytes < UNLIMITED_BYTES:
                used_bytes = read_number(used_file) or 0
                uses.append((max(used_bytes - read_statistics(statistics, cache_key)[0], 0), limit_bytes))
    return uses


@functools.cache
def _memory_files(folder: Path) -> tuple[tuple[Path, Path, Path, str], ...]:
    """Of a control group, in version 2 and 1: its limit, what it uses, and where how much of that is page cache."""
    return (
        (folder / "memory.max", folder / "memory.current", folder / "memory.stat", "inactive_file"),
        (
            folder / "memory.limit_in_bytes",
            folder / "memory.usage_in_bytes",
            folder / "memory.stat",
            "total_inactive_file",
        ),
    )


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory: in our control groups, or on the machine."""
    counts = read_statistics(PROC / "vmstat", "oom_kill")
    for folder in control_group_folders():
        for name in ("memory.events", "memory.oom_control"):
            counts += read_statistics(folder / name, "oom_kill")
    return sum(counts)


def control_group_folders() -> list[Path]:
    """Folders with memory limits that hold for this process: version 2 and version 1, each up to its root."""
    try:
        return _folders(_read(PROC / "self/cgroup"), CGROUPS)
    except OSError:
        return []


@functools.cache
def _folders(groups: bytes, mounted: Path) -> list[Path]:
    """Of the control groups that a process's `cgroup` file names."""
    folders = []
    for line in groups.decode().splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            root = mounted
        elif "memory" in controllers.split(","):
            root = mounted / "memory"
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
        return int(_read(path))
    except (OSError, ValueError):
        return None


def read_statistics(path: Path, *keys: str) -> list[int]:
    """Numbers from a file of lines `key number` or `key number unit`, 0 where it has none."""
    try:
        lines = b"\n" + _read(path)
    except OSError:
        lines = b""
    return [_number_of(lines, b"\n%b " % key.encode()) for key in keys]


def _number_of(lines: bytes, begin: bytes) -> int:
    _, found, rest = lines.partition(begin)
    try:
        return int(rest.split(None, 1)[0]) if found else 0
    except (ValueError, IndexError):
        return 0


def _read(path: Path) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.readall()
