"""The files of checkpoints: what they take together, and which go when it is too much.

Actors write them themselves; the core keeps count. Files of actors that have ended, and those that could not be
restored, are left for people and for readers of the log. They are the first to go, the oldest at first.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cellray.core import failures

if TYPE_CHECKING:
    from cellray.core.actor_record import Actor
    from cellray.core.outbox import Outbox


class CheckpointFiles:
    """All of one node. `used_bytes` is what those take that are there."""

    def __init__(self, outbox: Outbox, bytes_max: int) -> None:
        self.used_bytes = 0
        self._outbox = outbox
        self._bytes_max = bytes_max
        self._files: dict[str, tuple[int, Actor]] = {}
        self._owned: dict[Actor, dict[str, None]] = {}
        self._left: deque[str] = deque()

    def add(self, actor: Actor, file: str, file_bytes: int) -> str:
        """A file was written, perhaps over an older one; why it cannot stay, or nothing."""
        self._forget(file)
        if file in self._left:
            self._left.remove(file)
        while self._left and self.used_bytes + file_bytes > self._bytes_max:
            self.drop([self._left.popleft()])
        if self.used_bytes + file_bytes > self._bytes_max:
            self._outbox.dropped_checkpoints.append(file)
            return (
                f"its {failures.megabytes(file_bytes)} are more than checkpoints may take on disk "
                f"({failures.megabytes(self.used_bytes)} of {failures.megabytes(self._bytes_max)} are in use; set "
                "CELLRAY_CHECKPOINT_BYTES_MAX)"
            )
        self._files[file] = (file_bytes, actor)
        self._owned.setdefault(actor, {})[file] = None
        self.used_bytes += file_bytes
        return ""

    def drop(self, files: list[str]) -> None:
        """Remove files."""
        for file in files:
            self._forget(file)
            self._outbox.dropped_checkpoints.append(file)

    def leave(self, file: str) -> None:
        """A file is of no use to its actor any more, and perhaps to people: it goes when others want the room."""
        _, actor = self._files[file]
        del self._owned[actor][file]
        self._left.append(file)

    def retire(self, actor: Actor) -> None:
        """The actor has ended: its files go when others want the room."""
        self._left.extend(file for file in self._owned.pop(actor, {}))

    def _forget(self, file: str) -> None:
        known = self._files.pop(file, None)
        if known is not None:
            file_bytes, actor = known
            self.used_bytes -= file_bytes
            self._owned.get(actor, {}).pop(file, None)
