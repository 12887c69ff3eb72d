"""When the watch speaks up, and what it knows of processes that the kernel killed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from cellray.clock import SystemClock
from cellray.model.fact import MemoryMeasured
from cellray.node.memory_watch import MemoryWatch, resident_bytes
from cellray.store import machine_memory


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 1000 kB, half of it in use."""
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 500 kB\n")
    monkeypatch.setattr(machine_memory, "PROC", tmp_path)
    return tmp_path


def looked(threshold: float, refresh_ms: float = 1.0) -> list[MemoryMeasured]:
    """What is reported until something is, or for a while."""

    async def main() -> list[MemoryMeasured]:
        told: list[MemoryMeasured] = []
        first = asyncio.Event()

        def report(fact: MemoryMeasured) -> None:
            told.append(fact)
            first.set()

        watch = MemoryWatch(threshold, refresh_ms, lambda: [os.getpid(), 1 << 30], report, SystemClock())
        watch.start()
        try:
            await asyncio.wait_for(first.wait(), 20 if threshold < 0.5 and refresh_ms else 0.05)
        except TimeoutError:
            pass
        finally:
            watch.close()
        return told

    return asyncio.run(main())


def test_says_so_only_while_too_much_is_in_use(machine: Path) -> None:
    assert looked(0.6) == []
    told = looked(0.4)[0]
    assert (told.used_bytes, told.total_bytes) == (500 * 1024, 1000 * 1024)
    sizes = dict(told.worker_bytes)
    assert sizes[os.getpid()] > 1_000_000
    assert sizes[1 << 30] == 0, "a process that is gone"


@pytest.mark.parametrize(("threshold", "refresh_ms"), [(1.0, 1.0), (0.4, 0.0)])
def test_can_be_turned_off(machine: Path, threshold: float, refresh_ms: float) -> None:
    (machine / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 1 kB\n")
    assert looked(threshold, refresh_ms) == []


def test_kills_by_the_kernel_are_told_once(machine: Path) -> None:
    (machine / "vmstat").write_text("oom_kill 3\n")
    watch = MemoryWatch(0.9, 100, list, lambda fact: None, SystemClock())
    assert not watch.has_kernel_killed()
    (machine / "vmstat").write_text("oom_kill 4\n")
    assert watch.has_kernel_killed()
    assert not watch.has_kernel_killed()


def test_shared_memory_is_not_counted() -> None:
    assert 1_000_000 < resident_bytes(os.getpid()) < 4_000_000_000
