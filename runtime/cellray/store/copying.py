"""Copying into the arena, by several threads where it pays.

`ctypes.memmove` lets other threads run meanwhile; slices of memoryviews do not. Two threads copy 1.5 times as fast
as one into warm pages and twice as fast into fresh ones, so that a large write costs less than its memory traffic
in one thread would. Threads are made at the first large write and kept.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

PARALLEL_BYTES_MIN = 512 * 1024
"""Shorter parts are copied by the calling thread: handing over costs more than it gains."""
COPY_THREADS_MAX = 4
"""A few threads saturate the memory bus."""
PIECES_PER_THREAD = 2
"""Large pieces: above some 20 MB the C library writes past the caches, which saves reading what is overwritten."""
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
        """Threads take one piece after another: one that the kernel holds up leaves the rest to the others."""
        piece_bytes = -(-size // (self._threads * PIECES_PER_THREAD) // PAGE_BYTES) * PAGE_BYTES
        # Borders lie on pages of the target, so that no two threads meet in one page fault.
        pieces = iter(range(-(target_address % PAGE_BYTES), size, piece_bytes))

        def work() -> None:
            for at in pieces:  # to take the next is one step for all threads
                begin, end = max(at, 0), min(at + piece_bytes, size)
                ctypes.memmove(target_address + begin, source_address + begin, end - begin)

        helpers = [self._submit(work) for _ in range(1, self._threads)]
        try:
            work()
        finally:
            for helper in helpers:
                if helper is not None and not helper.cancel():
                    helper.result()

    def _submit(self, work: Callable[[], None]) -> Future[None] | None:
        """Have a thread of the pool help; None where threads cannot be started any more, as while Python ends."""
        pool = self._pool
        if pool is None or self._pool_pid != os.getpid():
            # After a fork the parent's threads are not here.
            pool = self._pool = ThreadPoolExecutor(self._threads - 1, thread_name_prefix="cellray-copy")
            self._pool_pid = os.getpid()
        try:
            return pool.submit(work)
        except RuntimeError:
            return None


def usable_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
