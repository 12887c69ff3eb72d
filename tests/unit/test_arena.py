"""The arena's size: what is there, what is taken, and what is said when it does not fit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from cellray.errors import ObjectStoreFullError
from cellray.store import arena, machine_memory
from cellray.store.arena import (
    ARENA_BYTES_MAX,
    ARENA_BYTES_MIN,
    MB,
    check_room,
    create_arena,
    default_arena_bytes,
)
from cellray.store.machine_memory import available_memory_bytes, memory_use, oom_kills


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8000 MB of available memory and no control group."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "cgroup").mkdir()
    (tmp_path / "shm").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 7812500 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    monkeypatch.setattr(machine_memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(machine_memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(arena, "MEMORY_FILES", tmp_path / "shm")
    return tmp_path


def no_memfd(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    monkeypatch.setattr(arena, "has_memfd", lambda: False)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free_bytes))


def limit(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_thirty_percent_of_what_is_available(machine: Path) -> None:
    assert available_memory_bytes() == 8000 * MB
    assert default_arena_bytes() == 2400 * MB


def test_a_control_group_limits_and_its_page_cache_counts_as_free(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("0::/a/b\n")
    limit(machine / "cgroup/a/b", memory__max="max\n", memory__current="5\n")
    limit(
        machine / "cgroup/a",
        memory__max="1000000000\n",
        memory__current="900000000\n",
        memory__stat="anon 1\ninactive_file 300000000\n",
    )
    assert available_memory_bytes() == 400 * MB
    assert default_arena_bytes() == 120 * MB


def test_control_groups_of_version_1(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("5:cpu,memory:/docker/x\n1:name=systemd:/\n")
    limit(machine / "cgroup/memory", memory__limit_in_bytes="500000000", memory__usage_in_bytes="100000000")
    assert available_memory_bytes() == 400 * MB
    limit(machine / "cgroup/memory", memory__limit_in_bytes="9223372036854771712")
    assert available_memory_bytes() == 8000 * MB


def test_memory_in_use_is_told_of_what_is_nearest_to_its_limit(machine: Path) -> None:
    assert memory_use() == (9_000_000 * 1024 - 8000 * MB, 9_000_000 * 1024)
    (machine / "proc/self/cgroup").write_text("0::/a\n")
    limit(
        machine / "cgroup/a",
        memory__max="1000000000\n",
        memory__current="900000000\n",
        memory__stat="inactive_file 100000000\n",
    )
    assert memory_use() == (800 * MB, 1000 * MB)
    (machine / "proc/meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 100 kB\n")
    assert memory_use() == (900 * 1024, 1000 * 1024)
    (machine / "proc/meminfo").unlink()
    (machine / "proc/self/cgroup").unlink()
    assert memory_use() == (0, 1), "nothing is known: nothing is short"


def test_processes_that_the_kernel_killed_are_counted(machine: Path) -> None:
    assert oom_kills() == 0
    (machine / "proc/vmstat").write_text("nr_free_pages 5\noom_kill 2\n")
    (machine / "proc/self/cgroup").write_text("0::/a\n4:memory:/b\n")
    limit(machine / "cgroup/a", memory__events="low 0\noom 1\noom_kill 3\n")
    limit(machine / "cgroup/memory/b", memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    assert oom_kills() == 9


def test_a_path_that_leads_out_of_the_control_groups_is_cut(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("0::/../other\n")
    assert available_memory_bytes() == 8000 * MB


def test_a_machine_without_proc_counts_its_physical_memory(machine: Path) -> None:
    shutil.rmtree(machine / "proc")
    assert available_memory_bytes() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_default_has_bounds(machine: Path) -> None:
    (machine / "proc/meminfo").write_text("MemAvailable: 1000 kB\n")
    assert default_arena_bytes() == ARENA_BYTES_MIN
    (machine / "proc/meminfo").write_text("MemAvailable: 9000000000 kB\n")
    assert default_arena_bytes() == ARENA_BYTES_MAX


def test_more_than_the_memory_is_refused_with_what_to_do(machine: Path) -> None:
    check_room(8000 * MB)
    with pytest.raises(ObjectStoreFullError) as caught:
        create_arena(8001 * MB)
    text = str(caught.value)
    assert "8,001 MB was asked for" in text
    assert "8,000 MB of memory available" in text
    assert "init(object_store_memory=4000000000)" in text


def test_a_small_shared_memory_folder_matters_only_without_memory_files(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=64 * MB))
    check_room(1000 * MB)
    no_memfd(monkeypatch, 64 * MB)
    with pytest.raises(ObjectStoreFullError) as caught:
        check_room(1000 * MB)
    text = str(caught.value)
    assert "64 MB free" in text
    assert "--shm-size" in text
    assert "init(object_store_memory=32000000)" in text


def test_the_file_behind_the_arena_has_no_name(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_memfd(monkeypatch, 1000 * MB)
    assert default_arena_bytes() == 900 * MB
    fd = create_arena(ARENA_BYTES_MIN)
    assert os.fstat(fd).st_size == ARENA_BYTES_MIN
    assert os.fstat(fd).st_nlink == 0
    assert list((machine / "shm").iterdir()) == []
    os.close(fd)


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_must_be_positive(size: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        create_arena(size)
