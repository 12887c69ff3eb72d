"""The files behind the workers' descriptors 1 and 2: what C code, subprocesses and crashes write, read as it grows."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from cellray.worker.black_box import STREAMS, Printed, read_black_box

READ_BYTES_MAX = 64 * 1024
"""At most this much of one stream is forwarded at a time; what more has come is counted, and stays in the file."""
TAIL_BYTES = 2000


class Piece(NamedTuple):
    """Text of one stream, and how much after it was left out."""

    stream: str
    text: str
    dropped_bytes: int


class WorkerFiles:
    """How far each file has been read."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._offsets: dict[tuple[int, str], int] = {}

    def read(self, pid: int, *, to_the_end: bool) -> list[Piece]:
        """What has come since the last time: whole lines only, or all there is."""
        pieces = []
        for stream in STREAMS:
            piece = self._read_stream(pid, stream, to_the_end)
            if piece is not None:
                pieces.append(piece)
        return pieces

    def _read_stream(self, pid: int, stream: str, to_the_end: bool) -> Piece | None:
        path = self._path(pid, stream)
        offset = self._offsets.get((pid, stream), 0)
        try:
            size = os.stat(path).st_size
            if size <= offset:
                return None
            with open(path, "rb", buffering=0) as file:
                data = os.pread(file.fileno(), min(size - offset, READ_BYTES_MAX), offset)
        except OSError:
            return None
        if not to_the_end and len(data) < READ_BYTES_MAX:
            data = data[: data.rfind(b"\n") + 1]
            size = offset + len(data)
        if not data:
            return None
        self._offsets[pid, stream] = size
        return Piece(stream, data.decode(errors="replace"), size - offset - len(data))

    def black_box(self, pid: int) -> list[Printed]:
        """What its tasks had printed that did not get here any more."""
        return read_black_box(self._path(pid, "box"))

    def tail(self, pid: int) -> str:
        """The last lines, for the story of the worker's end."""
        return "".join(_read_tail(self._path(pid, stream)) for stream in STREAMS)

    def forget(self, pid: int) -> None:
        """The process has ended, and all has been read."""
        for stream in STREAMS:
            self._offsets.pop((pid, stream), None)
        with contextlib.suppress(OSError):
            os.unlink(self._path(pid, "box"))

    def _path(self, pid: int, stream: str) -> str:
        return os.path.join(self._folder, f"worker-{pid}.{stream}")


def _read_tail(path: str) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
