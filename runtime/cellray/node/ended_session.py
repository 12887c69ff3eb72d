"""The folder of an ended session is taken apart: its log goes to its archive, and nothing else stays.

Any process may come upon such a folder, several at once, and each may be killed at any time: one after another goes on
from where the one before has come.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cellray.gcs.archive.layout import (
    CHECKPOINTS_NAME,
    PART_SUFFIX,
    TAIL_NAME,
    read_description,
    write_description,
)
from cellray.node.archives import archive_of, begin_archive, finish_in_background
from cellray.node.settings import SessionFolder

REDIS_FILES = ("appendonly.aof", "appendonlydir", "dump.rdb")
"""What a Redis server keeps its data in; which of them, is its version's affair."""


@contextlib.contextmanager
def claimed(session: SessionFolder, *, wait: bool) -> Iterator[bool]:
    """Whether this process may take the folder of an ended session apart: one does. With `wait`, after any other."""
    try:
        # For writing: over a network, a lock of one's own asks for that.
        file = open(session.settings, "rb+")  # noqa: SIM115 - it is closed below
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


def remove_session_folder(session: SessionFolder, *, for_good: bool = False) -> OSError | None:
    """Nothing of an ended session stays but its log: that goes to its archive, unless another process is at it.

    Where the archive takes nothing, the log stays in the folder, and the reason is returned; with `for_good` it goes.
    """
    with claimed(session, wait=False) as is_ours:
        if not is_ours:
            return None
        try:
            archive = take_log(session)
        except OSError as error:
            if not for_good:
                _remove_all_but_log(session)
                return error
            archive = _note_loss(session, error)
        shutil.rmtree(session.path, ignore_errors=True)
    if archive is not None:
        finish_in_background(archive)
    return None


def take_log(session: SessionFolder) -> Path | None:
    """Move what the ended Redis server of a session left, and its actors' checkpoints, to the session's archive; the
    archive, if there is anything to be made of it.

    The folder of the session may be removed afterwards. Raises OSError; what was not moved is where it was then.
    """
    try:
        settings = session.read_settings()
    except (FileNotFoundError, msgspec.MsgspecError):
        return None  # no session's folder
    if settings.gcs_url or not settings.config.log_archive_bytes_max:
        return None
    tail = archive_of(settings.session_id) / TAIL_NAME
    targets = {path: tail / os.path.basename(path) for path in _redis_files(session)}
    if os.path.isdir(session.checkpoints):
        targets[session.checkpoints] = tail.parent / CHECKPOINTS_NAME
    if targets:
        begin_archive(session)
        tail.mkdir(mode=0o700, exist_ok=True)
        for path, target in targets.items():
            _move(path, target)
    return tail.parent if tail.is_dir() else None


def _redis_files(session: SessionFolder) -> list[str]:
    """Those that are there."""
    paths = [os.path.join(session.path, name) for name in REDIS_FILES]
    return [path for path in paths if os.path.exists(path)]


def _move(path: str, target: Path) -> None:
    """To another disk too. It has its new name when it is complete, and only then goes at its old place."""
    if not target.exists():
        try:
            os.rename(path, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(path, target)
    _remove(path)


def _copy(path: str, target: Path) -> None:
    part = target.with_name(target.name + PART_SUFFIX)
    _remove(part)  # of one who was killed
    try:
        if os.path.isdir(path):
            shutil.copytree(path, part)
        else:
            shutil.copy2(path, part)
        os.rename(part, target)
    except BaseException:
        _remove(part)
        raise


def _remove(path: str | Path) -> None:
    """Whatever it is, or is not."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        Path(path).unlink(missing_ok=True)


def _remove_all_but_log(session: SessionFolder) -> None:
    kept = (session.settings, session.token, session.node_pid, session.checkpoints, *_redis_files(session))
    with contextlib.suppress(OSError):
        for entry in os.scandir(session.path):
            if entry.path not in kept:
                _remove(entry.path)


def _note_loss(session: SessionFolder, error: OSError) -> Path | None:
    """The log goes with its folder: say so in its archive, if that takes as much. The archive, if there is one."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        folder = archive_of(session.read_settings().session_id)
        description = read_description(folder)
        if _redis_files(session):
            damage = f"the rest of the log could not be moved here when its session ended: {error}"
            write_description(folder, msgspec.structs.replace(description, damage=damage))
        return folder
    return None
