"""Finds the log that a path or a session's name means, and opens it for reading; what is left to do is done first."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from cellray.errors import LogError, LogVersionError
from cellray.gcs.archive.layout import CHECKPOINTS_NAME, ArchiveDescription, list_segments, read_description
from cellray.gcs.archive.reader import ArchiveReader
from cellray.gcs.archive.whole import WholeLogReader
from cellray.gcs.redis_server import address_of
from cellray.ids import SessionId
from cellray.launch import is_running, sessions_home
from cellray.model.fact import LOG_SCHEMA_VERSION
from cellray.node.archives import archive_of, archives_home, finish_command, read_session, session_of
from cellray.node.ended_session import claimed, take_log
from cellray.node.settings import NodeSettings, SessionFolder

FINISH_TIMEOUT_S = 300.0
LOOK_PAUSE_S = 0.05


class OpenedLog(NamedTuple):
    """Whose log it is, what reads it, and the folder of the checkpoints that are too large for it."""

    session_id: str
    reader: WholeLogReader | ArchiveReader
    checkpoints: str


def open_path(path: str | Path) -> OpenedLog:
    """The log in a session's folder or an archive's, or of a session by its name.

    What a session that has ended, or was killed, did not bring to its archive is brought there first. Raises LogError
    when there is no log, or it cannot be read, LogVersionError when a newer version wrote it.
    """
    folder = _find(path)
    session = SessionFolder(str(folder))
    settings = _settings_of(session)
    if settings is not None:
        if is_running(session):
            url = settings.gcs_url or address_of(folder, session.read_token()).to_url()
            return OpenedLog(settings.session_id, read_session(url, settings.session_id), session.checkpoints)
        folder = _take(session, settings.session_id)
    return _open_archive(folder)


def _settings_of(session: SessionFolder) -> NodeSettings | None:
    """None for a folder that is no session's, or no longer: another process may be taking it apart."""
    if not os.path.exists(session.token):
        return None
    try:
        return session.read_settings()
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise LogError(f"the folder {session.path} is no session's: {error}") from None


def _take(session: SessionFolder, session_id: SessionId) -> Path:
    """The archive of an ended session, with all that its folder had of the log."""
    archive = archive_of(session_id)
    with claimed(session, wait=True):
        try:
            take_log(session)
        except OSError as error:
            raise LogError(
                f"the log in {session.path} cannot be moved to {archive}: {error}. Make room there, or name another "
                "place with CELLRAY_HOME."
            ) from None
        shutil.rmtree(session.path, ignore_errors=True)
    return archive


def _find(path: str | Path) -> Path:
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if folder.exists():
        raise LogError(f"{folder} is a file; give the folder of a session or of its archive, or a session's name")
    name = str(path)
    known = [archives_home() / folder.name]  # also for the folder of a session that has gone
    if name and "/" not in name:
        known.insert(0, Path(sessions_home(), name))
    for place in known:
        if folder.name and place.is_dir():
            return place.resolve()
    raise LogError(
        f"there is no log {name!r}: neither a folder nor the name of a session (sessions' folders are in "
        f"{sessions_home()}, logs of ended ones in {archives_home()})"
    )


def _open_archive(folder: Path) -> OpenedLog:
    session_id = folder.name
    try:
        description = read_description(folder)
    except FileNotFoundError:
        archive = archive_of(SessionId(folder.name))
        if folder != archive and archive.is_dir():
            return _open_archive(archive)  # the session's folder has just been taken apart
        # Segments alone, copied from somewhere, are as good.
        if not folder.is_dir() or not list_segments(folder):
            raise LogError(
                f"there is no log in {folder}. Logs of ended sessions are in {archives_home()}, unless "
                "CELLRAY_LOG_ARCHIVE_BYTES_MAX=0 switched that off."
            ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise LogError(f"the archive {folder} cannot be opened: {error}") from None
    else:
        session_id = description.session_id
        if description.schema > LOG_SCHEMA_VERSION:
            raise LogVersionError(str(folder), description.schema, LOG_SCHEMA_VERSION)
        if not description.complete:
            _complete(folder, description)
    reader = ArchiveReader(folder)
    reader.check_version()
    return OpenedLog(session_id, reader, str(folder / CHECKPOINTS_NAME))


def _complete(folder: Path, description: ArchiveDescription) -> None:
    """With what its session's folder has still, unless that session runs."""
    session = session_of(description)
    if session is not None:
        if is_running(session):
            return
        _take(session, description.session_id)
    _finish(folder)


def _finish(folder: Path) -> None:
    """Until everything is in segments; another process may be at it."""
    deadline = time.monotonic() + FINISH_TIMEOUT_S
    while True:
        result = subprocess.run(
            finish_command(folder), stdin=subprocess.DEVNULL, capture_output=True, cwd="/", check=False
        )
        if result.returncode:
            reason = result.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise LogError(f"the rest of the log in {folder} cannot be brought to its archive: {reason}")
        if read_description(folder).complete:
            return
        if time.monotonic() > deadline:
            raise LogError(f"another process has been writing the archive {folder} for {FINISH_TIMEOUT_S:g} s")
        time.sleep(LOOK_PAUSE_S)
