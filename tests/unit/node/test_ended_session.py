"""`node/ended_session.py`: one process takes the folder of an ended session apart, and its log is never lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cellray.config import Config
from cellray.gcs.archive.layout import read_description
from cellray.node.archives import archives_home, begin_archive
from cellray.node.ended_session import claimed, remove_session_folder, take_log
from cellray.node.finish_archive import finish
from cellray.node.settings import NodeSettings, SessionFolder

from tests.helpers.archives import ended_session, home_of_logs, records
from tests.helpers.locks import held_by_another_process


@pytest.fixture(autouse=True)
def home() -> Iterator[Path]:
    with home_of_logs() as folder:
        yield folder


@pytest.fixture
def session(home: Path) -> SessionFolder:
    return ended_session(home / "ended", records(1, 200))


def test_a_folder_that_another_process_takes_apart_is_left_to_it(session: SessionFolder) -> None:
    before = sorted(os.listdir(session.path))
    with held_by_another_process(session.settings):
        remove_session_folder(session)
        with claimed(session, wait=False) as is_ours:
            assert not is_ours
    assert sorted(os.listdir(session.path)) == before
    with claimed(session, wait=False) as is_ours:
        assert is_ours


def test_what_was_moved_half_when_its_mover_died_is_moved_whole(session: SessionFolder, home: Path) -> None:
    """To another disk: `/dev/shm` is none of those that hold the temporary files."""
    os.mkdir(session.checkpoints)
    Path(session.checkpoints, "state").write_text("of an actor")
    with (
        tempfile.TemporaryDirectory(prefix="cr-", dir="/dev/shm") as other,
        pytest.MonkeyPatch.context() as environment,
    ):
        if os.stat(other).st_dev == os.stat(home).st_dev:
            pytest.fail("this test needs two file systems")
        environment.setenv("CELLRAY_HOME", other)
        archive = begin_archive(session)
        tail = archive / "tail"
        tail.mkdir()
        (tail / "appendonly.aof.part").write_text("half of the")
        half = archive / "checkpoints.part"
        half.mkdir()
        (half / "other").write_text("left")
        assert take_log(session) == archive
        assert not list(archive.rglob("*.part"))
        assert [path.name for path in (archive / "checkpoints").iterdir()] == ["state"]
        assert sorted(os.listdir(session.path)) == ["redis.log", "session.json", "token"]
        assert take_log(session) == archive, (
            "whoever died before the folder was removed has left its log to be finished"
        )
        finish(archive)
        assert read_description(archive).complete


def test_who_died_when_the_copy_was_there_is_followed_by_one_who_keeps_it(session: SessionFolder) -> None:
    archive = begin_archive(session)
    (archive / "checkpoints").mkdir()
    (archive / "checkpoints" / "state").write_text("of an actor")
    os.mkdir(session.checkpoints)  # removed as far as this
    take_log(session)
    assert [path.name for path in (archive / "checkpoints").iterdir()] == ["state"]
    assert not os.path.exists(session.checkpoints)


@pytest.mark.parametrize("changed", [{"gcs_url": "redis://somewhere"}, {"config": Config(log_archive_bytes_max=0)}])
def test_a_log_that_is_somebody_elses_or_not_wanted_gets_no_archive(
    session: SessionFolder, changed: dict[str, object]
) -> None:
    settings: NodeSettings = msgspec.structs.replace(session.read_settings(), **changed)
    Path(session.settings).write_bytes(msgspec.json.encode(settings))
    remove_session_folder(session)
    assert not os.path.exists(session.path)
    assert not archives_home().exists()
