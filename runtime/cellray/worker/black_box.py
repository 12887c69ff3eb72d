"""What tasks have printed and the node has not got yet, where it outlives the process: `print` followed by a crash.

A small file, mapped by the worker, so that noting a line costs no system call; the node reads it when the worker has
died. It holds what was printed since facts were sent last: mostly nothing.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import NamedTuple

from cellray.ids import TaskId

BOX_BYTES = 64 * 1024
STREAMS = ("stdout", "stderr")
BOUNDS = struct.Struct("<II")
ENTRY = struct.Struct("<B16sI")


class Printed(NamedTuple):
    """A piece of text."""

    stream: str
    task_id: TaskId
    text: str


class BlackBox:
    """The worker's end."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, BOX_BYTES)
        self._memory = mmap.mmap(descriptor, BOX_BYTES)
        os.close(descriptor)
        self._start = self._end = self._mark = BOUNDS.size

    def note(self, stream: str, task_id: TaskId, text: str) -> None:
        """It was printed. When there is no room, the beginning of what was printed is kept."""
        data = text.encode(errors="replace")
        body = self._end + ENTRY.size
        after = body + len(data)
        if after > BOX_BYTES:
            return
        ENTRY.pack_into(self._memory, self._end, STREAMS.index(stream), task_id, len(data))
        self._memory[body:after] = data
        self._end = after
        self._note_bounds()

    def mark(self) -> None:
        """What is in it is about to be sent."""
        self._mark = self._end

    def clear(self) -> None:
        """What was in it when it was marked has been sent."""
        if self._start != self._end:
            self._start = self._mark
            if self._start == self._end:
                self._start = self._end = self._mark = BOUNDS.size
            self._note_bounds()

    def _note_bounds(self) -> None:
        BOUNDS.pack_into(self._memory, 0, self._start, self._end)


def read_black_box(path: str) -> list[Printed]:
    """What a dead worker left in it."""
    try:
        with open(path, "rb") as file:
            memory = file.read()
    except OSError:
        return []
    found: list[Printed] = []
    at, end = BOUNDS.unpack_from(memory, 0)
    while at < end:
        stream, task_id, count = ENTRY.unpack_from(memory, at)
        at += ENTRY.size
        text = memory[at : at + count].decode(errors="replace")
        last = found[-1] if found else None
        if last is not None and (last.stream, last.task_id) == (STREAMS[stream], task_id):
            found[-1] = last._replace(text=last.text + text)
        else:
            found.append(Printed(STREAMS[stream], TaskId(task_id), text))
        at += count
    return found
