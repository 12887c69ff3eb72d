"""States of actors on disk: complete or not there, and what is not as it was written is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cellray.store import read_checkpoint, remove_checkpoint, write_checkpoint


def test_parts_are_one_file_and_take_the_place_of_an_older_one(tmp_path: Path) -> None:
    folder = str(tmp_path / "new")
    write_checkpoint(folder, "a.state", [b"old"])
    write_checkpoint(folder, "a.state", [b"one", memoryview(b"two")])
    assert read_checkpoint(folder, "a.state", 6) == b"onetwo"
    assert os.listdir(folder) == ["a.state"]


def test_what_cannot_be_written_leaves_the_older_one(tmp_path: Path) -> None:
    write_checkpoint(str(tmp_path), "a.state", [b"old"])
    with pytest.raises(TypeError):
        write_checkpoint(str(tmp_path), "a.state", [b"new", 7])  # type: ignore[list-item]
    assert read_checkpoint(str(tmp_path), "a.state", 3) == b"old"
    assert os.listdir(tmp_path) == ["a.state"]


def test_a_file_that_is_cut_off_or_gone_is_an_error(tmp_path: Path) -> None:
    write_checkpoint(str(tmp_path), "a.state", [b"state"])
    (tmp_path / "a.state").write_bytes(b"sta")
    with pytest.raises(OSError, match="3 bytes instead of 5"):
        read_checkpoint(str(tmp_path), "a.state", 5)
    with pytest.raises(FileNotFoundError):
        read_checkpoint(str(tmp_path), "b.state", 5)


def test_only_files_of_the_folder_are_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    folder = tmp_path / "folder"
    write_checkpoint(str(folder), "a.state", [b"x"])
    remove_checkpoint(str(folder), "../outside")
    remove_checkpoint(str(folder), "a.state")
    remove_checkpoint(str(folder), "a.state")
    assert outside.exists()
    assert os.listdir(folder) == []
