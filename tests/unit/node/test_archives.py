"""`node/archives.py`: which logs are kept, and where."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest
from cellray.config import Config
from cellray.gcs.archive.layout import read_description, write_description
from cellray.ids import NodeId, SessionId
from cellray.node.archives import archives_home, begin_archive, ended_archives, keep_within
from cellray.node.settings import NodeSettings, SessionFolder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CELLRAY_HOME", str(tmp_path))
    return tmp_path


def archive(number: int, size: int, *, complete: bool = True, has_folder: bool = False) -> Path:
    """The `number`-th, as old as that; with a session's folder, from which more may come."""
    session = SessionFolder(f"{archives_home().parent}/s{number}")
    os.mkdir(session.path)
    settings = NodeSettings(SessionId(f"s{number}"), NodeId("node"), float(number), 1, [], 0, 1, Config())
    Path(session.settings).write_bytes(msgspec.json.encode(settings))
    folder = begin_archive(session)
    (folder / "facts").write_bytes(bytes(size))
    write_description(folder, msgspec.structs.replace(read_description(folder), complete=complete))
    if not has_folder:
        shutil.rmtree(session.path)
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
    archive(1, 10_000, complete=False, has_folder=True)
    archive(2, 10_000)
    mine = archive(3, 10_000)
    above = keep_within(1, 5_000, mine)
    assert names() == ["s1", "s3"]
    assert above > 5_000, "its own is too large all by itself"
    assert ended_archives(mine) == []


@pytest.mark.parametrize("limits", [(2, 10**6), (100, 25_000)])
def test_one_that_was_never_finished_is_counted_and_goes_like_others(limits: tuple[int, int]) -> None:
    """What finished it was killed, or its host went down: its session's folder has gone."""
    archive(1, 10_000, complete=False)
    archive(2, 10_000)
    mine = archive(3, 10_000)
    assert keep_within(*limits, mine) == 0
    assert names() == ["s2", "s3"]


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
