"""Reading the files that workers write to past Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from cellray.node.worker_files import READ_BYTES_MAX, Piece, WorkerFiles


@pytest.fixture
def files(tmp_path: Path) -> WorkerFiles:
    return WorkerFiles(str(tmp_path))


def write(folder: Path, stream: str, data: bytes) -> None:
    with open(folder / f"worker-7.{stream}", "ab") as file:
        file.write(data)


def test_whole_lines_while_it_runs_and_the_rest_at_the_end(files: WorkerFiles, tmp_path: Path) -> None:
    assert files.read(7, to_the_end=False) == []
    write(tmp_path, "stdout", b"one\ntw")
    write(tmp_path, "stderr", b"half")
    assert files.read(7, to_the_end=False) == [Piece("stdout", "one\n", 0)]
    assert files.read(7, to_the_end=False) == []
    write(tmp_path, "stdout", b"o\n")
    assert files.read(7, to_the_end=True) == [Piece("stdout", "two\n", 0), Piece("stderr", "half", 0)]
    assert files.read(7, to_the_end=True) == []
    assert files.tail(7) == "one\ntwo\nhalf"


def test_a_flood_is_cut_and_counted(files: WorkerFiles, tmp_path: Path) -> None:
    write(tmp_path, "stdout", b"x" * (READ_BYTES_MAX + 1000))
    (piece,) = files.read(7, to_the_end=False)
    assert (len(piece.text), piece.dropped_bytes) == (READ_BYTES_MAX, 1000)
    write(tmp_path, "stdout", b"more\n")
    assert files.read(7, to_the_end=False) == [Piece("stdout", "more\n", 0)]


def test_a_process_id_that_comes_again_begins_anew(files: WorkerFiles, tmp_path: Path) -> None:
    write(tmp_path, "stdout", b"first\n")
    files.read(7, to_the_end=True)
    files.forget(7)
    assert files.read(7, to_the_end=True) == [Piece("stdout", "first\n", 0)]
