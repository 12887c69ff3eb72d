"""The arena: a node's shared memory as one descriptor, without a name anywhere.

On Linux it is a memfd: it is gone with the last process that has it, also when all of them are killed, and the
64 MB that containers give /dev/shm do not limit it. Elsewhere it is an unlinked file in the temporary folder. It is
sparse: memory is taken when a page is first written, and stays, because fresh pages are what makes writing slow.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from cellray.errors import ObjectStoreFullError

MB = 1_000_000
ARENA_BYTES_MIN = 64 * MB
ARENA_BYTES_MAX = 200_000 * MB
"""The most that is taken by default (as in Ray)."""
ARENA_SHARE = 0.3
"""Share of the available memory that is taken by default (as in Ray)."""

MEMORY_FILES = Path("/dev/shm")
PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED_BYTES = 1 << 60
"""Control groups without a limit say so with a number beyond this, or with the word max."""


def create_arena(arena_bytes: int) -> int:
    """A descriptor of `arena_bytes` zero bytes to be mapped shared; closed on exec unless passed on.

    Raises ObjectStoreFullError when there cannot be room for it, saying what to change.
    """
    check_room(arena_bytes)
    fd = create_memory_file() if has_memfd() else create_unlinked_file()
    try:
        os.ftruncate(fd, arena_bytes)
        forbid_resizing(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def default_arena_bytes() -> int:
    """What a node takes when the user does not say: 30% of the available memory, within bounds."""
    share = int(available_memory_bytes() * ARENA_SHARE)
    if not has_memfd():
        share = min(share, shutil.disk_usage(backing_folder()).free * 9 // 10)
    return min(max(share, ARENA_BYTES_MIN), ARENA_BYTES_MAX)


def check_room(arena_bytes: int) -> None:
    """Raise ObjectStoreFullError, with sizes and what to do, when an arena of this size could never be filled."""
    if arena_bytes <= 0:
        raise ValueError(f"an object store of {arena_bytes} bytes: the size must be positive")
    available_bytes = available_memory_bytes()
    if arena_bytes > available_bytes:
        raise ObjectStoreFullError(
            f"an object store of {in_mb(arena_bytes)} was asked for, but this machine (or container) has only "
            f"{in_mb(available_bytes)} of memory available. Ask for less with "
            f"init(object_store_memory={suggested_bytes(available_bytes)}), or free memory first."
        )
    if has_memfd():
        return
    folder = backing_folder()
    free_bytes = shutil.disk_usage(folder).free
    if arena_bytes > free_bytes:
        larger = "start the container with a larger docker --shm-size, " if folder == MEMORY_FILES else ""
        raise ObjectStoreFullError(
            f"an object store of {in_mb(arena_bytes)} was asked for, but {folder}, where it would lie, has only "
            f"{in_mb(free_bytes)} free. Free some of it, {larger}or ask for less with "
            f"init(object_store_memory={suggested_bytes(free_bytes)})."
        )


def available_memory_bytes() -> int:
    """Memory that programs can still take: of the machine, or of the control group where that is less."""
    return min(machine_available_bytes(), control_group_available_bytes())


def machine_available_bytes() -> int:
    """The kernel's estimate, or all physical memory where it makes none."""
    try:
        for line in (PROC / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def control_group_available_bytes() -> int:
    """The least room of this process's control group and those above it; `UNLIMITED_BYTES` without a limit.

    Page cache counts as used there but is given back under pressure, so it is added again.
    """
    least = UNLIMITED_BYTES
    for folder in control_group_folders():
        for limit_name, used_name, cache_key in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit_bytes = read_number(folder / limit_name)
            if limit_bytes is None or limit_bytes >= UNLIMITED_BYTES:
                continue
            used_bytes = read_number(folder / used_name) or 0
            cache_bytes = read_statistic(folder / "memory.stat", cache_key)
            least = min(least, max(limit_bytes - used_bytes + cache_bytes, 0))
    return least


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
    """A number from a file of `key number` lines, 0 where it has none."""
    try:
        for line in path.read_text().splitlines():
            name, _, number = line.partition(" ")
            if name == key:
                return int(number)
    except (OSError, ValueError):
        pass
    return 0


def has_memfd() -> bool:
    """Whether memory files without a name can be made."""
    return hasattr(os, "memfd_create")


def backing_folder() -> Path:
    """Where the file lies when there are no memory files."""
    return MEMORY_FILES if os.access(MEMORY_FILES, os.W_OK) else Path(tempfile.gettempdir())


def create_memory_file() -> int:
    """A memory file that can be sealed."""
    return os.memfd_create("cellray-arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def create_unlinked_file() -> int:
    """A file that is gone as soon as nobody has it open."""
    fd, path = tempfile.mkstemp(prefix="cellray-arena-", dir=backing_folder())
    os.unlink(path)
    return fd


def forbid_resizing(fd: int) -> None:
    """Nobody may shrink the arena: a process that reads a page that is gone is killed by SIGBUS."""
    if sys.platform == "linux" and has_memfd():
        import fcntl

        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)


def suggested_bytes(available_bytes: int) -> int:
    """A size to propose where `available_bytes` were too few: half of them, in whole MB."""
    return max(available_bytes // 2 // MB, 1) * MB


def in_mb(size_bytes: int) -> str:
    """For people."""
    return f"{size_bytes / MB:,.0f} MB"
