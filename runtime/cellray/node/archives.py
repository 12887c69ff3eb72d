"""Where the logs of this user's sessions lie once they are on disk, how many are kept, and how one gets there.

Archives live below `$CELLRAY_HOME/archive`, else `$XDG_STATE_HOME/cellray`, else `~/.local/state/cellray`: on a disk,
and not with the sessions' folders, which may be in memory and end with their sessions.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cellray.gcs.address import parse_address
from cellray.gcs.archive.layout import (
    CHECKPOINTS_NAME,
    TAIL_NAME,
    ArchiveDescription,
    archive_bytes,
    read_description,
    write_description,
)
from cellray.gcs.archive.whole import WholeLogReader
from cellray.gcs.log_reader import RedisLogReader
from cellray.ids import SessionId
from cellray.node.settings import SessionFolder

if TYPE_CHECKING:
    from cellray.gcs.archive.reader import ArchiveReader

READ_TIMEOUT_S = 5.0
REDIS_FILES = ("appendonly.aof", "appendonlydir", "dump.rdb")
"""What a Redis server keeps its data in; which of them, is its version's affair."""
NICENESS = 10
"""Of what finishes a log when its session has ended: nobody waits for it."""


def archives_home() -> Path:
    """The folder of all archives; it need not exist."""
    home = os.environ.get("CELLRAY_HOME")
    if home:
        return Path(home).absolute() / "archive"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "cellray"


def archive_of(session_id: SessionId) -> Path:
    """The folder of one session's archive; it need not exist."""
    return archives_home() / session_id


def begin_archive(session_id: SessionId, started_at: float) -> Path:
    """The folder of a session's archive, with its description. Raises OSError."""
    folder = archive_of(session_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        read_description(folder)
        return folder
    write_description(folder, ArchiveDescription(session_id=session_id, started_at=started_at))
    return folder


def read_session(gcs_url: str, session_id: SessionId, timeout_s: float = READ_TIMEOUT_S) -> WholeLogReader:
    """The log of a running session: what Redis has, and what has been archived of it. Connects when first asked."""

    def open_archive() -> ArchiveReader | None:
        # Only a session whose log has outgrown its memory has an archive, and only then is SQLite needed.
        folder = archive_of(session_id)
        if not folder.is_dir():
            return None
        from cellray.gcs.archive.reader import ArchiveReader

        return ArchiveReader(folder)

    return WholeLogReader(RedisLogReader(parse_address(gcs_url), session_id, timeout_s=timeout_s), open_archive)


def take_log(session: SessionFolder) -> Path | None:
    """Move what the ended Redis server of a session left, and its actors' checkpoints, to the session's archive; the
    archive, if there is anything.

    The folder of the session may be removed afterwards. Raises OSError; what was not moved is where it was then.
    """
    try:
        settings = session.read_settings()
    except (FileNotFoundError, msgspec.MsgspecError):
        return None  # no session's folder
    files = [name for name in REDIS_FILES if os.path.exists(os.path.join(session.path, name))]
    if not files or settings.gcs_url or not settings.config.log_archive_bytes_max:
        return None
    folder = begin_archive(settings.session_id, settings.started_at)
    (folder / TAIL_NAME).mkdir(mode=0o700, exist_ok=True)
    for name in files:
        shutil.move(os.path.join(session.path, name), folder / TAIL_NAME / name)
    if os.path.isdir(session.checkpoints):
        shutil.move(session.checkpoints, folder / CHECKPOINTS_NAME)
    return folder


@contextlib.contextmanager
def claimed(session: SessionFolder, *, wait: bool) -> Iterator[bool]:
    """Whether this process may take the folder of an ended session apart: one does. With `wait`, after any other."""
    try:
        file = open(session.settings, "rb")  # noqa: SIM115 - it is closed below
    except OSError:
        yield True  # no session's: there is nothing to be lost
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def remove_session_folder(session: SessionFolder) -> None:
    """Nothing of an ended session stays but its log: that goes to its archive, unless another process is at it."""
    archive = None
    with claimed(session, wait=False) as is_ours:
        if not is_ours:
            return
        with contextlib.suppress(OSError):  # a disk that takes nothing: there is nobody left to be told
            archive = take_log(session)
        shutil.rmtree(session.path, ignore_errors=True)
    if archive is not None:
        finish_in_background(archive)


def finish_in_background(archive: Path) -> None:
    """Have the rest of a session's log made segments by a process that nobody waits for."""
    # The shell ends at once: who starts this may end first, or live long, and shall have nobody to bury.
    with contextlib.suppress(OSError):
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *finish_command(archive)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            check=False,
        )


def finish_command(archive: Path) -> list[str]:
    """What makes the rest of a session's log segments."""
    return [sys.executable, "-m", "cellray.node.archiver", "finish", str(archive)]


def finished_archives(but: Path) -> list[Path]:
    """Archives of ended sessions, the oldest first, without one."""
    found = []
    with contextlib.suppress(OSError):
        for folder in archives_home().iterdir():
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                if folder != but and read_description(folder).complete:
                    found.append((os.stat(folder).st_mtime, folder))
    return [folder for _, folder in sorted(found)]


def keep_within(archives_max: int, bytes_max: int, mine: Path) -> int:
    """Remove the oldest archives of ended sessions until the rest keeps the limits, as far as that goes; the bytes by
    which all archives together are still above theirs."""
    others = finished_archives(mine)
    while len(others) + 1 > max(archives_max, 1):
        shutil.rmtree(others.pop(0), ignore_errors=True)
    sizes = [archive_bytes(folder) for folder in others]
    total = archive_bytes(mine) + sum(sizes)
    for folder, size in zip(others, sizes, strict=True):
        if total <= bytes_max:
            break
        shutil.rmtree(folder, ignore_errors=True)
        total -= size
    return max(total - bytes_max, 0)
