"""What tasks print, at the driver: on the display of the cell it belongs to, else on this process's own streams."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping

from cellray.api.deduplicate import Deduplicator, Line
from cellray.config import Config
from cellray.model.command import OutputForwarded
from cellray.provenance import route_output

CYAN, PLAIN = "\033[36m", "\033[0m"


class OutputPrinter:
    """Prints lines as `(name pid=123) text`, as Ray does. Called in the runtime's I/O thread."""

    def __init__(self, config: Config, environment: Mapping[str, str]) -> None:
        self._lines = Deduplicator(config, environment)
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def show(self, command: OutputForwarded) -> None:
        """A piece of output has come."""
        if route_output(command):
            return
        prefix = f"({command.name} pid={command.pid})"
        now = time.monotonic()
        with self._lock:
            shown: list[Line] = []
            for text in command.text.splitlines():
                shown += self._lines.take(Line(command.stream, prefix, text, command.pid), now)
            if command.dropped_bytes:
                text = f"... {command.dropped_bytes} bytes of output were not shown: they are in the session's logs"
                shown.append(Line(command.stream, prefix, text, command.pid))
            self._print(shown)
            self._arm(now)

    def close(self) -> None:
        """Show what was counted."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._print(self._lines.flush())

    def _arm(self, now: float) -> None:
        """Counts are shown in time, also when nothing more comes."""
        due = self._lines.next_at
        if due is not None and self._timer is None:
            self._timer = threading.Timer(max(0.0, due - now), self._on_time)
            self._timer.name = "cellray-output"
            self._timer.daemon = True
            self._timer.start()

    def _on_time(self) -> None:
        with self._lock:
            self._timer = None
            now = time.monotonic()
            self._print(self._lines.expire(now))
            self._arm(now)

    def _print(self, lines: Iterable[Line]) -> None:
        """Lines of one stream that come together are written together."""
        for name, group in itertools.groupby(lines, key=lambda line: line.stream):
            stream = sys.stderr if name == "stderr" else sys.stdout
            before, after = (CYAN, PLAIN) if _has_colour(stream) else ("", "")
            with contextlib.suppress(ValueError, OSError):  # the program has closed its stream
                stream.write("".join(f"{before}{line.prefix}{after} {line.text}\n" for line in group))
                stream.flush()


def _has_colour(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty()) and "NO_COLOR" not in os.environ
