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
from cellray.store.machine_memory import available_memory_bytes

MB = 1_000_000
ARENA_BYTES_MIN = 64 * MB
ARENA_BYTES_MAX = 200_000 * MB
"""The most that is taken by default (as in Ray)."""
ARENA_SHARE = 0.3
"""Share of the available memory that is taken by default (as in Ray)."""

MEMORY_FILES = Path("/dev/shm")


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
