"""What a test may not leave behind: processes, files, descriptors, threads, mappings of shared memory."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.helpers.control import StatusReader
from tests.helpers.polling import eventually

HOME = "CELLRAY_HOME"
GONE_S_MAX = 5.0


def processes_of(home: str) -> list[psutil.Process]:
    """Living processes of the sessions below `home`, this one not counted.

    All have inherited the variable; redis-server, which writes its title over its environment, works in the folder.
    """
    found = []
    for process in psutil.process_iter():
        try:
            is_ours = process.environ().get(HOME) == home or process.cwd().startswith(home)
            if is_ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def describe(processes: list[psutil.Process]) -> list[str]:
    """Pids and command lines, for a message."""
    lines = []
    for process in processes:
        try:
            lines.append(f"{process.pid} {' '.join(process.cmdline())[:150]}")
        except psutil.Error:
            continue
    return lines


def session_files(home: str) -> list[str]:
    """What lies in the folder of sessions, the link to the latest one and the archive of logs not counted."""
    return [str(path) for path in Path(home).iterdir() if path.name not in ("latest", "archive")]


def wait_nothing_left(home: str, timeout_s: float = GONE_S_MAX) -> None:
    """Until all processes and files of the sessions below `home` are gone."""
    _wait_processes(home, timeout_s)
    eventually(lambda: not session_files(home), f"{home} is empty", timeout_s)


def _wait_processes(home: str, timeout_s: float) -> None:
    try:
        eventually(lambda: not processes_of(home), "no processes are left", timeout_s)
    except AssertionError:
        raise AssertionError("processes are left:\n" + "\n".join(describe(processes_of(home)))) from None


class OwnResources:
    """Descriptors, threads and mappings of this process at one moment."""

    def __init__(self) -> None:
        self._descriptors = _descriptors()

    def check(self) -> None:
        """Nothing is there that was not there before."""
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("cellray")]
        assert not threads, f"threads are left: {threads}"
        new = {number: target for number, target in _descriptors().items() if number not in self._descriptors}
        assert not new, f"descriptors are left open: {new}"
        mapped = [line.rstrip() for line in Path("/proc/self/maps").read_text().splitlines() if "memfd:cellray" in line]
        assert not mapped, f"shared memory is mapped still: {mapped}"


def _descriptors(pid: int | str = "self") -> dict[str, str]:
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[entry] = os.readlink(f"/proc/{pid}/fd/{entry}")
        except OSError:
            continue  # the descriptor of the listing itself
    return found


class Counted(NamedTuple):
    """What a session holds at one moment. Bytes are those in shared memory and on disk."""

    objects: int
    objects_read: int
    used_bytes: int
    spilled_bytes: int
    spill_files: int
    tasks: int
    actors: int
    workers_at_work: int
    """Busy, blocked or ending."""
    available: dict[str, float]
    descriptors: int
    """Of the node, without the one that each worker's connection takes."""


def counted(address: str, reader: StatusReader) -> Counted:
    """What the session in this folder holds now."""
    status = reader.read(address)
    spill = Path(address, "spill")
    return Counted(
        status.object_count,
        status.objects_read,
        status.object_store_used_bytes,
        status.object_store_spilled_bytes,
        len(list(spill.iterdir())) if spill.exists() else 0,
        sum(status.tasks[state] for state in ("waiting", "ready", "running")),
        sum(worker.state == "actor" for worker in status.workers),
        sum(worker.state not in ("idle", "actor") for worker in status.workers),
        status.resources_available,
        _node_descriptors(status.pid) - len(status.workers),
    )


def _node_descriptors(pid: int) -> int:
    """Files, pipes and connections of clients; not those to Redis, which are made as they are needed."""
    files = sum(not target.startswith("socket:") for target in _descriptors(pid).values())
    return files + sum(bool(socket.laddr) for socket in psutil.Process(pid).net_connections("unix"))


@contextmanager
def nothing_lost(address: str, reader: StatusReader, timeout_s: float = GONE_S_MAX) -> Iterator[Counted]:
    """After the block the session holds what it held before it: objects, memory, disk, tasks, actors, descriptors.

    References that were made in the block must have gone at its end; what was read in the block of objects from before
    it, should be read before it too, since views of what a process refers to linger.
    """
    gc.collect()
    before = counted(address, reader)

    def is_as_before(now: Counted) -> bool:
        # A descriptor less is no leak: something was still on its way out.
        return now._replace(descriptors=max(now.descriptors, before.descriptors)) == before

    yield before
    gc.collect()
    try:
        eventually(lambda: is_as_before(counted(address, reader)), "the session holds what it held before", timeout_s)
    except AssertionError:
        now = counted(address, reader)._asdict()
        changes = [f"{name}: {was} -> {now[name]}" for name, was in before._asdict().items() if now[name] != was]
        raise AssertionError("the session holds other things than before: " + ", ".join(changes)) from None
