"""What a test may not leave behind: processes, files, descriptors, threads, mappings of shared memory."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

import psutil
from cellray import Session
from cellray.node.control import NodeStatus

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
    """What lies in the folder of sessions, the link to the latest one not counted."""
    return [str(path) for path in Path(home).iterdir() if path.name != "latest"]


def wait_nothing_left(home: str, timeout_s: float = GONE_S_MAX) -> None:
    """Until all processes and files of the sessions below `home` are gone."""
    _wait_processes(home, timeout_s)
    eventually(lambda: not session_files(home), f"{home} is empty", timeout_s)


def wait_nothing_held(session: Session, reader: StatusReader, timeout_s: float = GONE_S_MAX) -> None:
    """Until a session that goes on counts no object and no task any more, and no file or worker is left over."""
    held: list[str] = []

    def look() -> bool:
        held[:] = _what_is_held(session, reader.read(session.address))
        return not held

    try:
        eventually(look, "nothing is held", timeout_s)
    except AssertionError:
        raise AssertionError(f"the session still holds {', '.join(held)}") from None


def _what_is_held(session: Session, status: NodeStatus) -> list[str]:
    counts = {
        "objects": status.object_count,
        "bytes in the store": status.object_store_used_bytes,
        "bytes on disk": status.object_store_spilled_bytes,
        "spill files": len(list(Path(session.address, "spill").glob("*"))),
        **{f"{state} tasks": status.tasks[state] for state in ("waiting", "ready", "running")},
        **Counter(f"{worker.state} workers" for worker in status.workers if worker.state != "idle"),
        "amounts of resources": sum(
            status.resources_available[name] != total for name, total in status.resources_total.items()
        ),
    }
    return [f"{count} {what}" for what, count in counts.items() if count]


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


def _descriptors() -> dict[str, str]:
    found = {}
    for entry in os.listdir("/proc/self/fd"):
        try:
            found[entry] = os.readlink(f"/proc/self/fd/{entry}")
        except OSError:
            continue  # the descriptor of the listing itself
    return found
