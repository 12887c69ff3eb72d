"""What lies in an archive's folder, and under which names.

| name                                     | what it is                                                              |
|------------------------------------------|-------------------------------------------------------------------------|
| `facts-<first>-<last>.parquet`           | the records with these sequences, complete; see `columns`               |
| `facts-<first>.parquet.part`             | a segment that is being written, or was when its writer died            |
| `index.sqlite`                           | under which keys records are found (`key_index`); can be made again     |
| `session.json`                           | `ArchiveDescription`                                                    |
| `tail.damaged/`                          | one of which no server could make anything                              |
| `tail/`                                  | the append-only file of a session that has ended, not yet in segments   |
| `checkpoints/`                           | states of actors of a session that has ended, as far as not in the log  |
| `lock`                                   | held by the one process that writes here                                |

A segment gets its name when it is complete and on the disk, so the names of the files are what the archive has.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import msgspec

from cellray.ids import SessionId
from cellray.model.fact import LOG_SCHEMA_VERSION

INDEX_NAME = "index.sqlite"
DESCRIPTION_NAME = "session.json"
TAIL_NAME = "tail"
DAMAGED_NAME = "tail.damaged"
CHECKPOINTS_NAME = "checkpoints"
LOCK_NAME = "lock"
PART_SUFFIX = ".part"
_SEGMENT = re.compile(r"facts-(\d{12})-(\d{12})\.parquet")


class Segment(NamedTuple):
    """A complete file with the records of these sequences."""

    first: int
    last: int
    path: Path


class ArchiveDescription(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of `session.json`. `complete` says that the session has ended and everything is in segments.

    `damage` says what of the log could not be saved, and why; it is empty for most. More may come as long as there is
    `session_folder`.
    """

    session_id: SessionId
    started_at: float
    schema: int = LOG_SCHEMA_VERSION
    complete: bool = False
    damage: str = ""
    session_folder: str = ""


def segment_path(folder: Path, first: int, last: int) -> Path:
    """Of a complete segment."""
    return folder / f"facts-{first:012d}-{last:012d}.parquet"


def part_path(folder: Path, first: int) -> Path:
    """Of a segment that begins with `first` and is not complete."""
    return folder / f"facts-{first:012d}.parquet{PART_SUFFIX}"


def list_segments(folder: Path) -> list[Segment]:
    """The complete segments, in order. Raises OSError when there is no such folder."""
    segments = []
    for name in os.listdir(folder):
        match = _SEGMENT.fullmatch(name)
        if match:
            segments.append(Segment(int(match[1]), int(match[2]), folder / name))
    return sorted(segments)


def read_description(folder: Path) -> ArchiveDescription:
    """Raises OSError or msgspec.MsgspecError when the folder is no archive."""
    return msgspec.json.decode((folder / DESCRIPTION_NAME).read_bytes(), type=ArchiveDescription)


def write_description(folder: Path, description: ArchiveDescription) -> None:
    """Replaces the one that is there, wholly or not at all."""
    part = folder / (DESCRIPTION_NAME + PART_SUFFIX)
    part.write_bytes(msgspec.json.encode(description))
    os.replace(part, folder / DESCRIPTION_NAME)


def archive_bytes(folder: Path) -> int:
    """What the folder takes on the disk."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue  # renamed or removed meanwhile
    return total
