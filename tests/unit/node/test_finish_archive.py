"""`node/finish_archive.py`: what an ended session left becomes segments with an end, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cellray.errors import SessionStartError
from cellray.gcs.archive.layout import list_segments, read_description, write_description
from cellray.gcs.archive.writer import ArchiveWriter
from cellray.gcs.redis_server import find_redis_server
from cellray.model.fact import SessionEnded, decode_facts, encode_facts
from cellray.node import finish_archive
from cellray.node.finish_archive import finish
from cellray.ports import LogRecord

from tests.helpers.archives import (
    check_finished,
    home_of_logs,
    keyed,
    opened,
    read_all,
    records,
    unfinished,
    write,
)


@pytest.fixture(autouse=True)
def home() -> Iterator[Path]:
    with home_of_logs() as folder:
        yield folder


def archived(folder: Path) -> list[LogRecord]:
    with opened(folder) as reader:
        return read_all(reader, 1000)


def test_a_log_without_an_end_gets_one_at_the_time_of_its_last_fact(home: Path) -> None:
    folder = unfinished(home / "ended", records(1, 200))
    finish(folder)
    check_finished(folder, 200)
    finish(folder)
    check_finished(folder, 200)


def test_a_log_with_an_end_keeps_it(home: Path) -> None:
    end = LogRecord(201, "node-1", 0, encode_facts([SessionEnded(203.0, "by its driver")]))
    folder = unfinished(home / "ended", [*records(1, 200), end])
    finish(folder)
    check_finished(folder, 200, "by its driver")


@pytest.mark.parametrize("step", ["the end is written", "the rest is in segments", "the description says so"])
def test_who_died_at_the_end_is_followed_by_one_who_adds_nothing(home: Path, step: str) -> None:
    folder = unfinished(home / "ended", records(1, 200))
    kept = home / "kept"
    shutil.copytree(folder / "tail", kept)
    finish(folder)
    if step == "the rest is in segments":
        list_segments(folder)[-1].path.unlink()
    if step != "the description says so":
        write_description(folder, msgspec.structs.replace(read_description(folder), complete=False))
    shutil.copytree(kept, folder / "tail")
    finish(folder)
    check_finished(folder, 200)


def test_a_rest_cut_short_is_read_as_far_as_it_goes(home: Path) -> None:
    folder = unfinished(home / "ended", records(1, 200))
    file = folder / "tail" / "appendonly.aof"
    os.truncate(file, file.stat().st_size - 10)
    finish(folder)
    *rest, last = archived(folder)
    assert rest == [], "all were written at once, and what is written half is not acknowledged"
    assert isinstance(decode_facts(last.facts)[0], SessionEnded)


@pytest.mark.parametrize("died", [False, True])
def test_a_rest_of_which_no_server_makes_anything_is_set_aside_and_named(home: Path, died: bool) -> None:
    folder = unfinished(home / "ended", records(1, 200))
    write(folder, records(1, 150))
    (folder / "tail" / "appendonly.aof").write_bytes(b"*1\r\n$9\r\nNOCOMMAND\r\n" * 10)
    finish(folder)
    if died:  # before it could say that all is done
        write_description(folder, msgspec.structs.replace(read_description(folder), complete=False))
        finish(folder)
    assert (folder / "tail.damaged").is_dir()
    *rest, last = archived(folder)
    assert rest == records(1, 150)
    assert last.sequence == 152
    with opened(folder) as reader:
        (gap,) = reader.gaps
        assert gap[:2] == (151, 151)
        assert "the rest of the log could not be read: redis-server ended" in gap.reason


@pytest.mark.parametrize("program", ["exec sleep 600", "kill -9 $$"], ids=["slow", "killed"])
def test_a_server_that_is_slow_or_killed_has_damaged_nothing(
    home: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unfinished(home / "ended", records(1, 200))
    binaries = home / "bin"
    binaries.mkdir()
    (binaries / "redis-server").write_text(f"#!/bin/sh\n{program}\n")
    (binaries / "redis-server").chmod(0o755)
    with monkeypatch.context() as environment:
        environment.setenv("PATH", str(binaries), prepend=os.pathsep)
        environment.setattr(finish_archive, "LOAD_TIMEOUT_S", 0.2)
        with pytest.raises(SessionStartError):
            finish(folder)
    assert find_redis_server().parent != binaries
    finish(folder)
    check_finished(folder, 200)


def test_what_has_no_tail_any_more_ends_when_its_last_fact_happened(home: Path) -> None:
    """The host went down: the archive was on a disk, the session's folder was not."""
    folder = unfinished(home / "ended", records(1, 200))
    write(folder, records(1, 120))
    shutil.rmtree(folder / "tail")
    finish(folder)
    check_finished(folder, 120)


def test_an_archive_that_another_process_writes_is_left_to_it(home: Path) -> None:
    folder = unfinished(home / "ended", records(1, 200))
    writer = ArchiveWriter(folder)
    finish(folder)
    writer.close()
    assert not read_description(folder).complete
    assert (folder / "tail").is_dir()


def test_an_archive_that_was_removed_meanwhile_is_not_made_again(home: Path) -> None:
    finish(home / "archive" / "gone")
    assert not (home / "archive").exists()


def test_records_have_keys_after_finishing(home: Path) -> None:
    folder = unfinished(home / "ended", records(1, 200))
    finish(folder)
    with opened(folder) as reader:
        for one in keyed(records(150, 152)):
            assert one._replace(keys=()) in reader.find(sorted(one.keys))
