"""States of actors on disk: one file for each large checkpoint, in a folder of the session, complete or not there.

Actors write them, a new process of the actor reads them, and so does who replays a log. Files are not synced: they
outlive processes, not the machine.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence


def write_checkpoint(folder: str, name: str, parts: Sequence[bytes | memoryview]) -> None:
    """Write a state, in the place of one of the same name. Raises OSError; what was there before stays then."""
    path = os.path.join(folder, name)
    unfinished = f"{path}.{os.getpid()}"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=0) as file:
            for part in parts:
                view = memoryview(part)
                while view:
                    view = view[file.write(view) :]
        os.rename(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise


def read_checkpoint(folder: str, name: str, state_bytes: int) -> bytes:
    """A state as it was written. Raises OSError when it is not there, or is not as long as it was."""
    with open(os.path.join(folder, name), "rb") as file:
        data = file.read()
    if len(data) != state_bytes:
        raise OSError(f"{name} has {len(data)} bytes instead of {state_bytes}")
    return data


def remove_checkpoint(folder: str, name: str) -> None:
    """Remove a file of the folder; nothing when there is none."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(folder, os.path.basename(name)))
