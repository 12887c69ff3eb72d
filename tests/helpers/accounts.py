"""An actor that can die at every point of its life. Its processes import this module: it needs little itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cellray
import numpy as np


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
        die_if_armed(self.folder, f"entry{entry}")
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


class Shelf:
    """State that is large, changed in place, and refers to objects."""

    def __init__(self, items: int, folder: str = "") -> None:
        self.folder = Path(folder)
        self.values = np.zeros(items)
        self.refs: list[Any] = []

    def __checkpoint__(self) -> dict[str, Any]:
        if (self.folder / "raises").exists():
            raise ValueError("not today")
        return {"values": self.values, "refs": self.refs}

    def __restore__(self, state: dict[str, Any]) -> None:
        if (self.folder / "damaged").exists():
            (self.folder / "damaged").unlink()
            raise KeyError("values")
        if (self.folder / "all-damaged").exists():
            raise KeyError("values")
        self.values, self.refs = state["values"], state["refs"]

    def raise_all(self, amount: Any) -> float:
        self.values += amount
        return float(self.values.sum())

    def keep(self, value: int) -> int:
        self.refs.append(cellray.put(np.full(50_000, value)))
        return len(self.refs)

    def keep_given(self, refs: list[Any]) -> int:
        self.refs += refs
        return len(self.refs)

    def total(self) -> float:
        return float(sum(each.sum() for each in cellray.get(self.refs)))

    def fail(self, amount: float) -> None:
        self.values += amount
        raise RuntimeError("after the change")

    @cellray.method(read_only=True)
    def look(self) -> float:
        return float(self.values.sum())

    @cellray.method(read_only=True)
    def pid(self) -> int:
        return os.getpid()


@cellray.remote
class Teller:
    """Counts in another actor, which must not see that this one died, and has one of its own."""

    def __init__(self, other: Any) -> None:
        self.other = other
        self.mine = Tally.remote()

    def count(self) -> tuple[int, int]:
        refs = self.other.add.remote(), self.mine.add.remote()
        return tuple(cellray.get(list(refs)))

    def tell(self) -> None:
        self.other.add_silently.remote()

    def listen(self) -> list[int]:
        return [cellray.get(ref) for ref in self.other.grow.remote(3)]

    @cellray.method(read_only=True)
    def pid(self) -> int:
        return os.getpid()


@cellray.remote
class Tally:
    """What `Teller` counts in."""

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> int:
        self.count += 1
        return self.count

    @cellray.method(num_returns=0)
    def add_silently(self) -> None:
        self.count += 1

    def grow(self, times: int) -> Iterator[int]:
        for _ in range(times):
            self.count += 1
            yield self.count

    def value(self) -> int:
        return self.count


class Teletype:
    """Yields and prints, and counts both."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.count = 0
        die_if_armed(self.folder, "constructor")

    def items(self, number: int) -> Iterator[int]:
        for _ in range(number):
            self.count += 1
            yield self.count
            die_if_armed(self.folder, f"item{self.count}")

    def say(self, text: str) -> None:
        self.count += 1
        print(text, flush=True)  # noqa: T201 - what is printed is tested

    @cellray.method(read_only=True)
    def counted(self) -> int:
        return self.count

    @cellray.method(read_only=True)
    def pid(self) -> int:
        return os.getpid()
