"""Copying into the arena, by several threads where it pays.

`ctypes.memmove` lets other threads run meanwhile; slices of memoryviews do not. Two threads copy 1.5 times as fast
as one into warm pages and twice as fast into fresh ones, so that a large write costs less than its memory traffic
in one thread would. Threads are made at the first large write and kept.
"""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import Future, ThreadPoolExecutor

PARALLEL_BYTES_MIN = 512 * 1024
"""Shorter parts are copied by the calling thread: handing over costs more than it gains."""
COPY_THREADS_MAX = 4
"""A few threads saturate the memory bus."""
PAGE_BYTES = 4096


class PyBuffer(ctypes.Structure):
    """CPython's `Py_buffer`, part of the stable ABI since 3.11."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


get_buffer = ctypes.pythonapi.PyObject_GetBuffer
get_buffer.argtypes = (ctypes.py_object, ctypes.POINTER(PyBuffer), ctypes.c_int)
release_buffer = ctypes.pythonapi.PyBuffer_Release
release_buffer.argtypes = (ctypes.POINTER(PyBuffer),)


class Copier:
    """Copies bytes to an address; its threads are its own."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or min(usable_cpus(), COPY_THREADS_MAX)
        self._pool: ThreadPoolExecutor | None = None
        self._pool_pid = 0

    def copy(self, target_address: int, part: bytes | memoryview) -> None:
        """Copy all of `part`, which must be contiguous, to `target_address`."""
        buffer = PyBuffer()
        get_buffer(part, ctypes.byref(buffer), 0)
        try:
            if buffer.len < PARALLEL_BYTES_MIN or self._threads == 1:
                ctypes.memmove(target_address, buffer.buf, buffer.len)
            else:
                self._copy_in_parallel(target_address, buffer.buf, buffer.len)
        finally:
            release_buffer(ctypes.byref(buffer))

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None and self._pool_pid == os.getpid():
            self._pool.shutdown(wait=True)
        self._pool = None

    def _copy_in_parallel(self, target_address: int, source_address: int, size: int) -> None:
        """Equal shares; the calling thread takes the last."""
        pending: list[Future[int]] = []
        begin = 0
        try:
            for thread in range(1, self._threads):
                end = size * thread // self._threads
                # Borders lie on pages of the target, so that no two threads meet in one page fault.
                end -= (target_address + end) % PAGE_BYTES
                future = self._submit(target_address + begin, source_address + begin, end - begin)
                if future is None:
                    break
                pending.append(future)
                begin = end
            ctypes.memmove(target_address + begin, source_address + begin, size - begin)
        finally:
            for future in pending:
                future.result()

    def _submit(self, target_address: int, source_address: int, size: int) -> Future[int] | None:
        """Give a share to the pool; None where threads cannot be started any more, as while Python ends."""
        pool = self._pool
        if pool is None or self._pool_pid != os.getpid():
            # After a fork the parent's threads are not here.
            pool = self._pool = ThreadPoolExecutor(self._threads - 1, thread_name_prefix="cellray-copy")
            self._pool_pid = os.getpid()
        try:
            return pool.submit(ctypes.memmove, target_address, source_address, size)
        except RuntimeError:
            return None


def usable_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
