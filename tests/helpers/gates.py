"""Gates: files by which a test holds tasks back and learns that they have begun, in whatever process they run."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.helpers.polling import PAUSE_S, eventually

HELD_S_MAX = 60.0


class Gate:
    """Tasks call `arrive` and `pass_through`; the test `wait_arrived` and `open`. Travels by its path."""

    def __init__(self, folder: Path, name: str = "gate") -> None:
        self._path = str(folder / name)

    def arrive(self, who: object = "") -> None:
        """Note that somebody is here."""
        with open(f"{self._path}.arrived.{os.getpid()}.{time.monotonic_ns()}", "w", encoding="utf-8") as file:
            file.write(str(who))

    def pass_through(self) -> None:
        """Wait until the gate is open, in short sleeps, so that an interrupt gets through."""
        deadline = time.monotonic() + HELD_S_MAX
        while not os.path.exists(f"{self._path}.open"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"gate {self._path} was not opened")
            time.sleep(PAUSE_S)

    def open(self) -> None:
        """Let everybody through."""
        Path(f"{self._path}.open").touch()

    @property
    def pids(self) -> list[int]:
        """Processes of those who arrived, once for each arrival."""
        folder, name = os.path.split(self._path)
        return [int(entry.split(".")[-2]) for entry in os.listdir(folder) if entry.startswith(f"{name}.arrived.")]

    def wait_arrived(self, count: int = 1) -> list[int]:
        """Until `count` have arrived; their process ids."""
        eventually(lambda: len(self.pids) >= count, f"{count} arrivals at {self._path}")
        return self.pids
