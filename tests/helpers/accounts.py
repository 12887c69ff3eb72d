"""An actor that can die at every point of its life. Its processes import this module: it needs little itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import cellray


def die_if_armed(folder: Path, point: str) -> None:
    """End this process as a crash does, once for each file that stands for this point of its life."""
    for armed in folder.glob(f"{point}.*"):
        armed.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def arm(folder: Path, **deaths: int) -> None:
    for point, count in deaths.items():
        for number in range(count):
            (folder / f"{point}.{number}").touch()


@cellray.remote
def note(folder: Path, entry: int) -> int:
    """Leaves a trace of each run of it."""
    (folder / f"noted-{entry}-{os.getpid()}-{os.urandom(4).hex()}").touch()
    return entry


class Account:
    """Sums up, has each entry noted by a task, and can die anywhere."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.entries: list[int] = []
        die_if_armed(self.folder, "constructor")

    def add(self, entry: int) -> int:
        die_if_armed(self.folder, "begin")
        self.entries.append(cellray.get(note.remote(self.folder, entry)))
        die_if_armed(self.folder, "end")
        return sum(self.entries)

    @cellray.method(read_only=True)
    def seen(self) -> list[int]:
        (self.folder / f"seen-{os.urandom(4).hex()}").touch()
        return self.entries

    @cellray.method(read_only=True)
    def pid(self) -> int:
        return os.getpid()


class Kept(Account):
    """The same with checkpoints."""

    def __checkpoint__(self) -> list[int]:
        die_if_armed(self.folder, "checkpoint")
        return self.entries

    def __restore__(self, state: list[int]) -> None:
        die_if_armed(self.folder, "restore")
        self.entries = state


KINDS: dict[str, Any] = {
    "replay": cellray.remote(recover="replay")(Account),
    "checkpoint": cellray.remote(checkpoint_every=5)(Kept),
    "each": cellray.remote(checkpoint_every=1)(Kept),
    "demand": cellray.remote(checkpoint_every=0)(Kept),
}
