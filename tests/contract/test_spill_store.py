"""What every spill store does, on disk or in memory: whole objects out of the arena and back, or an error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cellray.errors import SpillError
from cellray.ports import ObjectStore, SpillStore
from cellray.store import MappedStore, MemorySpill, MemoryStore, SpillFiles, create_arena, spill_quota_bytes
from cellray.store.spill import PIECE_BYTES

ARENA_BYTES = 3 * PIECE_BYTES


class Both(NamedTuple):
    """A spill store and the arena that it copies from and to; `tear` cuts one of its files short."""

    spill: SpillStore
    arena: ObjectStore
    tear: Callable[[int], None]


@pytest.fixture(params=["memory", "files"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Both]:
    if request.param == "memory":
        memory = MemoryStore(ARENA_BYTES)
        kept = MemorySpill(memory)
        yield Both(kept, memory, lambda spill_id: kept.files.update({spill_id: b"x"}))
        return
    fd = create_arena(ARENA_BYTES)
    mapped = MappedStore(fd)
    files = SpillFiles(str(tmp_path / "spill"), fd)
    os.close(fd)
    yield Both(files, mapped, lambda spill_id: os.truncate(tmp_path / "spill" / str(spill_id), 1))
    mapped.close()


@pytest.mark.parametrize("size", [0, 1, 100_000, PIECE_BYTES + 17])
def test_what_was_written_comes_back_elsewhere(both: Both, size: int) -> None:
    data = bytes(index % 251 for index in range(1000)) * (size // 1000 + 1)
    both.arena.write(64, [data[:size]])
    both.spill.write(1, 64, size)
    both.arena.write(64, [bytes(size)])
    both.spill.read(1, 128, size)
    assert bytes(both.arena.read(128, size, lambda: None)) == data[:size]
    both.spill.drop(1)
    with pytest.raises(SpillError):
        both.spill.read(1, 128, max(size, 1))


def test_a_file_that_was_cut_short_is_an_error(both: Both) -> None:
    both.spill.write(7, 0, 5000)
    both.tear(7)
    with pytest.raises(SpillError, match="bytes"):
        both.spill.read(7, 0, 5000)


def test_a_number_is_used_once_and_dropping_twice_is_nothing(both: Both) -> None:
    both.spill.write(1, 0, 10)
    both.spill.drop(1)
    both.spill.drop(1)
    both.spill.write(1, 0, 10)


def test_nothing_is_done_after_the_end(both: Both) -> None:
    both.spill.close()
    with pytest.raises(SpillError, match="session ends"):
        both.spill.write(1, 0, 10)


def test_a_disk_that_is_full_leaves_no_file(tmp_path: Path) -> None:
    memory = MemoryStore(1000)
    small = MemorySpill(memory, room_bytes=500)
    with pytest.raises(SpillError, match="No space left"):
        small.write(1, 0, 501)
    assert not small.files
    fd = create_arena(ARENA_BYTES)
    folder = tmp_path / "spill"
    files = SpillFiles(str(folder), fd)
    os.close(fd)
    folder.chmod(0o500)
    folder.rmdir()
    with pytest.raises(SpillError, match="No such file or directory in"):
        files.write(1, 0, 10)


def test_the_quota_is_a_share_of_the_free_disk(tmp_path: Path) -> None:
    assert spill_quota_bytes(str(tmp_path), 1000, 0.3) == 1000
    assert spill_quota_bytes(str(tmp_path), 0, 0.3) == 0
    assert 0 < spill_quota_bytes(str(tmp_path), 1 << 60, 0.3) < 1 << 60
    assert spill_quota_bytes(str(tmp_path / "missing"), 1000, 0.3) == 0
