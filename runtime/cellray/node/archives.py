"""Where the logs of this user's sessions lie once they are on disk, and how many are kept.

Archives live below `$CELLRAY_HOME/archive`, else `$XDG_STATE_HOME/cellray`, else `~/.local/state/cellray`: on a disk,
and not with the sessions' folders, which may be in memory and end with their sessions.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cellray.gcs.address import parse_address
from cellray.gcs.archive.layout import (
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


def begin_archive(session: SessionFolder) -> Path:
    """The folder of a session's archive, with its description. Raises OSError."""
    settings = session.read_settings()
    folder = archive_of(settings.session_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        read_description(folder)
        return folder
    description = ArchiveDescription(
        session_id=settings.session_id, started_at=settings.started_at, session_folder=session.path
    )
    write_description(folder, description)
    return folder


def session_of(description: ArchiveDescription) -> SessionFolder | None:
    """The folder of a session from which more may come; None when that has gone."""
    session = SessionFolder(description.session_folder)
    return session if description.session_folder and os.path.exists(session.settings) else None


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
    return [sys.executable, "-m", "cellray.node.finish_archive", str(archive)]


def ended_archives(but: Path) -> list[Path]:
    """Archives to which nothing comes any more, the oldest first, without one. Also those that were not finished,
    because what did it was killed: they are when they are opened, and until then they take their place like others."""
    found = []
    with contextlib.suppress(OSError):
        for folder in archives_home().iterdir():
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                description = read_description(folder)
                if folder != but and (description.complete or session_of(description) is None):
                    found.append((os.stat(folder).st_mtime, folder))
    return [folder for _, folder in sorted(found)]


def keep_within(archives_max: int, bytes_max: int, mine: Path) -> int:
    """Remove the oldest archives of ended sessions until the rest keeps the limits, as far as that goes; the bytes by
    which all archives together are still above theirs."""
    others = ended_archives(mine)
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
