"""`gcs/archive/reader.py`: an archive that grows, shrinks and is damaged while it is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cellray.errors import LogError
from cellray.gcs.archive import reader as reader_module
from cellray.gcs.archive.layout import INDEX_NAME, list_segments
from cellray.gcs.archive.reader import GIVEN_UP, ArchiveReader
from cellray.gcs.archive.whole import WholeLogReader
from cellray.gcs.memory import MemoryLog, MemoryLogReader

from tests.helpers.archives import KEY, opened, read_all, records, write


def open_files(folder: Path) -> int:
    """Segments that this process has open."""
    targets = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    return sum(target.startswith(f"{folder}/facts-") for target in targets)


def test_an_archive_that_grows_while_it_is_read_is_read_to_its_end(folder: Path) -> None:
    write(folder, records(1, 10))
    reader = ArchiveReader(folder)
    assert reader.read(0, 10) == records(1, 10)
    write(folder, records(11, 20), records(21, 30))
    assert reader.read(10, 5) == [], "it has not looked"
    reader.refresh()
    assert reader.read(10, 5) == records(11, 15)
    assert reader.read(15, 50) == records(16, 30)
    write(folder, records(31, 40))
    reader.refresh()
    assert reader.read(30, 50) == records(31, 40)
    reader.close()


@pytest.mark.usefixtures("small_groups")
def test_more_segments_than_may_be_open_are_read_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "OPEN_SEGMENTS_MAX", 2)
    write(folder, *[records(first, first + 19) for first in range(1, 100, 20)])
    with opened(folder) as reader:
        found = reader.read(0, 5)
        while some := reader.read(found[-1].sequence, 5):
            found += some
            assert reader.find([KEY]) == records(1, 100), "all five segments are opened for this"
            assert open_files(folder) <= 2
        assert found == records(1, 100)
        assert reader.gaps == []


def test_a_segment_that_was_given_up_is_closed_and_a_hole_only(folder: Path) -> None:
    write(folder, records(1, 10), records(11, 20), records(21, 30))
    first, second, _ = list_segments(folder)
    second.path.write_bytes(b"damaged")
    with opened(folder) as reader:
        assert read_all(reader) == records(1, 10) + records(21, 30)
        assert open_files(folder) == 2
        assert [(gap.first, gap.last, "damaged" in gap.reason) for gap in reader.gaps] == [(11, 20, True)]
        first.path.unlink()
        second.path.unlink()
        reader.refresh()
        assert open_files(folder) == 1
        assert reader.gaps == [(1, 20, GIVEN_UP)]


def test_the_first_record_of_a_key_is_looked_for_where_there_is_one_still(folder: Path) -> None:
    write(folder, records(1, 10), records(11, 20))
    list_segments(folder)[0].path.unlink()  # and the index has not been told
    with opened(folder) as reader:
        assert reader.find([KEY], first_only=True) == records(11, 11)


def test_without_an_index_what_comes_later_is_found_too(folder: Path) -> None:
    write(folder, records(1, 10))
    (folder / INDEX_NAME).write_bytes(b"no database" * 500)
    with opened(folder) as reader:
        assert reader.find([KEY]) == records(1, 10)
        write(folder, records(11, 20))  # which makes the index again
        reader.refresh()
        assert reader.find([KEY]) == records(1, 20)


def test_an_index_damaged_while_it_is_read_is_done_without(folder: Path) -> None:
    write(folder, records(1, 100))
    with opened(folder) as reader:
        assert reader.find([KEY]) == records(1, 100)
        index = folder / INDEX_NAME
        with index.open("r+b") as file:
            file.write(b"no database " * (index.stat().st_size // 12))
        assert reader.find([KEY]) == records(1, 100)


def test_a_log_without_an_archive_gets_one_later(folder: Path) -> None:
    opens: list[bool] = []

    def open_archive() -> ArchiveReader | None:
        opens.append(folder.is_dir())
        return ArchiveReader(folder) if folder.is_dir() else None

    whole = WholeLogReader(MemoryLogReader(MemoryLog()), open_archive)
    assert whole.read(0, 10) == []
    assert whole.last_sequence() == 0
    assert not any(opens)
    write(folder, records(1, 10))
    assert whole.read(0, 20) == records(1, 10)
    assert whole.last_sequence() == 10
    whole.close()


def test_an_archive_that_cannot_be_read_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LogError, match="there is no archive of a log"):
        ArchiveReader(tmp_path / "file")
