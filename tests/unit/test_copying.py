"""Copies by several threads are whole, wherever they begin and end."""

from __future__ import annotations

import ctypes
import os

import pytest
from cellray.store.copying import PAGE_BYTES, PARALLEL_BYTES_MIN, Copier

SOURCE = os.urandom(4 * PARALLEL_BYTES_MIN)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("offset", [0, 1, 64, PAGE_BYTES - 1, PAGE_BYTES])
@pytest.mark.parametrize(
    "size", [0, 1, PARALLEL_BYTES_MIN - 1, PARALLEL_BYTES_MIN, PARALLEL_BYTES_MIN + 4097, len(SOURCE)]
)
def test_every_byte_and_no_other(threads: int, offset: int, size: int) -> None:
    margin = 100
    target = bytearray(b"\xaa" * (PAGE_BYTES * 2 + margin + size))
    anchor = ctypes.c_char.from_buffer(target)
    copier = Copier(threads)
    copier.copy(ctypes.addressof(anchor) + offset + margin, memoryview(SOURCE)[:size])
    copier.close()
    del anchor
    begin = offset + margin
    assert target[begin : begin + size] == SOURCE[:size]
    assert set(target[:begin]) | set(target[begin + size :]) == {0xAA}
