"""The main loop of a worker, where no process is needed to see it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cellray.client.connect import Connected
from cellray.config import Config
from cellray.engines.native import NativeEngine
from cellray.ids import TaskId
from cellray.model.task import TaskAssignment
from cellray.store.memory import MemoryStore
from cellray.worker.main import Worker

from tests.unit.worker.test_calls import WELCOME


@pytest.fixture
def engines() -> Iterator[list[NativeEngine]]:
    """Those that workers of this test have made."""
    made: list[NativeEngine] = []
    yield made
    for engine in made:
        engine.close()


def new_worker(engines: list[NativeEngine], nodes: list[socket.socket]) -> Worker:
    def make(handlers: dict[type, Callable[[Any], None]]) -> NativeEngine:
        ours, theirs = socket.socketpair()
        nodes.append(theirs)
        connected = Connected(ours, WELCOME, -1)
        engines.append(NativeEngine(connected, MemoryStore(1000), Config(), role="worker", handlers=handlers))
        return engines[-1]

    return Worker(make, 1 << 20, None, "", 0)  # type: ignore[arg-type]


def test_a_task_that_was_given_back_is_no_mistake_and_a_mistake_is_not_taken_for_that(
    engines: list[NativeEngine],
) -> None:
    nodes: list[socket.socket] = []
    worker = new_worker(engines, nodes)
    worker._run_next()  # what stood there was given back between the look and the take
    worker._queue.append(TaskAssignment(TaskId(b"t" * 16), 1, b"", (), (), 0))  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        worker._run_next()  # of a template that nobody has introduced
    nodes[0].close()
