"""Actors that serve several calls at a time: their end when the node has gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest
from cellray.client.connect import Connected
from cellray.config import Config
from cellray.engines.native import NativeEngine
from cellray.ids import ClientId, JobId, NodeId, SessionId, TaskId
from cellray.store.memory import MemoryStore
from cellray.wire import Welcome
from cellray.worker.concurrency import Calls
from cellray.worker.desk import Desk
from cellray.worker.event_loop import LoopCalls
from cellray.worker.threads import ThreadedCalls

WELCOME = Welcome(ClientId(2), SessionId("s"), NodeId("n"), JobId(b"jobj"), TaskId(b"r" * 16), (), 1000, "", b"")


@pytest.fixture
def deserted() -> Iterator[NativeEngine]:
    """An engine whose node has closed the connection."""
    ours, nodes = socket.socketpair()
    engine = NativeEngine(Connected(ours, WELCOME, -1), MemoryStore(1000), Config(), role="worker")
    nodes.close()
    engine.channel._thread.join(10)
    assert engine.is_lost
    yield engine
    engine.close()


@pytest.mark.parametrize("make", [ThreadedCalls, LoopCalls])
def test_an_actor_whose_node_went_while_it_was_created_does_not_serve(
    deserted: NativeEngine, make: Callable[[Desk, dict[str, int]], Calls]
) -> None:
    # The constructor returned, the last handle went, and the node said goodbye: all before calls are waited for.
    calls = make(Desk(deserted), {"": 2})
    assert calls.serve() is None
    if isinstance(calls, LoopCalls):
        calls._loop.close()
        asyncio.set_event_loop(None)
