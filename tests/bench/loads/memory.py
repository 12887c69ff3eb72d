"""Memory of a session's processes: PSS, which shares out pages that several processes map, so that sums are honest."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.bench.contender import Contender, Plan

PROC = Path("/proc")
SETTLE_S = 1.0


def memory(_contender: Contender, _plan: Plan) -> dict[str, float]:
    """The calling driver's PSS, and that of everything it started, when all has come to rest."""
    time.sleep(SETTLE_S)
    own = os.getpid()
    return {"driver_pss_bytes": pss_bytes([own]), "session_pss_bytes": pss_bytes(descendants(own))}


def pss_bytes(pids: Iterable[int], proc: Path = PROC) -> int:
    """Sum over the processes; those that have ended meanwhile count as nothing."""
    return sum(_pss_of(proc / str(pid) / "smaps_rollup") for pid in pids)


def descendants(pid: int, proc: Path = PROC) -> list[int]:
    """Pids of the process's children and of theirs, sorted. Orphans, whose parent has ended, are not found."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in proc.iterdir():
        if entry.name.isdigit():
            parent = _parent_of(entry / "stat")
            if parent is not None:
                children[parent].append(int(entry.name))
    found: list[int] = []
    todo = [pid]
    while todo:
        todo_now = children[todo.pop()]
        found += todo_now
        todo += todo_now
    return sorted(found)


def _pss_of(path: Path) -> int:
    try:
        for line in path.read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def _parent_of(path: Path) -> int | None:
    try:
        # The name before it stands in parentheses and may hold anything, parentheses too.
        return int(path.read_text(errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
