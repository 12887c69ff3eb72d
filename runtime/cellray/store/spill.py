"""Spilled objects on disk: one file each in the session's folder, written and read in large pieces.

A file is complete or not there: space is taken before the first byte is written, so that a full disk is an error
while the object still lies in memory, and what a failed write has left is removed. Files are not synced, because they
do not outlive their node.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import shutil

from cellray.errors import SpillError

PIECE_BYTES = 8 * 1024 * 1024
"""One write or read; between two of them `close` takes effect."""


class SpillFiles:
    """`ports.SpillStore` in a folder, over the node's own mapping of the arena. Used by one thread at a time."""

    def __init__(self, folder: str, arena_fd: int) -> None:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._folder = folder
        self._arena = memoryview(mmap.mmap(arena_fd, os.fstat(arena_fd).st_size))
        self._closed = False

    def write(self, spill_id: int, offset: int, object_bytes: int) -> None:
        """Copy a range of the arena to a new file. Raises SpillError; no file is left then."""
        path = self._path(spill_id)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _reserve(descriptor, object_bytes)
                at = 0
                while at < object_bytes:
                    piece = self._arena[offset + at : offset + min(at + PIECE_BYTES, object_bytes)]
                    at += os.write(descriptor, piece)
                    self._check_open()
            finally:
                os.close(descriptor)
        except (OSError, SpillError) as error:
            self.drop(spill_id)
            raise SpillError(_reason(error, self._folder)) from error

    def read(self, spill_id: int, offset: int, object_bytes: int) -> None:
        """Copy a file to a range of the arena. Raises SpillError when it cannot be read or is too short."""
        try:
            descriptor = os.open(self._path(spill_id), os.O_RDONLY)
            try:
                at = 0
                while at < object_bytes:
                    piece = self._arena[offset + at : offset + min(at + PIECE_BYTES, object_bytes)]
                    count = os.readv(descriptor, [piece])
                    if not count:
                        raise SpillError(f"its file has {at} of {object_bytes} bytes")
                    at += count
                    self._check_open()
            finally:
                os.close(descriptor)
        except (OSError, SpillError) as error:
            raise SpillError(_reason(error, self._folder)) from error

    def drop(self, spill_id: int) -> None:
        """Remove a file; nothing when there is none."""
        with contextlib.suppress(OSError):
            os.unlink(self._path(spill_id))

    def close(self) -> None:
        """From any thread: what is under way fails at its next piece, and so does what comes."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise SpillError("the session ends")

    def _path(self, spill_id: int) -> str:
        return os.path.join(self._folder, str(spill_id))


def spill_quota_bytes(folder: str, bytes_max: int, disk_share: float) -> int:
    """Disk space that spilled objects may take: `bytes_max`, or `disk_share` of what is free now where that is less."""
    try:
        free_bytes = shutil.disk_usage(folder).free
    except OSError:
        return 0
    return min(bytes_max, int(free_bytes * disk_share))


def _reserve(descriptor: int, object_bytes: int) -> None:
    if hasattr(os, "posix_fallocate") and object_bytes:
        try:
            os.posix_fallocate(descriptor, 0, object_bytes)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # file systems that cannot say beforehand
                raise


def _reason(error: BaseException, folder: str) -> str:
    if isinstance(error, OSError):
        return f"{os.strerror(error.errno or 0)} in {folder}"
    return str(error)
