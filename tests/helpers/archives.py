"""Archives of logs, and folders of ended sessions, as tests make them: with records of real facts."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from cellray.config import Config
from cellray.gcs import redis_server
from cellray.gcs.archive.layout import read_description
from cellray.gcs.archive.reader import ArchiveReader
from cellray.gcs.archive.writer import ArchiveWriter
from cellray.gcs.log_index import index_keys, subject_key
from cellray.gcs.log_writer import RedisLogWriter
from cellray.ids import NodeId, SessionId, TaskId, child_task_id, children_prefix, return_object_id
from cellray.model import fact as told
from cellray.model.fact import Fact, decode_facts, encode_facts
from cellray.model.object import ObjectValue
from cellray.model.task import TaskSpec, TemplateId
from cellray.node.ended_session import take_log
from cellray.node.finish_archive import LOST
from cellray.node.settings import NodeSettings, SessionFolder
from cellray.ports import LogReader, LogRecord
from cellray.processes import end_process

PARENT = TaskId(b"p" * 16)
PREFIX = children_prefix(PARENT)
VALUE = ObjectValue(0, b"value")
TOKEN = "token"
KEY = subject_key(child_task_id(PREFIX, 1))
"""All records below the 256th are found under it: their tasks are neighbours."""


def facts_of(index: int) -> list[Fact]:
    """The end, the freed result and the submission of a task."""
    task = child_task_id(PREFIX, index)
    return [
        told.TaskFinished(task, 1.0 + index, 2.0 + index, (VALUE,)),
        told.ObjectsFreed([return_object_id(task, 0)], 3.0 + index),
        told.TasksSubmitted(PARENT, 0.5 + index, [TaskSpec(index, TemplateId(1), b"args" * 10)]),
    ]


def record(sequence: int) -> LogRecord:
    """As the log gives it."""
    return LogRecord(sequence, f"node-{sequence % 2}", sequence % 3, encode_facts(facts_of(sequence)))


def records(first: int, last: int) -> list[LogRecord]:
    """The last one included."""
    return [record(sequence) for sequence in range(first, last + 1)]


def keyed(some: Sequence[LogRecord]) -> list[LogRecord]:
    """As the node writes them."""
    return [one._replace(keys=index_keys(decode_facts(one.facts))) for one in some]


def write(folder: Path, *pieces: list[LogRecord]) -> None:
    """Each piece as a segment."""
    writer = ArchiveWriter(folder)
    for piece in pieces:
        for one in piece:
            writer.add(one)
        writer.close_segment()
    writer.close()


def read_all(reader: LogReader, at_once: int = 7) -> list[LogRecord]:
    """From the beginning."""
    found: list[LogRecord] = []
    while some := reader.read(found[-1].sequence if found else 0, at_once):
        found += some
    return found


@contextmanager
def opened(folder: Path) -> Iterator[ArchiveReader]:
    """For the time of the block."""
    reader = ArchiveReader(folder)
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def home_of_logs() -> Iterator[Path]:
    """A folder for sessions' folders and archives."""
    # Not pytest's own folder: paths of Unix sockets are short.
    with tempfile.TemporaryDirectory(prefix="cr-") as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("CELLRAY_HOME", folder)
        yield Path(folder)


def ended_session(path: Path, some: Sequence[LogRecord], config: Config | None = None) -> SessionFolder:
    """The folder of a killed session of that name, with these records in what its Redis server left."""
    session = SessionFolder(str(path))
    os.mkdir(path, 0o700)
    session_id = SessionId(path.name)
    process = redis_server.start(path, TOKEN)
    try:
        redis_server.wait_ready(process, path, TOKEN, timeout_s=20)
        asyncio.run(_append(RedisLogWriter(redis_server.address_of(path, TOKEN), session_id, timeout_s=10), some))
    finally:
        end_process(process, patience_s=10)
    settings = NodeSettings(session_id, NodeId("node"), 100.0, 1, [], 0, 1, config or Config())
    Path(session.settings).write_bytes(msgspec.json.encode(settings))
    Path(session.token).write_text(TOKEN)
    return session


async def _append(writer: RedisLogWriter, some: Sequence[LogRecord]) -> None:
    await writer.append(keyed(some))
    await writer.close()


def unfinished(path: Path, some: Sequence[LogRecord]) -> Path:
    """The archive of an ended session with that folder, which has gone: with these records in its tail."""
    session = ended_session(path, some)
    archive = take_log(session)
    assert archive is not None
    shutil.rmtree(session.path)
    return archive


def check_finished(folder: Path, last: int, reason: str = LOST) -> None:
    """Each record up to the last one is there once, then the end at the time of the last one's last fact."""
    with opened(folder) as reader:
        *found, end = read_all(reader, 1000)
        assert reader.gaps == []
    assert found == records(1, last)
    assert (end.sequence, decode_facts(end.facts)) == (last + 1, [told.SessionEnded(3.0 + last, reason)])
    assert read_description(folder).complete
    assert not (folder / "tail").exists()
