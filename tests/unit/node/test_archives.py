"""`node/archives.py`: which logs are kept, and where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cellray.gcs.archive.layout import ArchiveDescription, write_description
from cellray.ids import SessionId
from cellray.node.archives import archives_home, begin_archive, finished_archives, keep_within


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CELLRAY_HOME", str(tmp_path))
    return tmp_path


def archive(number: int, size: int, *, complete: bool = True) -> Path:
    """The `number`-th, as old as that."""
    folder = begin_archive(SessionId(f"s{number}"), float(number))
    (folder / "facts").write_bytes(bytes(size))
    description = ArchiveDescription(session_id=SessionId(f"s{number}"), started_at=float(number), complete=complete)
    write_description(folder, description)
    os.utime(folder, (number, number))
    return folder


def names() -> list[str]:
    return sorted(path.name for path in archives_home().iterdir())


def test_the_oldest_of_too_many_go() -> None:
    folders = [archive(number, 10) for number in range(1, 6)]
    assert keep_within(3, 10**6, folders[-1]) == 0
    assert names() == ["s3", "s4", "s5"]


def test_the_oldest_of_too_large_ones_go_until_the_rest_fits() -> None:
    folders = [archive(number, 10_000) for number in range(1, 6)]
    assert keep_within(100, 26_000, folders[-1]) == 0
    assert names() == ["s4", "s5"]


def test_ones_own_and_those_of_running_sessions_stay() -> None:
    archive(1, 10_000, complete=False)
    archive(2, 10_000)
    mine = archive(3, 10_000)
    above = keep_within(1, 5_000, mine)
    assert names() == ["s1", "s3"]
    assert above > 5_000, "its own is too large all by itself"
    assert finished_archives(mine) == []


def test_without_a_home_archives_lie_on_a_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CELLRAY_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert archives_home() == tmp_path / "state" / "cellray"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert archives_home() == Path.home() / ".local" / "state" / "cellray"


def test_what_others_put_there_does_not_matter(home: Path) -> None:
    mine = archive(1, 10)
    (archives_home() / "a file").write_text("x")
    (archives_home() / "no archive").mkdir()
    (archives_home() / "broken").mkdir()
    (archives_home() / "broken" / "session.json").write_text("{")
    assert keep_within(1, 1000, mine) == 0
    assert len(names()) == 4
