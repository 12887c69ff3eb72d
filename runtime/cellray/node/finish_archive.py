"""Makes segments of what an ended session's Redis server left: `python -m cellray.node.finish_archive <archive>`.

It may be killed at any time: who runs it again goes on from what is in segments, and comes to the same archive.
"""

from __future__ import annotations

import cellray.quick_start  # noqa: F401

# isort: split

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from cellray.config import load_config
from cellray.errors import LogError, SessionStartError
from cellray.gcs import redis_server
from cellray.gcs.archive.layout import (
    DAMAGED_NAME,
    TAIL_NAME,
    ArchiveDescription,
    list_segments,
    read_description,
    write_description,
)
from cellray.gcs.archive.segment import SegmentReader
from cellray.gcs.archive.writer import ArchiveWriter
from cellray.gcs.log_tail import LogTail
from cellray.model.about import time_of
from cellray.model.fact import Fact, SessionEnded, decode_facts, encode_facts
from cellray.node.archives import NICENESS, keep_within
from cellray.ports import LogRecord
from cellray.processes import end_process

READ_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
LOAD_TIMEOUT_S = 120.0
LOST = "lost with the session: the node or its Redis server was killed"


def finish(folder: Path) -> None:
    """Everything into segments, with an end; nothing when another process is at it, or the archive has gone.

    Raises LogError, OSError or SessionStartError when it cannot be done now.
    """
    if not folder.is_dir():
        return
    try:
        writer = ArchiveWriter(folder)
    except BlockingIOError:
        return
    with contextlib.closing(writer):
        description = read_description(folder)
        if not description.complete:
            _complete(writer, description)
        shutil.rmtree(folder / TAIL_NAME, ignore_errors=True)
    config = load_config(os.environ)
    if config.log_archive_bytes_max:
        keep_within(config.log_archives_max, config.log_archive_bytes_max, folder)


def _complete(writer: ArchiveWriter, description: ArchiveDescription) -> None:
    folder, tail = writer.folder, writer.folder / TAIL_NAME
    problem = _move_rest(tail, description, writer) if tail.is_dir() else ""
    if problem:
        description = msgspec.structs.replace(description, damage=f"the rest of the log could not be read: {problem}")
        write_description(folder, description)  # first: nobody who goes on can find it out again
        os.replace(tail, folder / DAMAGED_NAME)
    ended, last_at = _end_of(folder)
    if not ended:
        facts: list[Fact] = [SessionEnded(last_at or description.started_at, description.damage or LOST)]
        # After damage at least one record is missing, and the gap shows it.
        sequence = writer.written + (2 if description.damage else 1)
        writer.add(LogRecord(sequence, "", 0, encode_facts(facts)))
        writer.close_segment()
    write_description(folder, msgspec.structs.replace(description, complete=True))


def _move_rest(tail: Path, description: ArchiveDescription, writer: ArchiveWriter) -> str:
    """Everything that a Redis server finds there, into segments; why it could not load it, if that is so."""
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="cr-") as short:
        # A Unix socket's path is short, and that of an archive need not be.
        link = Path(short, "t")
        link.symlink_to(tail)
        process = redis_server.start(link, token)
        try:
            problem = _wait_loaded(process, link, token)
            if not problem:
                address = redis_server.address_of(link, token)
                asyncio.run(_read_rest(LogTail(address, description.session_id, timeout_s=READ_TIMEOUT_S), writer))
            return problem
        finally:
            end_process(process, STOP_TIMEOUT_S)


def _wait_loaded(process: subprocess.Popen[bytes], folder: Path, token: str) -> str:
    """Why the server ended over its files, if it did. Raises SessionStartError when it is slow, or was killed."""
    try:
        redis_server.wait_ready(process, folder, token, LOAD_TIMEOUT_S)
    except SessionStartError as error:
        if (process.poll() or 0) > 0:
            return str(error)
        raise
    return ""


async def _read_rest(tail: LogTail, writer: ArchiveWriter) -> None:
    position = writer.written
    try:
        while records := await tail.read(position):
            for record in records:
                writer.add(record)
            position = records[-1].sequence
        writer.close_segment()
    finally:
        await tail.close()


def _end_of(folder: Path) -> tuple[bool, float]:
    """Whether the session's end is in the last segment, and when its last fact happened; 0 when that is not known."""
    ended, last_at = False, 0.0
    with contextlib.suppress(LogError, IndexError):  # damaged, or there is none
        reader = SegmentReader(list_segments(folder)[-1])
        with contextlib.closing(reader):
            for record in (record for some in reader.records(0) for record in some):
                with contextlib.suppress(msgspec.MsgspecError):
                    facts = decode_facts(record.facts)
                    ended = ended or any(isinstance(fact, SessionEnded) for fact in facts)
                    last_at = max([last_at, *map(time_of, facts)])
    return ended, last_at


if __name__ == "__main__":
    os.nice(NICENESS)
    finish(Path(sys.argv[1]))
