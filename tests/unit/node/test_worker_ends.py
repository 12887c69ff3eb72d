"""Each worker is buried once, whichever is heard of first: its connection's end or its process's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cellray.clock import SystemClock
from cellray.errors import SessionError
from cellray.ids import NODE, ClientId
from cellray.model.fact import LoggedFact, WorkerExited
from cellray.node.worker_ends import WorkerEnds
from cellray.node.worker_files import WorkerFiles

WORKER, PID = ClientId(7), 1234
KILLED = 9
"""A wait status."""


class Node:
    """What is around `WorkerEnds`. `pids` live, `buried` are those whose end was told."""

    def __init__(self, folder: Path) -> None:
        self.clients: dict[ClientId, Any] = {}
        self.pids: set[int] = set()
        self.buried: list[tuple[ClientId, int]] = []
        self.ends = WorkerEnds(
            self.clients, WorkerFiles(str(folder)), self.record, lambda: self.pids, lambda: False, SystemClock()
        )

    def record(self, facts: Sequence[LoggedFact]) -> None:
        self.buried += [(fact.worker_id, fact.signal) for fact in facts if isinstance(fact, WorkerExited)]


def test_the_connection_ends_first(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.ends.on_disconnected(WORKER, PID)
    assert not node.buried
    node.ends.on_process_ended(PID, KILLED)
    assert node.buried == [(WORKER, 9)]


def test_the_process_ends_first_and_its_connection_is_closed(tmp_path: Path) -> None:
    node = Node(tmp_path)

    async def end() -> None:
        closed = asyncio.Event()
        node.clients[WORKER] = SimpleNamespace(hello=SimpleNamespace(pid=PID, role="worker"), close=closed.set)
        node.ends.on_process_ended(PID, KILLED)
        assert not node.buried
        await asyncio.wait_for(closed.wait(), 10)

    asyncio.run(end())
    node.ends.on_disconnected(WORKER, PID)
    assert node.buried == [(WORKER, 9)]


def test_who_ended_before_he_was_admitted_is_not_admitted_any_more(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.ends.on_process_ended(PID, KILLED)
    assert node.buried == [(NODE, 9)]
    with pytest.raises(SessionError, match="has ended"):
        node.ends.check(PID)
    node.ends.on_process_ended(PID, KILLED)
    node.pids.add(PID)
    node.ends.check(PID)  # another one has its number
