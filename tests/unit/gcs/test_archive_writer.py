"""`gcs/archive/writer.py`: one process writes, and whatever fails or kills it, the next one goes on."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cellray.errors import LogError
from cellray.gcs.archive.key_index import LAYOUT, KeyIndex
from cellray.gcs.archive.layout import INDEX_NAME, list_segments, part_path
from cellray.gcs.archive.reader import ArchiveReader
from cellray.gcs.archive.segment import SegmentWriter
from cellray.gcs.archive.writer import ArchiveWriter
from cellray.gcs.log_index import subject_key
from cellray.ids import child_task_id

from tests.helpers.archives import KEY, PREFIX, opened, read_all, records, write
from tests.helpers.small_disk import files_of_at_most


@contextmanager
def nothing_left_open() -> Iterator[None]:
    """No descriptor is left, whatever is raised."""
    before = len(os.listdir("/proc/self/fd"))
    try:
        yield
    finally:
        assert len(os.listdir("/proc/self/fd")) == before


def spoil(path: Path) -> None:
    """The same file, with other bytes: what had it open meets them too."""
    with path.open("r+b") as file:
        file.write(b"no database " * (path.stat().st_size // 12))


def test_what_a_killed_writer_left_is_written_again(folder: Path) -> None:
    write(folder, records(1, 10))
    part_path(folder, 11).write_bytes(b"half a segment")
    writer = ArchiveWriter(folder)
    assert writer.written == 10
    assert not part_path(folder, 11).exists()
    writer.close()


def test_two_writers_of_one_archive_are_refused(folder: Path) -> None:
    writer = ArchiveWriter(folder)
    with pytest.raises(BlockingIOError, match="being written by another process"), nothing_left_open():
        ArchiveWriter(folder)
    writer.close()
    ArchiveWriter(folder).close()


def test_a_segment_that_the_index_does_not_know_is_added_to_it(folder: Path) -> None:
    write(folder, records(1, 10), records(11, 20))
    key = subject_key(child_task_id(PREFIX, 15))
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(b"no database" * 99)):
        damage(folder / INDEX_NAME)
        assert ArchiveReader(folder).find([key]) == records(1, 20), "read without it"
        ArchiveWriter(folder).close()
        reader = ArchiveReader(folder)
        assert reader.find([key]) == records(1, 20)
        reader.close()


def test_the_oldest_segment_can_be_given_up_and_is_a_gap_then(folder: Path) -> None:
    write(folder, records(1, 10), records(11, 20))
    writer = ArchiveWriter(folder)
    gone = writer.forget_oldest()
    assert gone is not None
    assert (gone.first, gone.last) == (1, 10)
    assert writer.forget_oldest() is None, "the newest stays"
    writer.close()
    reader = ArchiveReader(folder)
    assert read_all(reader) == records(11, 20)
    assert [(gap.first, gap.last) for gap in reader.gaps] == [(1, 10)]


def test_an_index_that_cannot_be_made_leaves_nothing_open_and_the_archive_free(folder: Path) -> None:
    (folder / INDEX_NAME / "in its place").mkdir(parents=True)
    with nothing_left_open(), pytest.raises(OSError, match=INDEX_NAME):
        ArchiveWriter(folder)
    shutil.rmtree(folder / INDEX_NAME)
    write(folder, records(1, 5))


def test_an_index_of_another_layout_is_made_again(folder: Path) -> None:
    write(folder, records(1, 5))
    with closing(sqlite3.connect(folder / INDEX_NAME)) as other:
        other.execute("drop table entries")
        other.execute("create table entries (other text)")
        other.execute(f"pragma user_version = {LAYOUT + 1}")
        other.commit()
    with pytest.raises(LogError, match="another layout"):
        KeyIndex(folder / INDEX_NAME, writable=True)
    write(folder, records(6, 9))
    with opened(folder) as reader:
        assert reader.find([KEY]) == records(1, 9)


def test_an_index_damaged_under_its_writer_costs_no_record(folder: Path) -> None:
    write(folder, records(1, 100))
    with nothing_left_open(), closing(ArchiveWriter(folder)) as writer:
        spoil(folder / INDEX_NAME)
        for one in records(101, 105):
            writer.add(one)
        with pytest.raises(LogError, match="made again"):
            writer.close_segment()
        assert writer.written == 105, "the segment is there"
    ArchiveWriter(folder).close()
    with opened(folder) as reader:
        assert reader.find([KEY]) == read_all(reader) == records(1, 105)


def test_the_oldest_goes_also_when_the_index_takes_nothing(folder: Path) -> None:
    write(folder, records(1, 100), records(101, 105))
    with closing(ArchiveWriter(folder)) as writer:
        spoil(folder / INDEX_NAME)
        gone = writer.forget_oldest()
        assert gone is not None
        assert not gone.path.exists()


def test_the_index_forgets_segments_that_are_gone(folder: Path) -> None:
    write(folder, records(1, 10), records(11, 20))
    list_segments(folder)[0].path.unlink()
    ArchiveWriter(folder).close()
    with closing(KeyIndex(folder / INDEX_NAME)) as index:
        assert index.segments() == {11}
        assert index.find(KEY).keys() == {11}


@pytest.mark.parametrize("how", ["add", "close_segment"])
def test_a_disk_that_is_full_leaves_no_part_and_what_was_added_is_added_again(folder: Path, how: str) -> None:
    with nothing_left_open(), closing(ArchiveWriter(folder)) as writer:
        for one in records(1, 10):
            writer.add(one)
        writer.close_segment()

        def fill() -> None:
            for one in records(11, 60_000 if how == "add" else 500):
                writer.add(one)
            writer.close_segment()

        with files_of_at_most(10_000), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            fill()
        assert writer.written == 10
        assert not list(folder.glob("*.part"))
        for one in records(11, 20):
            writer.add(one)
        writer.close_segment()
    with opened(folder) as reader:
        assert read_all(reader) == records(1, 20)


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: (path.unlink(), path.mkdir())])
def test_a_part_is_abandoned_whatever_became_of_it(folder: Path, harm: Callable[[Path], object]) -> None:
    folder.mkdir()
    with nothing_left_open():
        segment = SegmentWriter(folder, 1)
        for one in records(1, 5):
            segment.add(one)
        harm(part_path(folder, 1))
        segment.abandon()
