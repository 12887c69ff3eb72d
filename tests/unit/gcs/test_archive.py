"""`gcs/archive/`: what is written there comes back, whatever kills the writer or damages the files."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from cellray.errors import LogError, LogVersionError
from cellray.gcs.archive import columns
from cellray.gcs.archive.layout import list_segments
from cellray.gcs.archive.reader import ArchiveReader
from cellray.gcs.archive.segment import SegmentReader
from cellray.gcs.archive.whole import WholeLogReader
from cellray.gcs.log_history import LogHistory
from cellray.gcs.log_index import index_keys, subject_key
from cellray.gcs.memory import MemoryLog, MemoryLogReader, MemoryLogWriter
from cellray.ids import child_task_id
from cellray.model import fact as told
from cellray.model.fact import LOG_SCHEMA_VERSION, decode_facts, encode_facts
from cellray.ports import LogRecord
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.archives import PREFIX, facts_of, keyed, read_all, record, records, write

SCHEMA_1 = Path(__file__).parents[2] / "fixtures" / "log_schema_1"


@pytest.fixture
def three(folder: Path) -> Iterator[ArchiveReader]:
    """An archive of three segments."""
    write(folder, records(1, 40), records(41, 45), records(46, 99))
    reader = ArchiveReader(folder)
    yield reader
    reader.close()


@pytest.mark.usefixtures("small_groups")
def test_records_come_back_byte_for_byte_from_any_place(three: ArchiveReader) -> None:
    assert read_all(three) == records(1, 99)
    assert three.read(43, 5) == records(44, 48)
    assert three.read(98, 5) == records(99, 99)
    assert three.read(99, 5) == []
    assert three.last_sequence() == 99
    assert three.gaps == []


@pytest.mark.usefixtures("small_groups")
def test_records_are_found_by_their_keys(three: ArchiveReader) -> None:
    key = subject_key(child_task_id(PREFIX, 7))
    assert three.find([key]) == records(1, 99), "all tasks are neighbours"
    assert three.find([key], first_only=True) == records(1, 1)
    assert three.find([b"never"]) == []


@pytest.mark.parametrize(
    "payload", [b"", b"\x90", b"\xc1", b"no facts", encode_facts([])[:0], b"\x91\x92\xcc\xff\x01", b"\x91" * 2000]
)
def test_a_record_of_which_nothing_can_be_made_is_kept_as_it_is(folder: Path, payload: bytes) -> None:
    strange = LogRecord(2, "n", 5, payload)
    write(folder, [record(1), strange, record(3)])
    assert read_all(ArchiveReader(folder)) == [record(1), strange, record(3)]


def test_a_newer_version_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "LOG_SCHEMA_VERSION", LOG_SCHEMA_VERSION + 1)
    write(folder, records(1, 10))
    monkeypatch.undo()
    reader = ArchiveReader(folder)
    with pytest.raises(LogVersionError, match="Open it with a newer version"):
        reader.check_version()


def test_a_log_of_the_first_schema_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(SCHEMA_1, folder)
    reader = ArchiveReader(folder)
    reader.check_version()
    history = LogHistory(reader)
    facts = [entry.fact for entry in history.iter()]
    assert facts[0] == told.SessionStarted("1124-093828-9c8969", facts[0].at, schema=1)  # type: ignore[arg-type]
    assert isinstance(facts[-1], told.SessionEnded)
    assert sum(isinstance(fact, told.TaskFinished) for fact in facts) == 7
    assert not history.unreadable
    ended = next(fact for fact in facts if isinstance(fact, told.TaskFailed))
    found = history.find([ended.task_id])[ended.task_id]
    assert found.function is not None
    assert "bad seed" in found.function.source


def test_what_moves_from_redis_to_the_archive_meanwhile_is_read_once(folder: Path) -> None:
    log = MemoryLog()
    writer = MemoryLogWriter(log)
    asyncio.run(writer.append(keyed(records(1, 60))))
    write(folder, records(1, 40))
    whole = WholeLogReader(Trimmed(log, 30), lambda: ArchiveReader(folder))
    found: list[LogRecord] = []
    while some := whole.read(found[-1].sequence if found else 0, 7):
        found += some
    assert found == records(1, 60)
    assert whole.find([subject_key(child_task_id(PREFIX, 1))]) == records(1, 60)
    assert whole.last_sequence() == 60
    assert whole.gaps == []
    whole.close()


class Trimmed(MemoryLogReader):
    """Redis, of which the records up to `trimmed` were taken off."""

    def __init__(self, log: MemoryLog, trimmed: int) -> None:
        super().__init__(log)
        self._trimmed = trimmed

    def read(self, after: int, limit: int) -> list[LogRecord]:
        return super().read(max(after, self._trimmed), limit)

    def find(self, keys: object, *, first_only: bool = False) -> list[LogRecord]:
        found = super().find(keys, first_only=first_only)  # type: ignore[arg-type]
        return [one for one in found if one.sequence > self._trimmed]


@pytest.mark.parametrize("seed", range(60))
def test_a_segment_with_bytes_changed_or_cut_gives_what_it_held_or_a_clear_error(seed: int, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    write(folder, records(1, 30), records(31, 60))
    chance = random.Random(seed)
    victim = chance.choice(list_segments(folder))
    content = bytearray(victim.path.read_bytes())
    if seed % 3 == 0:
        del content[chance.randrange(len(content)) :]
    else:
        for _ in range(chance.choice((1, 5, 200))):
            content[chance.randrange(len(content))] = chance.randrange(256)
    victim.path.write_bytes(content)
    reader = ArchiveReader(folder)
    try:
        found = read_all(reader)
        found_by_key = reader.find([subject_key(child_task_id(PREFIX, 1))])
    except LogVersionError:
        return  # the version's number is what was changed
    finally:
        reader.close()
    sequences = [one.sequence for one in found]
    intact = {one.sequence for piece in list_segments(folder) if piece != victim for one in _expected(piece)}
    assert intact <= set(sequences), "the other segment is whole"
    assert all(before < after for before, after in pairwise(sequences))
    missing = set(range(1, 61)) - set(sequences)
    named = {sequence for gap in reader.gaps for sequence in range(gap.first, gap.last + 1)}
    assert missing <= named
    assert all(one == record(one.sequence) for one in found if one.sequence in intact)
    assert {one.sequence for one in found_by_key} <= set(range(1, 61))


def _expected(piece: object) -> list[LogRecord]:
    return records(piece.first, piece.last)  # type: ignore[attr-defined]


def test_a_file_that_is_no_segment_is_a_clear_error(tmp_path: Path) -> None:
    for content in (b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", os.urandom(1000)):
        path = tmp_path / "facts-000000000001-000000000009.parquet"
        path.write_bytes(content)
        (piece,) = list_segments(tmp_path)
        with pytest.raises(LogError, match="damaged or cut short"):
            SegmentReader(piece)


@given(st.binary(max_size=300))
def test_any_bytes_are_facts_or_refused(data: bytes) -> None:
    try:
        facts = decode_facts(data)
    except msgspec.MsgspecError:
        return
    assert decode_facts(encode_facts(facts)) == facts


@given(st.integers(0, 10**6), st.integers(0, 255), st.integers(1, 60))
def test_facts_with_a_byte_changed_or_cut_are_facts_or_refused(place: int, byte: int, length: int) -> None:
    data = bytearray(encode_facts(facts_of(7)))
    data[place % len(data)] = byte
    for some in (bytes(data), bytes(data[:-length])):
        try:
            facts = decode_facts(some)
        except msgspec.MsgspecError:
            continue
        index_keys(facts)
